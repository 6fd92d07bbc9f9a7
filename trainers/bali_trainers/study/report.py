"""The report of a study: one page, as Markdown with pictures and as HTML."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from statistics import mean

from bali_platform.base.files import write_atomically
from bali_trainers.evaluation.edge_task import LINK_RULE
from bali_trainers.evaluation.mentions import SUBSETS
from bali_trainers.evaluation.metrics import FLIPS
from bali_trainers.evaluation.page import (
    Block,
    Heading,
    Picture,
    Points,
    Table,
    Text,
    to_html,
    to_markdown,
)
from bali_trainers.study.comparison import METRIC, Kind
from bali_trainers.study.config import EDGES
from bali_trainers.study.curves import draw_curves
from bali_trainers.study.outcomes import Part, Questions
from bali_trainers.study.results import StudyReport
from bali_trainers.study.summary import difference, interval, summarise

_FURTHER = (f"{METRIC} macro", "acc@1 expected", "acc@5", "mrr")

_SECTIONS: tuple[tuple[Kind, str, str], ...] = (
    ("gain", "Gains over the untouched model", ""),
    ("change", "Against the main model", "A row's model minus the main one."),
    (
        "control",
        "Controls",
        "A control fails, as it must, when it is no better than what it is compared with.",
    ),
    ("encoding", "In one encoding alone", "The main model minus the untouched one."),
)


def write_report(report: StudyReport, folder: Path) -> None:
    """Write ``report.json``, ``report.md`` with its pictures, and ``report.html`` to a folder."""
    blocks = list(_page(report))
    for block in blocks:
        if isinstance(block, Picture):
            write_atomically(folder / block.file, block.svg, mode=0o644)
    write_atomically(folder / "report.md", to_markdown(blocks), mode=0o644)
    write_atomically(folder / "report.html", to_html(blocks), mode=0o644)
    write_atomically(folder / "report.json", report.model_dump_json(indent=2), mode=0o644)


def _page(report: StudyReport) -> Iterator[Block]:
    yield Heading(f"Study: {report.name}", 1)
    yield Points(summarise(report))
    for test, parts in report.tests.items():
        if test != EDGES:
            yield Heading(f"Linking on {test}")
            yield Text(_about(report, parts))
            yield _results(report, test)
    if EDGES in report.tests:
        yield Heading("Held-out edges")
        yield Text(_about_edges(report.tests[EDGES]["test"]))
        yield _edges(report)
    for kind, title, text in _SECTIONS:
        if any(report.of(kind)):
            yield Heading(title)
            yield Text(
                f"{text} Differences in points, with 95 % intervals and corrected p.".strip()
            )
            yield _comparisons(report, kind)
    yield Heading("Every encoding")
    yield _encodings(report)
    if report.curves:
        yield Heading("Learning curves")
    for loss, curves in report.curves.items():
        title = f"{loss} on batches of training"
        file = f"curve-{loss.replace('/', '-')}.svg"
        yield Picture(file, title, draw_curves(title, curves))
    yield Heading("How it was done")
    yield Points(_method(report))


def _about(report: StudyReport, parts: dict[Part, Questions]) -> str:
    test, choose = parts["test"], parts["choose"]
    parts_of = "; ".join(f"{n:,} {name} ({SUBSETS[name]})" for name, n in test.subsets.items())
    return (
        f"{test.mentions:,} mentions in {test.documents:,} documents of {test.corpus}; of these "
        f"{parts_of}. {test.unknown:,} more were left out, since the graph lacks their "
        f"concepts. Encodings were chosen on {choose.mentions:,} mentions in "
        f"{choose.documents:,} documents of {choose.corpus}."
    )


def _results(report: StudyReport, test: str) -> Table:
    columns = ("model", "encoding", "Acc@1", "seeds ±", "macro", "expected", "Acc@5", "MRR")
    splits = report.tests[test]["test"].subsets
    rows = []
    for model in report.models:
        subsets = model.scores[test][model.best[test]]
        spread = model.spread[test]
        rows.append(
            [
                model.name,
                model.best[test],
                interval(subsets["all"][METRIC]),
                "" if spread is None else f"{spread:.1%} ({model.runs})",
                *(interval(subsets["all"][m]) for m in _FURTHER),
                *(interval(subsets[s][METRIC]) if s in subsets else "" for s in splits),
                f"{model.cpu_minutes:.1f}" if model.steps else "",
            ]
        )
    return Table((*columns, *(f"Acc@1 {split}" for split in splits), "CPU min"), rows)


def _about_edges(edges: Questions) -> str:
    return (
        f"{edges.mentions // 2:,} edges that training withheld; of each, both ends are looked for "
        f"among {edges.corpus}. {LINK_RULE[0].upper()}{LINK_RULE[1:]}. Intervals are over "
        f"{edges.documents:,} pairs of concepts. A concept is read by its preferred name (name), "
        "by the graph encoder with neighbours drawn as in training (graph), or by that without any "
        "(alone)."
    )


def _edges(report: StudyReport) -> Table:
    found = {
        (model.name, encoding): subsets
        for model in report.models
        for encoding, subsets in model.scores.get(EDGES, {}).items()
    }
    kinds = [subset for subset in next(iter(found.values()), {}) if subset != "all"]
    rows = [
        [
            *place,
            *(interval(subsets["all"][metric]) for metric in ("mrr", "hits@1", "hits@10")),
            *(interval(subsets[kind]["mrr"]) for kind in kinds),
        ]
        for place, subsets in found.items()
    ]
    columns = ("model", "read by", "mrr", "hits@1", "hits@10", *(f"mrr {kind}" for kind in kinds))
    return Table(columns, rows)


def _comparisons(report: StudyReport, kind: Kind) -> Table:
    """Make a table of one kind of comparison, a row a pair, a column a test and subset."""
    chosen = list(report.of(kind))
    places = list(dict.fromkeys((c.test, c.subset) for c in chosen))
    rows: dict[tuple[str, ...], dict[tuple[str, str], str]] = {}
    for c in chosen:
        pair = (c.model, c.against) if kind != "encoding" else (f"{c.model}, {c.encodings[0]}",)
        cells = rows.setdefault(pair, {})
        cells[c.test, c.subset] = difference(c)
    titles = ("model", "against") if kind != "encoding" else ("model",)
    return Table(
        (*titles, *(f"{test}, {subset}" for test, subset in places)),
        [[*pair, *(cells.get(place, "") for place in places)] for pair, cells in rows.items()],
    )


def _encodings(report: StudyReport) -> Table:
    """Show every model in every encoding."""
    places = list(
        dict.fromkeys(
            (test, encoding)
            for model in report.models
            for test, encodings in model.scores.items()
            if test != EDGES
            for encoding in encodings
        )
    )
    rows = [
        [
            model.name,
            *(
                interval(model.scores[test][encoding]["all"][METRIC])
                if encoding in model.scores[test]
                else ""
                for test, encoding in places
            ),
        ]
        for model in report.models
    ]
    return Table(("model, Acc@1", *(f"{test}, {encoding}" for test, encoding in places)), rows)


def _method(report: StudyReport) -> list[str]:
    tested = mean(model.test_minutes for model in report.models)
    return [
        f"Dictionary {report.dictionary}: all {report.names:,} names of the {report.concepts:,} "
        f"concepts of graph {report.graph_version}. Trained on {report.training}. Shared names: "
        f"{report.rule}; 'expected' is the chance (1/k) of being right when one of k equally near "
        "concepts is picked blindly.",
        "Encoding of mentions: by what they are called (name), as the mean of their tokens in the "
        f"sentence (context), or both (mixed); {report.reading}. For each model and test, the best "
        "on the documents to choose on is compared, whatever it is worth on the test.",
        f"Seeds: {', '.join(map(str, report.seeds))}. Scores are means over seeds, 'macro' means "
        "over concepts; 'seeds ±' is the standard deviation between seeds, with their number. "
        "Intervals are 95 %, by bootstrap over documents and seeds, each model's drawn for itself.",
        "Tests are paired: the signs of the documents' differences are flipped at random, "
        f"{FLIPS:,} times. p is corrected, as S. Holm did, for all {len(report.comparisons)} "
        f"comparisons of this report, on {METRIC} of mentions and the mean reciprocal rank (MRR) "
        "of edges. A difference is told as more than chance where p is below 0.05 and the interval "
        "does not hold zero.",
        f"Machine: {', '.join(f'{name} {value}' for name, value in report.machine.items())}. CPU "
        "min: processor time of one training run, without that of workers which build its batches; "
        f"to test a model took {tested:.1f} minutes more, on average. Code: {report.code_version}.",
    ]
