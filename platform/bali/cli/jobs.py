"""``bali worker | train | jobs``: training jobs and the workers that run them."""

from __future__ import annotations

import json
import os
import shlex
import socket
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from bali.cli import linker
from bali.cli.common import CommandGroup, JsonOption, err, fields, job_store, out, print_json, table
from bali_platform.base.errors import BaliError, UsageError

if TYPE_CHECKING:
    from bali_platform.base.settings import Settings
    from bali_platform.jobs import Job, JobStore
    from bali_platform.jobs.comparison import Measured
    from bali_trainers.training.config import Config
    from bali_trainers.training.submission import PreparedJob


JobArgument = Annotated[str, typer.Argument(metavar="JOB", help="The job's id, or its beginning.")]


class _Training(CommandGroup):
    """Sub-commands of which ``job`` is meant where a configuration is named first."""

    def resolve_command(self, context: Any, args: list[str]) -> Any:
        known = args and args[0] in self.commands
        return super().resolve_command(context, args if known else ["job", *args])


train = typer.Typer(
    cls=_Training,
    no_args_is_help=True,
    context_settings={"ignore_unknown_options": True},
    help="Train by a configuration (`bali train CONFIG` is `bali train job CONFIG`), or a linker.",
)
jobs = typer.Typer(
    cls=CommandGroup, no_args_is_help=True, help="Look at training jobs and steer them."
)


def worker(
    queues: Annotated[
        str, typer.Option(help="subgraphs (batches of subgraphs), gpu (training), or both.")
    ] = "subgraphs,gpu",
    concurrency: Annotated[
        int | None,
        typer.Option(min=1, help="Processes that build batches; default: half of the cores."),
    ] = None,
) -> None:
    """Work on batches and training jobs until stopped."""
    from bali_platform.base.logs import configure
    from bali_platform.base.settings import load_settings
    from bali_platform.jobs.worker import run_worker

    configure()
    run_worker(load_settings(), queues.split(","), concurrency)


@train.command("job")
def train_job(
    config: Annotated[Path, typer.Argument(help="A TOML file, or a shipped configuration.")],
    corpus: Annotated[
        str | None, typer.Option(help="Train on this corpus, not on the configuration's.")
    ] = None,
    local: Annotated[
        bool, typer.Option("--local", help="Train here and now, without queue and workers.")
    ] = False,
    folder: Annotated[
        Path | None, typer.Option(help="Only write the run's folder, for torchrun; see the docs.")
    ] = None,
    watch: Annotated[bool, typer.Option("--watch", help="Show the job until it ends.")] = False,
    priority: Annotated[int, typer.Option(help="Higher ones start first.")] = 0,
    retries: Annotated[
        int, typer.Option(min=1, help="Attempts in a row without progress before it fails.")
    ] = 5,
    as_json: JsonOption = False,
) -> None:
    """Queue a training job."""
    from bali_trainers.training.config import load_config

    checked = load_config(config, **({"data": {"corpus": corpus}} if corpus else {}))
    # What is wrong with it has been told by now: what follows takes longer to be imported.
    from bali_platform.base.settings import load_settings
    from bali_platform.jobs.app import wake
    from bali_trainers.training.submission import pin

    settings = load_settings()
    if local or folder is not None:
        settings = settings.model_copy(update={"store": None})  # nothing leaves this machine
    if folder is not None:
        _write_run(pin(checked, settings), folder)
        out.print(f"{folder} is ready for torchrun", highlight=False)
        return
    store = None if local else job_store()
    if store is None or _trained_here(checked):
        from bali_trainers.training.devices import choose_device

        choose_device(checked, checked.run.processes - 1)
    prepared = pin(checked, settings)
    if store is None:
        _train_here(prepared, settings)
        return
    job = prepared.queue(store, settings.home / "jobs", priority=priority, retries=retries)
    wake()
    if watch:
        _watch(store, job.id)
    elif as_json:
        print_json(job.model_dump(mode="json"))
    else:
        out.print(f"queued job {job.id}: `bali jobs watch {job.id}` shows it")


train.command("linker")(linker.train)


def _trained_here(config: Config) -> bool:
    """Whether this machine may lack GPUs for a run, and no worker elsewhere could take it."""
    from bali_platform.jobs.app import hosts_serving
    from bali_platform.jobs.cards import inventory
    from bali_platform.jobs.queues import GPU

    run, there = config.run, len(inventory())
    wants = run.device.startswith("cuda") or run.precision == "fp16"
    if there >= run.processes or not (wants or run.processes > 1):
        return False
    hosts = hosts_serving(GPU)
    if wants and not hosts:
        _warn("no training worker answers and this machine has too few GPUs: the job waits for one")
    elsewhere = hosts - {socket.gethostname()}
    if not (wants or there or elsewhere) and run.processes > (cores := os.cpu_count() or 1):
        _warn(f"no GPU here: {run.processes} processes would share the machine's {cores} cores")
    return bool(hosts) and not elsewhere


