"""Which commands there are, and where: each is imported when it is asked for."""

from __future__ import annotations

import inspect
from collections import UserDict
from importlib import import_module
from typing import Any

import typer

from bali.cli.common import CommandGroup, first_paragraph

SECTIONS = {
    "Services": {
        "services": "up down status doctor logs browser backup restore",
        "demo": "demo",
        "api": "serve",
        "mcp": "mcp",
    },
    "Graph: load, verify, explore": {
        "release": "release",
        "load": "load verify",
        "upgrade": "upgrade",
        "compare": "compare",
        "concept": "concept",
        "code": "code",
        "values": "values",
        "graph": "subgraph cypher query",
        "cache": "cache",
    },
    "Text": {
        "text": "corpus",
        "model": "link",
    },
    "Training and evidence": {
        "jobs": "worker train jobs",
        "classification": "evaluate",  # the last module that adds tasks to it
        "model": "export embed explain",
        "study": "study",
        "stream": "stream",
    },
}
"""The commands of each module, where they have the same names, as ``bali --help`` shows them."""

MODULES = {
    name: module
    for modules in SECTIONS.values()
    for module, names in modules.items()
    for name in names.split()
}


class _Commands(UserDict[str, Any]):
    """What the commands are built from, by name; a value is a built command."""

    def __getitem__(self, name: str) -> Any:
        source = self.data[name]
        return _build(name, _source(name)) if isinstance(source, str) else source


class Commands(CommandGroup):
    """The commands of :data:`SECTIONS`, and those that are added to it."""

    def __init__(self, **attributes: Any) -> None:
        super().__init__(**attributes)
        self.commands = _Commands({**MODULES, **self.commands})

    def format_commands(self, ctx: Any, formatter: Any) -> None:
        """Write the first paragraph of each command's help; none is built for it."""
        width = max(map(len, MODULES))
        for section, modules in SECTIONS.items():
            names = [name for own in modules.values() for name in own.split()]
            with formatter.section(section):
                formatter.write_dl([(f"{name:{width}}", _summary(name)) for name in names])


def _source(name: str) -> Any:
    return getattr(import_module(f"bali.cli.{MODULES[name]}"), name)


def _build(name: str, source: Any) -> Any:
    parent = typer.Typer(rich_markup_mode=None)
    if isinstance(source, typer.Typer):
        parent.add_typer(source, name=name)
    else:
        parent.command(name)(source)
    return typer.main.get_group(parent).commands[name]


def _summary(name: str) -> str:
    source = _source(name)
    if isinstance(source, typer.Typer):
        source = source.registered_callback.callback if source.registered_callback else source
    return first_paragraph(
        source.info.help if isinstance(source, typer.Typer) else inspect.getdoc(source)
    )
