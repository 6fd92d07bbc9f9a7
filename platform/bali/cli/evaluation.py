"""``bali evaluate``: what models are worth."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

import typer

from bali.cli import tasks
from bali.cli.common import JsonOption, out, print_json, reporter, table
from bali_platform.base.errors import UsageError

if TYPE_CHECKING:
    from collections.abc import Mapping

    from bali_trainers.evaluation import (
        ClassificationReport,
        Difference,
        Estimate,
        GeneralReport,
        LinkReport,
        MentionReport,
        NameReport,
        PerplexityReport,
    )

    Report = (
        NameReport
        | MentionReport
        | LinkReport
        | ClassificationReport
        | PerplexityReport
        | GeneralReport
    )


class Precision(StrEnum):
    """Of the arithmetic of language models."""

    fp32 = "fp32"
    bf16 = "bf16"


class Encoding(StrEnum):
    """What of a mention a model reads."""

    name = "name"
    context = "context"
    mixed = "mixed"


def evaluate(
    models: Annotated[
        list[str],
        typer.Argument(
            metavar="MODEL..", help="Model folders or names, or tf-idf; the first is the baseline."
        ),
    ],
    corpus: Annotated[
        Path | None,
        typer.Option(
            help="Link the mentions of this corpus, or of a file with marked mentions; without it, "
            "withheld synonyms."
        ),
    ] = None,
    questions: Annotated[
        Path | None, typer.Option(help="Answer the questions of this PubMedQA file (ten folds).")
    ] = None,
    relations: Annotated[
        tuple[Path, Path] | None,
        typer.Option(
            metavar="TRAIN TEST",
            help="Tell relations: ChemProt as .jsonl, or documents with relations as BioRED's.",
        ),
    ] = None,
    text: Annotated[
        Path | None, typer.Option(help="Predict masked tokens of the documents in this file.")
    ] = None,
    edges: Annotated[
        bool, typer.Option("--edges", help="Find the ends of edges that training withheld.")
    ] = False,
    pairs: Annotated[
        bool, typer.Option("--pairs", help="Tell how the ends of withheld edges are related.")
    ] = False,
    general: Annotated[
        bool, typer.Option("--general", help="Tell everyday sentences apart: what was forgotten.")
    ] = False,
    encoding: Annotated[
        list[Encoding] | None,
        typer.Option(help="Mentions by their text, in their sentence, or both; may be repeated."),
    ] = None,
    training: Annotated[
        list[Path] | None,
        typer.Option(help="Corpus that the models were trained on; may be repeated."),
    ] = None,
    force: Annotated[
        bool, typer.Option("--force", help="Test on documents that training has seen, too.")
    ] = False,
    codes: Annotated[
        Path | None,
        typer.Option(help="With a file: table of identifier, tab, CUI, as for corpus import."),
    ] = None,
    queries: Annotated[
        int, typer.Option(min=1, help="At most so many withheld synonyms, or edges.")
    ] = 2000,
    withheld: Annotated[
        float, typer.Option(min=0, max=0.99, help="Fraction of synonyms that training withheld.")
    ] = 0.1,
    withheld_edges: Annotated[
        float, typer.Option(min=0, max=0.99, help="Fraction of edges that training withheld.")
    ] = 0.1,
    candidates: Annotated[
        int, typer.Option(min=1, help="Concepts among which the ends of edges are looked for.")
    ] = 50_000,
    precision: Annotated[
        Precision, typer.Option(help="bf16 is faster on processors that compute with it.")
    ] = Precision.fp32,
    save: Annotated[Path | None, typer.Option("--output", help="Also write the JSON here.")] = None,
    as_json: JsonOption = False,
) -> None:
    """Compare models at one task; by default, at linking synonyms that training never saw.

    Linking looks up the nearest name in the graph. Questions and relations are read off frozen
    vectors by a linear probe; so are --pairs. Intervals are 95 %, by bootstrap over synonyms,
    documents or pairs of concepts.
    """
    wanted = (corpus, questions, relations, text, edges, pairs, general)
    if sum(map(bool, wanted)) > 1:
        raise UsageError(
            "give one of --corpus, --questions, --relations, --text, --edges, --pairs, --general"
        )
    encodings = list(dict.fromkeys(encoding or [Encoding.name]))
    if corpus is None and (training or encodings != [Encoding.name]):
        raise UsageError("--encoding and --training are about mentions: give a --corpus")
    report: Report
    if questions:
        report = tasks.evaluate_questions(models, questions, precision.value)
    elif relations:
        report = tasks.evaluate_relations(models, *relations, precision.value)
    elif text:
        report = tasks.evaluate_text(models, text)
    elif edges or pairs:
        ask = tasks.evaluate_edges if edges else tasks.evaluate_pairs_of_concepts
        report = ask(
            models,
            precision.value,
            withheld=withheld_edges,
            asked=queries,
            candidates=candidates,
        )
    elif general:
        report = tasks.evaluate_general_language(models, precision.value)
    elif corpus:
        with _linked(corpus, codes) as folder:
            report = _evaluate_mentions(
                models, folder, encodings, training or [], force=force, precision=precision
            )
    else:
        report = _evaluate_synonyms(models, queries, withheld, precision)
    if save:
        save.write_text(report.model_dump_json(indent=2), encoding="utf-8")
    if as_json:
        print_json(report.model_dump())
    else:
        show_report(report)


@contextmanager
def _linked(corpus: Path, codes: Path | None) -> Iterator[Path]:
    """Import a file into a corpus for the time being; a corpus stays where it is."""
    if corpus.is_dir():
        yield corpus
        return
    from bali_loaders.corpora import ImportAnnotations, build_corpus
    from bali_platform.base.settings import load_settings
    from bali_platform.graph.client import Graph

    settings = load_settings()
    with Graph.connect(settings) as graph, tempfile.TemporaryDirectory() as temporary:
        folder = Path(temporary) / corpus.name
        build_corpus(
            [corpus],
            folder,
            ImportAnnotations(settings, codes),
            graph_version=graph.version,
            details={},
            reporter=reporter(),
        )
        yield folder


def _evaluate_synonyms(
    models: list[str], queries: int, withheld: float, precision: Precision
) -> NameReport:
    from bali_platform.base.settings import load_settings
    from bali_platform.graph.client import Graph
    from bali_trainers.evaluation import build_name_task, evaluate_names, report_names

    with Graph.connect(load_settings()) as graph:
        version = graph.version
        task = build_name_task(graph.names(), withheld=withheld, limit=queries)
    outcomes = [
        evaluate_names(model, task, precision=precision.value, reporter=reporter())
        for model in models
    ]
    return report_names(task, outcomes, graph_version=version, withheld=withheld)


def _evaluate_mentions(
    models: list[str],
    corpus: Path,
    encodings: list[Encoding],
    training: list[Path],
    *,
    force: bool,
    precision: Precision,
) -> MentionReport:
    from bali_platform.base.settings import load_settings
    from bali_platform.graph.client import Graph
    from bali_trainers.evaluation import (
        build_mention_task,
        evaluate_mentions,
        read_names,
        report_mentions,
        require_apart,
    )

    overlapping = require_apart(corpus, training, force=force)
    with Graph.connect(load_settings()) as graph:
        version = graph.version
        task = build_mention_task(read_names(graph.names()), corpus, training=training)
    chosen: list[Literal["name", "context", "mixed"]] = [encoding.value for encoding in encodings]
    outcomes = [
        outcome
        for model in models
        for outcome in evaluate_mentions(
            model, [task], chosen, precision=precision.value, reporter=reporter()
        )
    ]
    return report_mentions(
        task,
        outcomes,
        graph_version=version,
        training=[str(folder) for folder in training],
        overlapping=overlapping,
    )


def show_report(report: Report) -> None:
    """Print a table of the models, and of what each gains over the first, for every subset."""
    from bali_trainers.evaluation import (
        ClassificationReport,
        GeneralReport,
        LinkReport,
        NameReport,
        PerplexityReport,
    )

    if isinstance(report, NameReport):
        title = f"{report.queries:,} withheld synonyms among {report.names:,} names"
        _show_models(title, report.models, report.differences)
    elif isinstance(report, ClassificationReport):
        title = f"{report.task}: {report.test:,} tested, {report.folds} folds"
        _show_models(title, report.models, report.differences)
    elif isinstance(report, LinkReport):
        title = f"{report.asked:,} withheld edges among {report.concepts:,} concepts"
        gains = {f"{model}, neighbours": by for model, by in report.neighbours.items()}
        _show_models(title, report.models, {**report.differences, **gains})
    elif isinstance(report, GeneralReport):
        _show_models(f"{report.triplets} everyday sentences", report.models, report.differences)
        if report.agreement:
            _show_models("agreement with the first model", report.agreement, {})
    elif isinstance(report, PerplexityReport):
        _show_perplexity(report)
    else:
        _show_mentions(report)


def _show_perplexity(report: PerplexityReport) -> None:
    rows = [(m, f"{e.value:.2f} ({e.low:.2f} to {e.high:.2f})") for m, e in report.models.items()]
    rows += [
        (f"{m}, ratio", f"{e.value:.3f} ({e.low:.3f} to {e.high:.3f})")
        for m, e in report.ratios.items()
    ]
    title = f"{report.tokens:,} masked tokens of {report.texts:,} sentences"
    out.print(table(title, ("model", "perplexity"), rows))


def _show_mentions(report: MentionReport) -> None:
    sizes = {
        "all": report.mentions,
        "unmatched": report.unmatched,
        "open": report.open,
        "refined": report.refined,
    }
    for subset in next(iter(report.models.values())):
        _show_models(
            f"{report.corpus}: {subset}, {sizes[subset]:,} mentions among {report.names:,} names",
            {model: subsets[subset] for model, subsets in report.models.items()},
            {model: subsets[subset] for model, subsets in report.differences.items()},
        )


def _show_models(
    title: str,
    models: Mapping[str, Mapping[str, Estimate]],
    gains: Mapping[str, Mapping[str, Difference]],
) -> None:
    rows = [
        [model, *(f"{e.value:.1%} ({e.low:.1%} to {e.high:.1%})" for e in values.values())]
        for model, values in models.items()
    ]
    rows += [
        [
            f"{model}, gain",
            *(f"{d.value:+.1%} ({d.low:+.1%} to {d.high:+.1%})" for d in by.values()),
        ]
        for model, by in gains.items()
    ]
    out.print(table(title, ("model", *next(iter(models.values()))), rows))


def register(app: typer.Typer) -> None:
    """Add ``bali evaluate`` to ``app``."""
    app.command(rich_help_panel="Training and evidence")(evaluate)