def _warn(text: str) -> None:
    err.print(text, style="yellow", soft_wrap=True)


def _write_run(prepared: PreparedJob, folder: Path) -> None:
    """Write what a run without workers reads: it builds its batches itself, or replays them."""
    from bali_platform.base.files import write_atomically

    if prepared.config["data"]["source"] == "workers":
        prepared.config["data"]["source"] = "inline"
    write_atomically(folder / "config.json", json.dumps(prepared.config, indent=2))
    write_atomically(folder / "spec.json", json.dumps(prepared.spec, indent=2))


def _train_here(prepared: PreparedJob, settings: Settings) -> None:
    """Train in the foreground."""
    from bali_trainers.training.start import main as run

    folder = settings.home / "jobs" / f"{prepared.name}-{time.strftime('%Y%m%d-%H%M%S')}"
    _write_run(prepared, folder)
    out.print(f"training in {folder}", highlight=False)
    if (code := run([str(folder)])) == UsageError.exit_code:
        raise typer.Exit(code)
    if code:
        raise BaliError(
            "training stopped: "
            f"`python -m bali_trainers.training.start {shlex.quote(str(folder))}` goes on"
        )


@jobs.command("list")
def list_jobs(as_json: JsonOption = False) -> None:
    """List the jobs, newest first."""
    found = job_store().list()
    if as_json:
        print_json([job.model_dump(mode="json", exclude={"config", "spec"}) for job in found])
        return
    rows = (
        (job.id, job.name, job.state, _reached(job), _date(job.created_at), job.message)
        for job in found
    )
    out.print(table("", ("job", "name", "state", "step", "queued", ""), rows))


@jobs.command()
def show(job: JobArgument, as_json: JsonOption = False) -> None:
    """Show a job's record and everything that happened to it."""
    store = job_store()
    found = store.find(job)
    events = list(store.events(found.id))
    if as_json:
        told = [event.model_dump() | {"time": event.time} for event in events]
        print_json(found.model_dump(mode="json") | {"events": told})
        return
    out.print(fields(found.name, _record(found)))
    rows = ((_date(event.time), event.type, ", ".join(event.told)) for event in events)
    out.print(table("events", ("time", "event", ""), rows))


@jobs.command()
def compare(
    found: Annotated[
        list[str], typer.Argument(metavar="JOB..", help="Ids of jobs, or their beginnings.")
    ],
    as_json: JsonOption = False,
) -> None:
    """Show jobs side by side: the settings that differ, last and best metrics, minutes."""
    from bali_platform.jobs.comparison import compare as compare_jobs

    store = job_store()
    compared = compare_jobs(store, [store.find(job).id for job in found])
    if as_json:
        print_json(compared.model_dump(mode="json"))
        return
    runs = compared.jobs
    rows: list[tuple[object, ...]] = [
        ("state", *(run.state for run in runs)),
        ("step", *(f"{run.step:,} of {run.total:,}" if run.total else "-" for run in runs)),
        ("minutes", *("-" if run.minutes is None else f"{run.minutes:.1f}" for run in runs)),
        *((name, *map(_told, values)) for name, values in compared.settings.items()),
    ]
    names = dict.fromkeys(name for run in runs for name in run.metrics)
    rows += [(name, *(_measured(run.metrics.get(name)) for run in runs)) for name in names]
    out.print(table("", ("", *(f"{run.name} {run.id}" for run in runs)), rows))


def _told(value: object) -> str:
    return "-" if value is None else str(value)


def _measured(found: Measured | None) -> str:
    if found is None:
        return "-"
    return f"{found.last:.4g}, best {found.best:.4g} at {found.step:,}"


def _record(job: Job) -> dict[str, object]:
    """Return what people want to know of a job, in words."""
    times = {"created_at": "queued", "started_at": "started", "finished_at": "finished"}
    known = {name: getattr(job, name) for name in ("id", "state", "message", "priority", "attempt")}
    return {
        **known,
        "step": _reached(job),
        **{label: _date(at) for name, label in times.items() if (at := getattr(job, name))},
        "folder": job.folder,
        "code": job.code_version,
        **{
            name: job.spec[name]
            for name in ("graph_version", "corpus", "corpus_sha")
            if name in job.spec
        },
        **{name: f"{value:.4g}" for name, value in job.metrics.items()},
        **job.artefacts,
    }


