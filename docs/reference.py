"""The reference pages, made from the code: commands, configuration, REST, Python, queries."""

from __future__ import annotations

import inspect
from collections.abc import Iterator
from importlib.resources import files
from pathlib import Path
from typing import Any, get_args, get_origin

import typer
from fastapi import FastAPI
from pydantic import BaseModel
from pydantic_core import PydanticUndefined
from sphinx.pycode import ModuleAnalyzer
from typer.core import TyperCommand, TyperGroup

import bali
from bali.cli.main import app
from bali_platform.api.app import PUBLIC, create_app
from bali_trainers.training.config import Config

SUMMARY_AT = "\n\n"


def write(folder: Path) -> None:
    """Write one Markdown page for each part of the reference into ``folder``."""
    folder.mkdir(exist_ok=True)
    pages = {
        "commands": commands(),
        "configuration": configuration(),
        "rest": rest(),
        "python": python(),
        "queries": queries(),
    }
    for name, lines in pages.items():
        (folder / f"{name}.md").write_text("\n".join(lines) + "\n", encoding="utf-8")


def commands() -> Iterator[str]:
    """Every command with its options."""
    yield "# Commands\n"
    yield from _command(typer.main.get_command(app), "bali")


def _command(command: TyperCommand | TyperGroup, path: str) -> Iterator[str]:
    if isinstance(command, TyperGroup):
        for name, child in sorted(command.commands.items()):
            if not child.hidden:
                yield from _command(child, f"{path} {name}")
        return
    yield f"## `{path}`\n\n{inspect.cleandoc(command.help or '')}\n"
    parameters = [p for p in command.params if p.name != "help"]
    if parameters:
        yield "| option | default | meaning |\n| --- | --- | --- |"
    for parameter in parameters:
        shown = ", ".join(f"`{option}`" for option in parameter.opts)
        default = "" if parameter.default is None else f"`{_plain(parameter.default)}`"
        yield f"| {shown} | {default} | {_cell(getattr(parameter, 'help', '') or '')} |"
    yield ""


def configuration() -> Iterator[str]:
    """Every key of a training configuration with type, bounds and default."""
    yield "# Configuration of a training run\n"
    yield from _section(Config, ())


def _section(model: type[BaseModel], path: tuple[str, ...]) -> Iterator[str]:
    nested: list[tuple[str, type[BaseModel]]] = []
    rows = []
    for name, field in model.model_fields.items():
        inner = _model_of(field.annotation)
        if inner is not None:
            nested.append((name, inner))
            continue
        bounds = ", ".join(_plain(each) for each in field.metadata)
        default = "" if field.default is PydanticUndefined else f"`{_plain(field.default)}`"
        rows.append(
            f"| `{name}` | {_cell(_type(field.annotation))} | {_cell(bounds)} | {default} "
            f"| {_cell(_meaning(model, name))} |"
        )
    if path:
        yield f"## `[{'.'.join(path)}]`\n\n{inspect.getdoc(model) or ''}\n"
    if rows:
        yield "| key | type | bounds | default | meaning |\n| --- | --- | --- | --- | --- |"
        yield from rows
        yield ""
    for name, inner in nested:
        yield from _section(inner, (*path, name))


def _meaning(model: type[BaseModel], name: str) -> str:
    """Return what is written below a key: read here, since pydantic would read it at each start."""
    for owner in model.__mro__[:-1]:
        told = ModuleAnalyzer.for_module(owner.__module__).find_attr_docs()
        if lines := told.get((owner.__name__, name)):
            return " ".join(lines).strip()
    return ""


def _model_of(annotation: Any) -> type[BaseModel] | None:
    choices = get_args(annotation) if get_origin(annotation) else (annotation,)
    models = (c for c in choices if isinstance(c, type) and issubclass(c, BaseModel))
    return next(models, None)


def _type(annotation: Any) -> str:
    return annotation.__name__ if isinstance(annotation, type) else str(annotation)


def rest() -> Iterator[str]:
    """Every route of the API."""
    yield "# REST\n\nFor programs: `/openapi.json` of a running `bali serve`.\n"
    yield f"Without a token, where one is needed: {', '.join(f'`{path}`' for path in PUBLIC)}.\n"
    yield "| method | path | what it does |\n| --- | --- | --- |"
    for path, methods in sorted(_api().openapi()["paths"].items()):
        for method, operation in methods.items():
            yield f"| {method.upper()} | `{path}` | {_cell(operation.get('summary', ''))} |"


def _api() -> FastAPI:
    from bali.serving.extension import extension
    from bali_platform.api.backend import Backend
    from bali_platform.api.guard import Access
    from bali_platform.base.settings import load_settings

    return create_app(Backend(load_settings()), Access(None), [extension()])


def python() -> Iterator[str]:
    """Everything that ``import bali`` gives."""
    yield "# Python\n\n`import bali` gives these names; each is imported when it is first used.\n"
    for name in sorted(bali.__all__):
        thing = getattr(bali, name)
        home = f"`from {thing.__module__} import {name}`"
        yield f"## `bali.{name}`\n\n{home}\n"
        yield f"```python\n{name}{_signature(thing)}\n```\n"
        yield f"```text\n{inspect.getdoc(thing) or ''}\n```\n"


def _signature(thing: Any) -> str:
    try:
        return str(inspect.signature(thing)).replace("'", "")
    except (TypeError, ValueError):
        return ""


def queries() -> Iterator[str]:
    """Every statement that the platform sends to Neo4j."""
    yield "# Shipped queries\n\nFavourites of the Browser, then what the platform asks.\n"
    folder = files("bali_platform.graph") / "queries"
    parts = [part for part in folder.iterdir() if part.is_dir()]
    for part in [*parts, folder]:
        for entry in sorted(part.iterdir(), key=lambda e: e.name):
            if entry.name.endswith(".cypher"):
                yield f"## {entry.name.removesuffix('.cypher')}\n"
                yield f"```\n{entry.read_text(encoding='utf-8').strip()}\n```\n"


def _plain(value: Any) -> str:
    return str(getattr(value, "value", value)).replace("annotated_types.", "")


def _cell(text: str) -> str:
    return " ".join(text.split()).replace("|", "\\|").replace("<class '", "").replace("'>", "")
