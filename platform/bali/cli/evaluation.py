"""``bali evaluate``: what models are worth, one sub-command a task."""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from copy import copy
from enum import StrEnum
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal, TypeVar

import typer

from bali.cli.common import CommandGroup, DeviceOption, JsonOption, out, print_json, reporter, table
from bali.cli.queued import queue_evaluation
from bali_platform.base.errors import UsageError, did_you_mean

if TYPE_CHECKING:
    from bali_platform.graph import Graph
    from bali_trainers.evaluation import EdgeTask, Outcome, Report, Setup, Task

T = TypeVar("T", bound="Task")


class Encoding(StrEnum):
    """What of a mention a model reads."""

    name = "name"
    context = "context"
    mixed = "mixed"


class _Tasks(CommandGroup):
    """Sub-commands of which ``names`` is meant where a model is named first."""

    def resolve_command(self, context: Any, args: list[str]) -> Any:
        if args and args[0] not in self.commands and not did_you_mean(args[0], self.commands):
            args = ["names", *args]
        name, command, rest = super().resolve_command(context, args)
        if context.params.get("queue") and command is not None:
            command = copy(command)
            command.callback = partial(queue_evaluation, [*args])
        return name, command, rest


evaluate = typer.Typer(
    cls=_Tasks,
    no_args_is_help=True,
)


@evaluate.callback()
def _evaluate(
    queue: Annotated[
        bool,
        typer.Option("--queue", help="Let a worker do it; `bali evaluate report JOB` shows it."),
    ] = False,
) -> None:
    """Compare models at a task, the first being the baseline. Without a task: names."""


Models = Annotated[
    list[str],
    typer.Argument(
        metavar="MODEL..", help="Model folders or names, or tf-idf; the first is the baseline."
    ),
]
Precision = Literal["auto", "fp32", "bf16"]
PrecisionOption = Annotated[
    Precision, typer.Option(help="bf16 is faster on devices that compute with it: auto finds out.")
]
OutputOption = Annotated[
    Path | None, typer.Option("--output", help="Also write the report here: .json, .md or .html.")
]
AskedOption = Annotated[int, typer.Option("--queries", min=1, help="At most so many questions.")]
CandidatesOption = Annotated[
    int, typer.Option(min=1, help="Concepts among which the ends of edges are looked for.")
]
WithheldEdgesOption = Annotated[
    float,
    typer.Option("--withheld-edges", min=0, max=0.99, help="Fraction that training withheld."),
]


@evaluate.command("names")
def names(
    models: Models,
    queries: AskedOption = 2000,
    withheld: Annotated[
        float, typer.Option(min=0, max=0.99, help="Fraction of synonyms that training withheld.")
    ] = 0.1,
    precision: PrecisionOption = "fp32",
    device: DeviceOption = "auto",
    output: OutputOption = None,
    as_json: JsonOption = False,
) -> None:
    """Link synonyms that training never saw, by the nearest of all other names in the graph."""
    from bali_trainers.evaluation import build_name_task, evaluate_names

    with _graph() as graph:
        version = graph.version
        task = build_name_task(graph.names(), withheld=withheld, limit=queries)
    setup = set_up(precision, device)
    found = ask(models, task, evaluate_names, setup, graph_version=version)
    show(found, output, as_json=as_json)