def _reached(job: Job) -> str:
    return f"{job.step:,} of {job.total:,}" if job.total else "-"


@jobs.command()
def watch(job: JobArgument) -> None:
    """Show a job until it ends: progress, loss, throughput, data wait."""
    store = job_store()
    _watch(store, store.find(job).id)


@jobs.command()
def logs(
    job: JobArgument,
    follow: Annotated[
        bool, typer.Option("--follow", "-f", help="Go on until the job ends.")
    ] = False,
) -> None:
    """Print what a job's trainer has printed."""
    store = job_store()
    found = store.find(job)
    if not follow and not found.log.exists():
        raise BaliError(f"{found.log} does not exist: the job has not started on this machine")
    position = _print_from(found.log, 0)
    while follow and not store.get(found.id).state.ended:
        time.sleep(0.5)
        position = _print_from(found.log, position)
    _print_from(found.log, position)


@jobs.command()
def cancel(job: JobArgument) -> None:
    """Cancel a job; a running one makes a checkpoint first."""
    store = job_store()
    cancelled = store.request_cancel(store.find(job).id)
    out.print(f"job {cancelled.id}: {'cancelled' if cancelled.state.ended else 'will stop'}")


@jobs.command()
def resume(job: JobArgument) -> None:
    """Queue a failed or cancelled job again, to go on from its last checkpoint."""
    from bali_platform.jobs.app import wake

    store = job_store()
    resumed = store.resume(store.find(job).id)
    wake()
    out.print(f"job {resumed.id}: queued")


@jobs.command()
def adopt(
    job: Annotated[
        str | None, typer.Argument(metavar="JOB", help="The job's id, or its beginning.")
    ] = None,
    every: Annotated[bool, typer.Option("--all", help="Every queued job of other code.")] = False,
) -> None:
    """Let queued jobs run on the code of now, after an update."""
    from bali_platform.jobs import JobState, code_version
    from bali_platform.jobs.app import wake

    if (job is None) != every:
        raise UsageError("name one job, or say --all")
    store = job_store()
    others = [store.find(job)] if job else store.list(JobState.QUEUED)
    adopted = [
        store.adopt(each.id) for each in others if job or each.code_version != code_version()
    ]
    wake()
    out.print(f"adopted {', '.join(each.id for each in adopted) or 'none'}")


@jobs.command()
def priority(job: JobArgument, value: Annotated[int, typer.Argument(help="Default: 0.")]) -> None:
    """Let a queued job start before those of a lower priority."""
    store = job_store()
    changed = store.prioritise(store.find(job).id, value)
    out.print(f"job {changed.id}: priority {changed.priority}")


@jobs.command()
def prune(
    days: Annotated[float, typer.Option(min=0, help="Forget jobs that ended so long ago.")] = 30,
) -> None:
    """Forget old jobs, and delete the checkpoints of those that succeeded; models and logs stay."""
    forgotten = job_store().prune(days * 86400)
    out.print(f"forgot {len(forgotten)} jobs")


def _watch(store: JobStore, job_id: str) -> None:
    from bali.cli.watch import watch as show_live
    from bali_platform.jobs import JobState

    if store.get(job_id).state == JobState.QUEUED:
        _tell_if_nobody_trains(store)
    ended = show_live(store, job_id, out.console)
    if ended.state != JobState.SUCCEEDED:
        raise BaliError(f"job {job_id} {ended.state}: {ended.message or 'as asked'}")


def _tell_if_nobody_trains(store: JobStore) -> None:
    from bali_platform.jobs import JobState
    from bali_platform.jobs.app import hosts_serving
    from bali_platform.jobs.queues import GPU

    busy = any(job.state == JobState.RUNNING for job in store.list())
    if not busy and not hosts_serving(GPU):
        _warn("no worker trains yet: `bali up --workers` starts one")


def _print_from(log: Path, position: int) -> int:
    """Print a growing file from ``position`` on; return its new end."""
    if not log.exists():
        return position
    with log.open("rb") as file:
        # One that became too long has begun anew.
        file.seek(position if position <= log.stat().st_size else 0)
        sys.stdout.write(file.read().decode(errors="replace"))
        sys.stdout.flush()
        return file.tell()


def _date(seconds: float) -> str:
    return time.strftime("%Y-%m-%d %H:%M:%S", time.localtime(seconds))
