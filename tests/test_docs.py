"""The commands that the documentation shows are commands that exist."""

import re
import shlex
from pathlib import Path

import pytest
import typer
from typer.core import TyperCommand, TyperGroup

from bali.cli.main import app

ROOT = Path(__file__).parent.parent
PAGES = [ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md"))]
BLOCK = re.compile(r"^```(?:console|bash)\n(.*?)^```", re.MULTILINE | re.DOTALL)


def documented_commands() -> list[tuple[str, list[str]]]:
    found = []
    for page in PAGES:
        for block in BLOCK.findall(page.read_text(encoding="utf-8")):
            for line in block.replace("\\\n", " ").splitlines():
                words = shlex.split(line.removeprefix("$ "), comments=True)
                if words and words[0] == "bali":
                    found.append((page.name, words[1:]))
    return found


def leaves(command: TyperCommand | TyperGroup, path: tuple[str, ...] = ()) -> list[tuple[str, ...]]:
    if not isinstance(command, TyperGroup):
        return [path]
    return [
        leaf
        for name, child in command.commands.items()
        if not child.hidden
        for leaf in leaves(child, (*path, name))
    ]


@pytest.mark.parametrize(
    ("page", "arguments"), documented_commands(), ids=lambda value: " ".join(value)[:60]
)
def test_documented_command_parses(page: str, arguments: list[str]) -> None:
    command = typer.main.get_command(app)
    context = typer.Context(command)
    while isinstance(command, TyperGroup):
        name, command, arguments = command.resolve_command(context, list(arguments))
        assert command is not None, f"{page}: no command {name}"
        context = typer.Context(command, parent=context, info_name=name)
    command.make_context(context.info_name, list(arguments), parent=context.parent)


def test_every_command_is_documented() -> None:
    shown = {" ".join(arguments) for _, arguments in documented_commands()}
    commands = [" ".join(leaf) for leaf in leaves(typer.main.get_command(app))]
    assert [c for c in commands if not any(s == c or s.startswith(f"{c} ") for s in shown)] == []


def test_every_command_has_help() -> None:
    def missing(command: TyperCommand | TyperGroup, path: str) -> list[str]:
        children = command.commands.items() if isinstance(command, TyperGroup) else ()
        own = [] if command.help else [path]
        return own + [m for name, child in children for m in missing(child, f"{path} {name}")]

    assert missing(typer.main.get_command(app), "bali") == []
