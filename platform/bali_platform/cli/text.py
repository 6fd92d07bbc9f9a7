"""``bali corpus`` and ``bali evaluate``: text in, evidence out."""

from __future__ import annotations

from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from bali_platform.cli.common import JsonOption, fields, out, print_json, reporter, table

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from bali_loaders.corpora import Document
    from bali_platform.progress import Step
    from bali_trainers.evaluation import Difference, Estimate, MentionReport, NameReport

__all__ = ["register"]


class Precision(StrEnum):
    """Of the arithmetic of language models."""

    fp32 = "fp32"
    bf16 = "bf16"


class Ambiguity(StrEnum):
    """What becomes of a name that several concepts share."""

    skip = "skip"
    first = "first"
    all = "all"


Files = Annotated[
    list[Path],
    typer.Argument(
        metavar="FILE..", help="PubTator, BioC (.xml, .json), .jsonl, .csv, .tsv, .txt; or .gz."
    ),
]
Output = Annotated[
    Path, typer.Option("--output", "-o", metavar="FOLDER", help="Folder of the new corpus.")
]
Withheld = Annotated[
    float,
    typer.Option(min=0, max=0.99, help="Fraction of synonyms that no sentence may hold."),
]


def definitions(
    folder: Annotated[Path, typer.Argument(metavar="OUT", help="Folder of the new corpus.")],
    withheld: Withheld = 0.1,
    as_json: JsonOption = False,
) -> None:
    """Make a corpus of the graph's own definitions, linked to the other concepts they mention."""
    from bali_loaders.corpora import write_definitions
    from bali_loaders.linking import Linker, graph_dictionary
    from bali_platform.graph.client import Graph
    from bali_platform.settings import load_settings

    settings, progress = load_settings(), reporter()
    with Graph.connect(settings) as graph:
        dictionary = graph_dictionary(
            graph, settings.home / "cache", withheld=withheld, reporter=progress
        )
        write_definitions(graph, Linker(dictionary), folder, reporter=progress)
    show(folder, as_json)


def link(
    files: Files,
    folder: Output,
    ambiguous: Annotated[
        Ambiguity, typer.Option(help="What to do with a name that several concepts share.")
    ] = Ambiguity.skip,
    withheld: Withheld = 0.1,
    as_json: JsonOption = False,
) -> None:
    """Link documents to the graph by its names, and keep the sentences that mention something."""
    from bali_loaders.corpora import linked_sentences, unrepeated
    from bali_loaders.linking import Linker, graph_dictionary
    from bali_platform.corpus import write_corpus
    from bali_platform.graph.client import Graph
    from bali_platform.settings import load_settings

    settings, progress = load_settings(), reporter()
    with Graph.connect(settings) as graph:
        dictionary = graph_dictionary(
            graph, settings.home / "cache", withheld=withheld, reporter=progress
        )
    linker = Linker(dictionary, ambiguous=ambiguous.value)
    with progress.step("link documents") as step:
        documents = unrepeated(_documents(files, step), linker.counts)
        write_corpus(
            folder,
            linked_sentences(documents, linker),
            name=folder.name,
            graph_version=dictionary.graph_version,
            details={"withheld": withheld, "counts": linker.counts},
        )
    show(folder, as_json)


def import_(
    files: Files, folder: Output, withheld: Withheld = 0.0, as_json: JsonOption = False
) -> None:
    """Import documents with the annotations they bring, mapped to concepts of the graph.

    For a corpus to train on, give --withheld the fraction that training withholds.
    """
    from collections import Counter

    from bali_loaders.corpora import GraphCodes, IdentifierMap, annotated_sentences, unrepeated
    from bali_loaders.linking import drop_withheld, graph_dictionary
    from bali_platform.corpus import write_corpus
    from bali_platform.graph.client import Graph
    from bali_platform.settings import load_settings

    settings, progress = load_settings(), reporter()
    counts: Counter[str] = Counter()
    with Graph.connect(settings) as graph, progress.step("import documents") as step:
        identifiers = IdentifierMap(GraphCodes(graph))
        documents = unrepeated(_documents(files, step), counts)
        sentences = annotated_sentences(documents, identifiers, counts)
        if withheld:
            dictionary = graph_dictionary(graph, settings.home / "cache", withheld=withheld)
            sentences = drop_withheld(sentences, dictionary, counts)
        write_corpus(
            folder,
            sentences,
            name=folder.name,
            graph_version=graph.version,
            details={"withheld": withheld, "counts": counts, "identifiers": identifiers.table},
        )
    show(folder, as_json)


def _documents(files: list[Path], step: Step) -> Iterator[Document]:
    from bali_loaders.corpora import read_documents

    for file in files:
        for document in read_documents(file):
            step.advance()
            yield document


def stats(
    folder: Annotated[Path, typer.Argument(metavar="CORPUS", help="A linked corpus.")],
    as_json: JsonOption = False,
) -> None:
    """Show what a linked corpus holds."""
    show(folder, as_json)


