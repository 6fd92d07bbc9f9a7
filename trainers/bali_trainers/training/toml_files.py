"""TOML files that people write: read, checked, and answered with one line that helps."""

from __future__ import annotations

import tomllib
from importlib.resources import files
from pathlib import Path
from typing import Any, TypeVar, get_args, get_origin

from pydantic import BaseModel, ValidationError
from pydantic_core import ErrorDetails

from bali_platform.base.errors import UsageError, did_you_mean

T = TypeVar("T", bound=BaseModel)


def shipped(folder: str) -> list[str]:
    """Names of the files that come with the package in ``folder``, without their ending."""
    found = files("bali_trainers").joinpath(folder).iterdir()
    return sorted(entry.name.removesuffix(".toml") for entry in found)


def read_toml(path: str | Path, folder: str) -> dict[str, Any]:
    """Read a file, or one that comes with the package in ``folder``, by name."""
    try:
        text = Path(path).read_text(encoding="utf-8")
    except (FileNotFoundError, IsADirectoryError):
        known = shipped(folder)
        if str(path) not in known:
            raise UsageError(
                f"no configuration {path}: give a TOML file, or one of {', '.join(known)}"
            ) from None
        text = files("bali_trainers").joinpath(folder, f"{path}.toml").read_text("utf-8")
    except UnicodeDecodeError as error:
        raise UsageError(f"{path} is not UTF-8 text at byte {error.start}") from None
    return parse_toml(text, str(path))


def parse_toml(text: str, where: str) -> dict[str, Any]:
    """Parse what was written in ``where``."""
    try:
        return tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        raise UsageError(f"{where} is not TOML: {error}") from None


def check(model: type[T], data: Any, where: str) -> T:
    """Check what was read from ``where``; one line says what is wrong with it."""
    try:
        return model.model_validate(data)
    except ValidationError as error:
        unknown_first = sorted(error.errors(), key=lambda e: e["type"] != "extra_forbidden")
        raise UsageError(f"{where}: {_explain(unknown_first[0], model)}") from None


def _explain(error: ErrorDetails, model: type[BaseModel]) -> str:
    location = [str(part) for part in error["loc"]]
    key = ".".join(location)
    if error["type"] == "extra_forbidden":
        known = _section(model, location[:-1]).model_fields
        return f"unknown key '{key}'{did_you_mean(location[-1], known)}"
    if error["type"] == "value_error":
        reason = error["msg"].removeprefix("Value error, ")
        return f"[{key}] {reason}" if key else reason
    if error["type"] == "missing":
        return f"'{key}' is missing"
    return f"{key} = {error['input']!r}: {error['msg'][0].lower()}{error['msg'][1:]}"


def _section(model: type[BaseModel], path: list[str]) -> type[BaseModel]:
    """Find the model that describes the section at ``path``; a dict of them has any keys."""
    parts = iter(path)
    for part in parts:
        annotation = model.model_fields[part].annotation
        choices = get_args(annotation) or (annotation,)
        model = next(c for c in choices if isinstance(c, type) and issubclass(c, BaseModel))
        if get_origin(annotation) is dict:
            next(parts, None)
    return model
