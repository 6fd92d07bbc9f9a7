"""``bali demo``: from nothing to an aligned, evaluated model, on real services.

Every stage looks first at what is there. So a second run reuses it, and a run after an
interruption goes on where the last one was stopped.
"""

from __future__ import annotations

import json
import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, TypeVar

import typer

from bali.cli.common import fields, out, reporter, table
from bali.cli.demo_evidence import Evidence
from bali_platform.base.errors import BaliError
from bali_platform.base.files import write_atomically

if TYPE_CHECKING:
    from bali_platform.base.settings import Settings
    from bali_platform.jobs import Job

T = TypeVar("T")

STAGES = 7

CORPUS = "definitions"
SENTENCE = "Insulin lowers glucose in the blood, and the kidney loses protein."
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
    documents: int  # whose mentions are read
    concepts: float  # share of the graph's concepts that mentions are told from


FULL = Scale(steps=50, documents=400, concepts=0.06)
QUICK = Scale(steps=12, documents=40, concepts=0.01)


def demo(
    quick: Annotated[
        bool, typer.Option("--quick", help="Train and evaluate only as much as shows it works.")
    ] = False,
    sentence: Annotated[
        str, typer.Option(help="A sentence to read before and after training.")
    ] = SENTENCE,
    down: Annotated[bool, typer.Option("--down", help="Stop what the demo started.")] = False,
) -> None:
    """Run the whole path: open release, graph, linked text, training, evidence."""
    from bali_platform.base.settings import load_settings

    settings = load_settings()
    if down:
        _stop(settings)
    else:
        _Demo(settings, QUICK if quick else FULL).run(sentence)


class _Demo:
    def __init__(self, settings: Settings, scale: Scale) -> None:
        self._settings, self._scale = settings, scale
        self._folder = settings.home / "demo"
        self._parts = settings.home / "corpora" / f"{CORPUS}-parts"
        self._reporter = reporter()
        self._times: dict[str, str] = {}

    def run(self, sentence: str) -> None:
        self._stage("Services", lambda: _start(self._settings))
        release = self._stage("Open release", self._release)
        self._stage("Graph", lambda: self._graph(release))
        self._stage("Linked text", self._corpus)
        job = self._stage("Training", self._train)
        evidence = self._compared(job)
        self._stage("Evidence", lambda: self._evidence(evidence, job.folder / "mentions.json"))
        self._stage("A sentence", lambda: out.print(evidence.reading(sentence)))
        out.print(fields("Time", self._times))
        _show_addresses(self._settings)

    def _stage(self, title: str, work: Callable[[], T]) -> T:
        out.console.rule(f"{len(self._times) + 1}/{STAGES}  {title}", align="left")
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
        from bali_loaders.corpora import split_corpus, write_definitions
        from bali_loaders.linking import Linker, graph_dictionary
        from bali_platform.graph.client import Graph
        from bali_platform.text.corpus import open_corpus
        from bali_trainers.training.config import load_config

        folder = self._settings.home / "corpora" / CORPUS
        with Graph.connect(self._settings) as graph:
            with suppress(BaliError):
                if open_corpus(self._parts / "test").graph_version == graph.version:
                    out.print(f"there already: {self._parts}", highlight=False)
                    return
            dictionary = graph_dictionary(
                graph,
                self._settings.home / "cache",
                withheld=load_config("demo").data.withheld,
                reporter=self._reporter,
            )
            info = write_definitions(graph, Linker(dictionary), folder, reporter=self._reporter)
        out.print(f"{info.sentences:,} sentences, {info.mentions:,} mentions")
        split_corpus(folder, self._parts)

    def _train(self) -> Job:
        from bali.cli.watch import watch
        from bali_platform.jobs import JobState, JobStore, connect
        from bali_platform.jobs.app import wake
        from bali_platform.services import kept_up
        from bali_trainers.training.submission import prepare, queue_once

        prepared = prepare(
            "demo",
            self._settings,
            data={"corpus": str(self._parts / "train")},
            run={"max_steps": self._scale.steps},
        )
        store = JobStore(connect(self._settings))
        job = queue_once(prepared, store, self._settings.home / "jobs")
        if job.state == JobState.SUCCEEDED:
            out.print(f"there already: job {job.id} in {job.folder}", highlight=False)
            return job
        wake()
        with kept_up(self._settings):
            job = watch(store, job.id, out.console)
        if job.state != JobState.SUCCEEDED:
            raise BaliError(f"job {job.id} {job.state}: {job.message}; `bali jobs logs {job.id}`")
        return job

    def _compared(self, job: Job) -> Evidence:
        return Evidence(
            {"untouched": job.config["model"]["base"], "aligned": str(job.folder / "model")},
            self._parts / "test",
            self._scale.documents,
            self._scale.concepts,
            self._settings,
            self._reporter,
        )

    def _evidence(self, evidence: Evidence, path: Path) -> None:
        from bali_trainers.evaluation import Report

        if path.exists():
            out.print(f"there already: {path}", highlight=False)
            report = Report.model_validate_json(path.read_bytes())
        else:
            report = evidence.report()
            write_atomically(path, report.model_dump_json(indent=2))
        title, section = next(report.titled())
        shown = section.table()
        out.print(table(title, shown.columns, shown.rows))
        out.print(f"in full: {path}", highlight=False)


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


def _show_addresses(settings: Settings) -> None:
    from bali_platform import services

    found = services.status(settings).neo4j
    login = f"{found.user}, password in {found.password_file}"
    out.print(fields("Neo4j Browser", {"address": found.browser or found.uri, "login": login}))
    out.print(TRY_NEXT, highlight=False, markup=False)