def show(folder: Path, as_json: bool) -> None:
    """Print a corpus's description."""
    from bali_platform.corpus import open_corpus

    info = open_corpus(folder).model_dump()
    if as_json:
        print_json({"folder": str(folder), **info})
        return
    details = info.pop("details")
    counts, identifiers = details.pop("counts", {}), details.pop("identifiers", {})
    out.print(fields(str(folder), info | details | counts))
    if identifiers:
        columns = ("mapped", "ambiguous", "unmapped")
        rows = [(name, *(row.get(c, 0) for c in columns)) for name, row in identifiers.items()]
        out.print(table("Identifiers of mentions", ("vocabulary", *columns), sorted(rows)))


def score(
    folder: Annotated[
        Path, typer.Argument(metavar="CORPUS", help="A corpus with marked mentions.")
    ],
    as_json: JsonOption = False,
) -> None:
    """Compare what the dictionary finds with the mentions that a corpus brings."""
    from bali_loaders.linking import Linker, graph_dictionary, score_linker
    from bali_platform.corpus import read_sentences
    from bali_platform.graph.client import Graph
    from bali_platform.settings import load_settings

    settings, progress = load_settings(), reporter()
    with Graph.connect(settings) as graph:
        dictionary = graph_dictionary(graph, settings.home / "cache", reporter=progress)
    result = score_linker(Linker(dictionary), read_sentences(folder))
    rows = {
        name: {"precision": s.precision, "recall": s.recall, "f1": s.f1, **s._asdict()}
        for name, s in result._asdict().items()
    }
    if as_json:
        print_json(rows)
        return
    columns = ("exact", "precision", "recall", "F1", "right", "found", "wanted")
    shown = [
        (name, f"{s.precision:.1%}", f"{s.recall:.1%}", f"{s.f1:.1%}", *s)
        for name, s in result._asdict().items()
    ]
    out.print(table(f"Dictionary linking on {folder}", columns, shown))


def evaluate(
    models: Annotated[
        list[str],
        typer.Argument(
            metavar="MODEL..", help="Model folders or names; the first is the baseline."
        ),
    ],
    corpus: Annotated[
        Path | None,
        typer.Option(help="Link the mentions of this corpus; without it, withheld synonyms."),
    ] = None,
    queries: Annotated[int, typer.Option(min=1, help="At most so many withheld synonyms.")] = 2000,
    withheld: Withheld = 0.1,
    precision: Annotated[
        Precision, typer.Option(help="bf16 is faster on processors that compute with it.")
    ] = Precision.fp32,
    save: Annotated[Path | None, typer.Option("--output", help="Also write the JSON here.")] = None,
    as_json: JsonOption = False,
) -> None:
    """Link names to concepts by the nearest name: synonyms that training never saw, or mentions.

    Synonyms are looked up among all other names, mentions among all names. Intervals are 95 %, by
    bootstrap over synonyms, or over documents.
    """
    report = (
        _evaluate_mentions(models, corpus, precision)
        if corpus
        else _evaluate_synonyms(models, queries, withheld, precision)
    )
    if save:
        save.write_text(report.model_dump_json(indent=2), encoding="utf-8")
    if as_json:
        print_json(report.model_dump())
    else:
        show_report(report)


def _evaluate_synonyms(
    models: list[str], queries: int, withheld: float, precision: Precision
) -> NameReport:
    from bali_platform.graph.client import Graph
    from bali_platform.settings import load_settings
    from bali_trainers.evaluation import build_name_task, evaluate_names, report_names

    with Graph.connect(load_settings()) as graph:
        version = graph.version
        task = build_name_task(graph.names(), withheld=withheld, limit=queries)
    outcomes = [
        evaluate_names(model, task, precision=precision.value, reporter=reporter())
        for model in models
    ]
    return report_names(task, outcomes, graph_version=version, withheld=withheld)


def _evaluate_mentions(models: list[str], corpus: Path, precision: Precision) -> MentionReport:
    from bali_platform.graph.client import Graph
    from bali_platform.settings import load_settings
    from bali_trainers.evaluation import build_mention_task, evaluate_names, report_mentions

    with Graph.connect(load_settings()) as graph:
        version = graph.version
        task = build_mention_task(graph.names(), corpus)
    outcomes = [
        evaluate_names(model, task.names, precision=precision.value, reporter=reporter())
        for model in models
    ]
    return report_mentions(task, outcomes, graph_version=version)


def show_report(report: NameReport | MentionReport) -> None:
    """Print a table of the models, and of what each gains over the first, for every subset."""
    from bali_trainers.evaluation import NameReport

    if isinstance(report, NameReport):
        title = f"{report.queries:,} withheld synonyms among {report.names:,} names"
        _show_models(title, report.models, report.differences)
        return
    for subset in next(iter(report.models.values())):
        _show_models(
            f"{report.corpus}, {subset} mentions among {report.names:,} names",
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
    """Add the commands to the command tree."""
    corpus = typer.Typer(no_args_is_help=True, help="Documents and definitions to linked corpora.")
    corpus.command()(definitions)
    corpus.command("import")(import_)
    corpus.command()(link)
    corpus.command()(score)
    corpus.command()(stats)
    app.add_typer(corpus, name="corpus", rich_help_panel="Text")
    app.command(rich_help_panel="Training and evidence")(evaluate)
