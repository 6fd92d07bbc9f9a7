"""``bali demo``: from nothing to an aligned, evaluated model, on real services.

Every stage looks first at what is there. So a second run reuses it, and a run after an
interruption goes on where the last one was stopped.
"""

from __future__ import annotations

import json
import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, TypeVar

import typer

from bali.cli.common import fields, out, reporter
from bali_platform.base.errors import BaliError

if TYPE_CHECKING:
    from bali_platform.base.settings import Settings
    from bali_platform.jobs import Job
    from bali_trainers.evaluation import Report


T = TypeVar("T")

CORPUS = "definitions"
TRY_NEXT = """\
bali browser                          the graph: its style and a guide are open
bali concept search "heart attack"    by any name, or by SOURCE:CODE
bali subgraph C0027051 --format svg   a neighbourhood as a picture
bali jobs list                        the training job: show, watch, logs
bali serve                            REST API and dashboard
make demo-down                        stop what the demo started\
"""


@dataclass(frozen=True)
class Scale:
    """How much the demo trains, and how much it evaluates."""

    steps: int
    queries: int
    concepts: float  # share of the graph's concepts that names are linked to


FULL = Scale(steps=50, queries=1000, concepts=0.06)
QUICK = Scale(steps=12, queries=100, concepts=0.01)


def register(app: typer.Typer) -> None:
    """Add ``bali demo`` to ``app``."""
    app.command(rich_help_panel="Services")(demo)


def demo(
    quick: Annotated[
        bool, typer.Option("--quick", help="Train and evaluate only as much as shows it works.")
    ] = False,
    down: Annotated[bool, typer.Option("--down", help="Stop what the demo started.")] = False,
) -> None:
    """Run the whole path: open release, graph, linked text, training, evidence."""
    from bali_platform.base.settings import load_settings

    settings = load_settings()
    if down:
        _stop(settings)
    else:
        _Demo(settings, QUICK if quick else FULL).run()


class _Demo:
    def __init__(self, settings: Settings, scale: Scale) -> None:
        self._settings, self._scale = settings, scale
        self._folder = settings.home / "demo"
        self._reporter = reporter()
        self._times: dict[str, str] = {}

    def run(self) -> None:
        self._stage("Services", lambda: _start(self._settings))
        release = self._stage("Open release", self._release)
        self._stage("Graph", lambda: self._graph(release))
        self._stage("Linked text", self._corpus)
        job = self._stage("Training", self._train)
        report = self._stage("Evidence", lambda: self._evidence(job))
        out.print(fields("Time", self._times))
        _show(report, self._settings)

    def _stage(self, title: str, work: Callable[[], T]) -> T:
        out.rule(f"{len(self._times) + 1}/6  {title}", align="left")
        started = time.monotonic()
        result = work()
        self._times[title] = f"{time.monotonic() - started:.0f} s"
        return result

    def _release(self) -> Path:
        from bali_loaders.releases import open as open_release

        folder = self._folder / "release"
        if folder.exists():
            out.print(f"there already: {folder}", highlight=False)
        else:
            resources = open_release.fetch_resources(self._settings, self._reporter)
            open_release.write(folder, resources, reporter=self._reporter)
        return folder

    def _graph(self, release: Path) -> None:
        from bali_loaders import umls

        loaded = umls.load(release, umls.LoadOptions(), self._settings, reporter=self._reporter)
        nodes, rows = loaded.report.nodes, loaded.report.files
        found = "there already" if loaded.already_live else "loaded"
        out.print(
            f"{found}: {nodes['Concept']:,} concepts, {nodes['Atom']:,} names, "
            f"{sum(rows['MRREL'].values()):,} relation rows accounted for"
        )

    def _corpus(self) -> None:
        from bali_loaders.corpora import write_definitions
        from bali_loaders.linking import Linker, graph_dictionary
        from bali_platform.graph.client import Graph
        from bali_platform.text.corpus import open_corpus
        from bali_trainers.training.config import load_config

        folder = self._settings.home / "corpora" / CORPUS
        with Graph.connect(self._settings) as graph:
            with suppress(BaliError):
                if open_corpus(folder).graph_version == graph.version:
                    out.print(f"there already: {folder}", highlight=False)
                    return
            dictionary = graph_dictionary(
                graph,
                self._settings.home / "cache",
                withheld=load_config("demo").data.withheld,
                reporter=self._reporter,
            )
            info = write_definitions(graph, Linker(dictionary), folder, reporter=self._reporter)
        out.print(f"{info.sentences:,} sentences, {info.mentions:,} mentions")

    def _train(self) -> Job:
        from bali.cli.watch import watch
        from bali_platform.jobs import JobState, JobStore, connect
        from bali_platform.jobs.app import wake
        from bali_platform.services import kept_up
        from bali_trainers.training.submission import prepare, queue_once

        prepared = prepare("demo", self._settings, run={"max_steps": self._scale.steps})
        store = JobStore(connect(self._settings))
        job = queue_once(prepared, store, self._settings.home / "jobs")
        if job.state == JobState.SUCCEEDED:
            out.print(f"there already: job {job.id} in {job.folder}", highlight=False)
            return job
        wake()
        with kept_up(self._settings):
            job = watch(store, job.id, out)
        if job.state != JobState.SUCCEEDED:
            raise BaliError(f"job {job.id} {job.state}: {job.message}; `bali jobs logs {job.id}`")
        return job

    def _evidence(self, job: Job) -> Report:
        from bali_platform.graph.client import Graph
        from bali_platform.graph.names import in_share
        from bali_trainers.evaluation import Report, Setup, build_name_task, evaluate_names, report

        path = job.folder / "names.json"
        if path.exists():
            out.print(f"there already: {path}", highlight=False)
            return Report.model_validate_json(path.read_bytes())
        withheld = float(job.config["data"]["withheld"])
        with Graph.connect(self._settings) as graph:
            version = graph.version
            concepts = (row for row in graph.names() if in_share(row[0], self._scale.concepts))
            task = build_name_task(concepts, withheld=withheld, limit=self._scale.queries)
        models = {"untouched": job.config["model"]["base"], "aligned": str(job.folder / "model")}
        setup = Setup(reporter=self._reporter)
        outcomes = [
            replace(outcome, model=name)
            for name, model in models.items()
            for outcome in evaluate_names(model, task, setup)
        ]
        found = report(task, outcomes, graph_version=version, precision=setup.precision)
        path.write_text(found.model_dump_json(indent=2), encoding="utf-8")
        return found


def _start(settings: Settings) -> None:
    """Start the services, and remember which of them did not run before."""
    from bali_platform import services

    record = settings.home / "demo" / "started.json"
    before = services.running(settings)
    services.up(settings, reporter(), workers=True)
    if not record.exists():
        record.parent.mkdir(parents=True, exist_ok=True)
        record.write_text(json.dumps(sorted(services.running(settings) - before)))


def _stop(settings: Settings) -> None:
    from bali_platform import services

    record = settings.home / "demo" / "started.json"
    ours = json.loads(record.read_text()) if record.exists() else []
    stopped = services.down(settings, ours)
    record.unlink(missing_ok=True)
    out.print(f"stopped {', '.join(stopped)}" if stopped else "nothing of the demo was running")


def _show(report: Report, settings: Settings) -> None:
    from bali.cli.evaluation import show_report
    from bali_platform import services

    show_report(report)
    found = services.status(settings).neo4j
    login = f"{found.user}, password in {found.password_file}"
    out.print(fields("Neo4j Browser", {"address": found.browser or found.uri, "login": login}))
    out.print(TRY_NEXT, highlight=False, markup=False)
