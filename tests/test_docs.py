"""The commands that the documentation shows are commands that exist."""

import re
import shlex
import subprocess
import sys
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


def test_the_site_builds_without_a_broken_link(tmp_path: Path) -> None:
    build = [sys.executable, "-m", "sphinx", "--fail-on-warning", "-q", "-b", "html"]
    built = subprocess.run(
        [*build, str(ROOT / "docs"), str(tmp_path)], capture_output=True, text=True
    )
    assert built.returncode == 0, built.stderr
    assert 'id="bali-corpus-link"' in (tmp_path / "reference" / "commands.html").read_text("utf-8")


def test_the_places_that_the_floor_plan_names_exist() -> None:
    page = (ROOT / "docs" / "architecture.md").read_text(encoding="utf-8")
    places = re.findall(r"^\| .+ \| `([\w/.]+)` \|$", page, re.MULTILINE)
    assert len(places) >= 10
    assert [place for place in places if not (ROOT / place).is_file()] == []