@evaluate.command("mentions")
def mentions(
    models: Annotated[
        list[str] | None,
        typer.Argument(
            metavar="MODEL..",
            help="As elsewhere; with --linker, the model below the linker where none is named.",
        ),
    ] = None,
    *,
    corpus: Annotated[
        Path, typer.Option(help="A linked corpus, or a file with marked mentions in any format.")
    ],
    linker: Annotated[
        list[Path] | None, typer.Option(help="Ask a trained linker, too; may be repeated.")
    ] = None,
    encoding: Annotated[
        list[Encoding] | None,
        typer.Option(help="Mentions by their text, in their sentence, or both; may be repeated."),
    ] = None,
    training: Annotated[
        list[Path] | None,
        typer.Option(help="Corpus that the models were trained on; may be repeated."),
    ] = None,
    published: Annotated[
        bool,
        typer.Option(
            "--published", help="Read all in lower case, and no abbreviation by its long form."
        ),
    ] = False,
    force: Annotated[
        bool, typer.Option("--force", help="Test on documents that training has seen, too.")
    ] = False,
    codes: Annotated[
        Path | None,
        typer.Option(help="With a file: table of identifier, tab, CUI, as for corpus import."),
    ] = None,
    precision: PrecisionOption = "fp32",
    device: DeviceOption = "auto",
    output: OutputOption = None,
    as_json: JsonOption = False,
) -> None:
    """Link marked mentions of a corpus, by the nearest of all names, or by a trained linker."""
    from bali.cli.linker import ask_linkers, models_below
    from bali_trainers.evaluation import (
        build_mention_task,
        evaluate_mentions,
        lowered,
        read_names,
        require_apart,
    )

    encodings: list[Literal["name", "context", "mixed"]] = [
        each.value for each in dict.fromkeys(encoding or [Encoding.name])
    ]
    if published and (linker or encodings != ["name"]):
        raise UsageError("--published reads mentions by name alone: leave --encoding, --linker out")
    setup = set_up(precision, device)
    with _linked(corpus, codes) as folder:
        overlapping = require_apart(folder, training or [], force=force)
        with _graph() as graph:
            version = graph.version
            known = read_names(lowered(graph.names()) if published else graph.names())
            task = build_mention_task(known, folder, training=training or [], published=published)
            outcomes: list[Outcome] = [
                outcome
                for model in models or models_below(linker or [])
                for outcome in evaluate_mentions(model, [task], encodings, setup)[0]
            ]
            outcomes += ask_linkers(linker or [], known, task, graph, setup)
        found = make_report(
            task,
            outcomes,
            setup,
            graph_version=version,
            training=[str(folder) for folder in training or []],
            published=published,
            overlapping=overlapping,
        )
    show(found, output, as_json=as_json)


@evaluate.command("edges")
def edges(
    models: Models,
    queries: AskedOption = 2000,
    withheld: WithheldEdgesOption = 0.1,
    candidates: CandidatesOption = 50_000,
    precision: PrecisionOption = "fp32",
    device: DeviceOption = "auto",
    output: OutputOption = None,
    as_json: JsonOption = False,
) -> None:
    """Find the ends of edges that training withheld."""
    from bali_trainers.evaluation import evaluate_links

    setup = set_up(precision, device)
    with _edges(withheld, queries, candidates) as task:
        version = task.source.graph_version
        found = ask(models, task, evaluate_links, setup, graph_version=version)
    show(found, output, as_json=as_json)


@evaluate.command("pairs")
def pairs(
    models: Models,
    queries: AskedOption = 2000,
    withheld: WithheldEdgesOption = 0.1,
    candidates: CandidatesOption = 50_000,
    precision: PrecisionOption = "fp32",
    device: DeviceOption = "auto",
    output: OutputOption = None,
    as_json: JsonOption = False,
) -> None:
    """Tell how the ends of withheld edges are related, by a linear probe."""
    from bali_trainers.evaluation import build_pair_task, evaluate_pairs

    setup = set_up(precision, device)
    with _edges(withheld, queries, candidates) as known:
        task = build_pair_task(known)
        version = known.source.graph_version
        outcomes = [o for model in models for o in evaluate_pairs(model, task, setup)]
        found = make_report(task.classes, outcomes, setup, graph_version=version)
    show(found, output, as_json=as_json)


@evaluate.command("language")
def language(
    models: Models,
    text: Annotated[
        Path | None,
        typer.Option(help="Predict masked tokens of the documents in this file: the perplexity."),
    ] = None,
    precision: PrecisionOption = "fp32",
    device: DeviceOption = "auto",
    output: OutputOption = None,
    as_json: JsonOption = False,
) -> None:
    """Tell what was forgotten: everyday sentences told apart, or a text's masked tokens."""
    from bali.cli.tasks import read_texts
    from bali_trainers.evaluation import evaluate_everyday, evaluate_perplexity, everyday_task

    setup = set_up(precision, device)
    if text is None:
        found = ask(models, everyday_task(), evaluate_everyday, setup)
    else:
        found = ask(models, read_texts(text), evaluate_perplexity, setup)
    show(found, output, as_json=as_json)


