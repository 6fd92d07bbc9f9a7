"""``bali up | down | status | doctor | logs | browser | backup | restore``."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from bali.cli.common import JsonOption, err, fields, out, print_json, reporter

if TYPE_CHECKING:
    from bali_platform import services


def up(
    workers: Annotated[
        bool, typer.Option("--workers", help="Also run a Celery worker for each queue.")
    ] = False,
    as_json: JsonOption = False,
) -> None:
    """Start Neo4j and Redis, or repair them; a no-op when they run."""
    from bali_platform import services
    from bali_platform.base.settings import load_settings

    _show(services.up(load_settings(), reporter(), workers), as_json)


def down() -> None:
    """Stop everything that this home started."""
    from bali_platform import services
    from bali_platform.base.settings import load_settings

    stopped = services.down(load_settings())
    out.print(f"stopped {', '.join(stopped)}" if stopped else "nothing was running")


def status(as_json: JsonOption = False) -> None:
    """Show what runs and where."""
    from bali_platform import services
    from bali_platform.base.settings import load_settings

    _show(services.status(load_settings()), as_json)


def doctor(as_json: JsonOption = False) -> None:
    """Look at everything that may be wrong, and say what to type; exit 1 if something is."""
    from bali_platform.base.settings import load_settings
    from bali_platform.services.doctor import examine

    findings = examine(load_settings())
    if as_json:
        print_json([asdict(finding) for finding in findings])
    else:
        for finding in findings:
            mark, end = ("ok   ", "") if finding.fine else ("WRONG", f": {finding.remedy}")
            typer.echo(f"{mark} {finding.subject}: {finding.found}{end}")
    if not all(finding.fine for finding in findings):
        raise typer.Exit(1)


def logs(
    name: Annotated[str | None, typer.Argument(help="Which log; all of them by default.")] = None,
    follow: Annotated[
        bool, typer.Option("--follow", "-f", help="Go on printing as the log grows.")
    ] = False,
    lines: Annotated[int, typer.Option("--lines", "-n", help="How many last lines.")] = 20,
) -> None:
    """Print the last lines of the services' logs."""
    from bali_platform.base.settings import load_settings
    from bali_platform.services.logs import log_names, tail

    settings = load_settings()
    names = [name] if name else log_names(settings)
    for line in tail(settings, names, lines, follow):
        typer.echo(line)


def browser(
    print_only: Annotated[
        bool, typer.Option("--print", help="Print the address; open nothing.")
    ] = False,
) -> None:
    """Open the Neo4j Browser: user neo4j, the password is in the file shown."""
    from bali_platform import services
    from bali_platform.base.errors import BaliError
    from bali_platform.base.settings import load_settings

    found = services.status(load_settings()).neo4j
    if not found.running:
        raise BaliError("Neo4j is not running: run `bali up`")
    if found.browser is None:
        raise BaliError(f"{found.uri} is not ours: open its Browser at the address you know")
    typer.echo(found.browser)
    if not print_only:
        typer.echo(f"user {found.user}, password in {found.password_file}")
        typer.launch(found.browser)


def backup(
    folder: Annotated[Path, typer.Argument(metavar="DIR", help="A folder that is not there yet.")],
    passwords: Annotated[
        bool, typer.Option("--passwords", help="Passwords and tokens, too.")
    ] = False,
    as_json: JsonOption = False,
) -> None:
    """Copy this home into a folder while it serves: graph, jobs, corpora and all else."""
    from bali_platform.base.settings import load_settings
    from bali_platform.jobs import backup as backups

    _tell(backups.backup(load_settings(), folder, passwords, reporter()), folder, as_json)


def restore(
    folder: Annotated[Path, typer.Argument(metavar="DIR", help="What `bali backup` made.")],
    as_json: JsonOption = False,
) -> None:
    """Fill a new home from a backup, start it, and check what it holds."""
    from bali_platform.base.settings import load_settings
    from bali_platform.jobs import backup as backups

    settings = load_settings()
    _tell(backups.restore(settings, folder, reporter()), settings.home, as_json)


def _tell(saved: dict[str, Any], place: Path, as_json: bool) -> None:
    if as_json:
        print_json(saved)
        return
    graph = saved["graph"] or {"name": "no graph"}
    told = ", ".join(f"{name} {value}" for name, value in graph.items())
    out.print(f"{place}: {told}, {saved['jobs']} jobs", highlight=False, soft_wrap=True)


def _show(found: services.Status, as_json: bool) -> None:
    if as_json:
        print_json(found.as_dict())
        return
    graph = found.graph
    loaded = f"{graph.release} ({graph.version})" if graph.version else "empty: run `bali load`"
    rows = {
        "Neo4j": f"{_word(found.neo4j.running)}  {found.neo4j.uri}",
        "Browser": found.neo4j.browser or "-",
        "Login": f"{found.neo4j.user}, password in {found.neo4j.password_file or 'your settings'}",
        "Graph": loaded if found.neo4j.running else "-",
        "Redis": f"{_word(found.redis.running)}  {found.redis.url}",
        "API": ", ".join(found.api.urls) or "down: `bali serve` starts it",
        **{f"Worker {queue}": _word(running) for queue, running in found.workers.items()},
        "Home": found.home,
    }
    out.print(fields("Services", rows))
    for concern in found.redis.concerns:
        err.print(concern, style="yellow", highlight=False, soft_wrap=True)


def _word(running: bool) -> str:
    return "running" if running else "down   "