def show_report(found: Report) -> None:
    """Print a table of each section: the models, and what each gains over the first."""
    for title, section in found.titled():
        shown = section.table()
        out.print(table(title, shown.columns, shown.rows))


def ask(
    models: Sequence[str],
    task: T,
    evaluate: Callable[[str, T, Setup], Sequence[Outcome]],
    setup: Setup,
    **facts: Any,
) -> Report:
    """Ask all models, and report on what they answer."""
    outcomes = [outcome for model in models for outcome in evaluate(model, task, setup)]
    return make_report(task, outcomes, setup, **facts)


def make_report(task: Task, outcomes: Sequence[Outcome], setup: Setup, **facts: Any) -> Report:
    """Report outcomes, with how they were computed."""
    from bali_trainers.evaluation import report

    return report(task, outcomes, precision=setup.precision, device=setup.device, **facts)


def show(found: Report, output: Path | None, *, as_json: bool) -> None:
    """Print a report, and keep it where that is asked for."""
    if output is not None:
        forms = {".html": found.html, ".md": found.markdown}
        write = forms.get(output.suffix, lambda: found.model_dump_json(indent=2))
        output.write_text(write(), encoding="utf-8")
    if as_json:
        print_json(found.model_dump())
    else:
        show_report(found)


@evaluate.command("report")
def show_queued(
    job: Annotated[str, typer.Argument(metavar="JOB", help="The job's id, or its beginning.")],
    output: OutputOption = None,
    as_json: JsonOption = False,
) -> None:
    """Show what an evaluation that was queued has found."""
    from bali.cli.queued import find_report
    from bali_trainers.evaluation import Report

    found = Report.model_validate_json(find_report(job).read_bytes())
    show(found, output, as_json=as_json)


def set_up(precision: Precision, device: str) -> Setup:
    """Say how vectors are computed, and where those of dictionaries are kept."""
    from bali_platform.base.settings import load_settings
    from bali_trainers.evaluation import Setup
    from bali_trainers.inference.precision import settle_device, settle_precision

    device = settle_device(device)
    if precision == "auto":
        precision = settle_precision(precision, device.partition(":")[0])
    return Setup(precision, device, load_settings().home / "cache" / "vectors", reporter())


def _graph() -> Graph:
    from bali_platform.base.settings import load_settings
    from bali_platform.graph.client import Graph

    return Graph.connect(load_settings())


@contextmanager
def _edges(withheld: float, asked: int, candidates: int) -> Iterator[EdgeTask]:
    """Read the withheld edges of the live graph, and leave it open for the neighbourhoods."""
    from bali_platform.subgraphs import GraphNeighbourhoods
    from bali_trainers.evaluation import build_edge_task

    with _graph() as graph:
        with reporter().step("read the edges"):
            task = build_edge_task(
                (cui for cui, _ in graph.names()),
                GraphNeighbourhoods(graph),
                withheld=withheld,
                limit=asked,
                candidates=candidates,
            )
        yield task


@contextmanager
def _linked(corpus: Path, codes: Path | None) -> Iterator[Path]:
    """Import a file into a corpus for the time being; a corpus stays where it is."""
    if corpus.is_dir():
        yield corpus
        return
    from bali_loaders.corpora import ImportAnnotations, build_corpus
    from bali_platform.base.settings import load_settings

    with _graph() as graph, tempfile.TemporaryDirectory() as temporary:
        folder = Path(temporary) / corpus.name
        build_corpus(
            [corpus],
            folder,
            ImportAnnotations(load_settings(), codes),
            graph_version=graph.version,
            details={},
            reporter=reporter(),
        )
        yield folder
