"""Is the graph what the release says? Rows counted again, totals compared, concepts examined."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, TypeVar

import neo4j

from bali_loaders.releases import Release
from bali_loaders.umls.own import is_own_label
from bali_loaders.umls.report import NOT_ASKED_FOR, Report
from bali_loaders.umls.schema import count_stored, run
from bali_loaders.umls.verification.comparison import compare_concept, compare_retired
from bali_loaders.umls.verification.evidence import Evidence, Reader, Retired
from bali_loaders.umls.verification.lines import Lines
from bali_platform.base.errors import BaliError
from bali_platform.base.progress import QUIET, Reporter

AT_ONCE = 100

T = TypeVar("T")


@dataclass
class Verification:
    """What was looked at, by kind, and each thing that is not as the release says, one a line."""

    checked: dict[str, int] = field(default_factory=dict)
    problems: list[str] = field(default_factory=list)

    @property
    def passed(self) -> bool:
        """Whether nothing was found wrong."""
        return not self.problems

    def note(self, kind: str, count: int, problems: Sequence[str] | Iterator[str]) -> None:
        """Add ``count`` looks of a kind and what they found wrong."""
        self.checked[kind] = self.checked.get(kind, 0) + count
        self.problems.extend(problems)


def read_report(driver: neo4j.Driver) -> Report:
    """Read the report that the load left in the graph; :class:`BaliError` when there is none."""
    rows = run(driver, "report")
    if not rows:
        for begun in run(driver, "online_state")[0]["imports"]:
            raise BaliError(
                f"the import of {begun[0]} is not finished: run its `bali load --online` again"
            )
        raise BaliError("no graph loaded: run `bali load`")
    return Report.model_validate_json(rows[0]["report"])


@dataclass(frozen=True)
class Collected:
    """What the release itself says: its rows against ``report``, and evidence of a sample."""

    report: Report
    rows: Verification
    concepts: Sequence[Evidence]
    retired: Sequence[Retired]


def verify(
    driver: neo4j.Driver,
    release: Release,
    *,
    sample: int = 1000,
    seed: int = 0,
    reporter: Reporter = QUIET,
) -> Verification:
    """Hold the graph against the release it was loaded from.

    Every file's lines are counted and compared with the accounts and with MRFILES; all totals are
    compared, those of names and of facts by source counted in the graph; of ``sample`` concepts
    (half drawn uniformly, half by their relations) and of some retired ones everything is
    compared, as read from the RRF lines: nothing may be missing, and nothing else may be there.
    """
    report = read_report(driver)
    if report.release != release.version:
        raise BaliError(
            f"{release.path} is release {release.version}, the graph holds {report.release}"
        )
    collected = collect(release, report, sample=sample, seed=seed, reporter=reporter)
    result = examine(driver, collected, reporter=reporter)
    with reporter.step("compare totals"):
        result.note("totals", 1 + len(report.facts_by_source), _check_totals(driver, report))
    return result


def collect(
    release: Release,
    report: Report,
    *,
    sample: int = 1000,
    seed: int = 0,
    reporter: Reporter = QUIET,
) -> Collected:
    """Read all that :func:`examine` wants of the release, which needs no graph yet."""
    rows = Verification()
    with Lines(release) as lines:
        with reporter.step("count rows", len(report.files)) as step:
            for file in report.files:
                rows.note("rows", report.rows(file), _check_rows(release, lines, report, file))
                step.advance()
        with reporter.step("read evidence from the release"):
            repeated = "duplicate" in report.files["MRCONSO"]
            reader = Reader(release, report.options, lines, repeated=repeated)
            concepts, retired = reader.gather(
                reader.choose(sample, seed), reader.choose_retired(sample // 10, seed)
            )
    return Collected(report, rows, concepts, retired)


def examine(
    driver: neo4j.Driver, collected: Collected, *, reporter: Reporter = QUIET
) -> Verification:
    """Hold the graph against what was ``collected`` from the release.

    Of totals, only those are compared that the graph keeps, by label and type.
    """
    report, rows = collected.report, collected.rows
    result = Verification(dict(rows.checked), list(rows.problems))
    counts = len(report.nodes) + len(report.relationships)
    result.note("totals", counts, check_counts(driver, report))
    _examine_sample(driver, collected, reporter, result)
    return result


def check_counts(driver: neo4j.Driver, report: Report) -> list[str]:
    """Compare the numbers of nodes by label and relationships by type with the report's."""
    nodes, relationships = count_stored(driver)
    labels = {label: count for label, count in nodes.items() if not is_own_label(label)}
    return [
        *_differences("nodes", report.nodes, labels),
        *_differences("relationships", report.relationships, relationships),
    ]


def _check_totals(driver: neo4j.Driver, report: Report) -> Iterator[str]:
    found = {row["total"]: row["count"] for row in run(driver, "totals")}
    yield from _differences("names", {"names": report.names}, {"names": found.pop("names")})
    yield from _differences("facts by source", report.facts_by_source, found)


def _differences(kind: str, wanted: Mapping[str, int], found: Mapping[str, int]) -> Iterator[str]:
    for name in sorted(wanted.keys() | found.keys()):
        if (right := wanted.get(name, 0)) != (there := found.get(name, 0)):
            yield f"{kind}: {there:,} {name} in the graph, {right:,} by the release"


def _check_rows(release: Release, lines: Lines, report: Report, name: str) -> Iterator[str]:
    file = release.files.get(name)
    if file is None:
        yield f"{name}: not in {release.path}"
        return
    unread = NOT_ASKED_FOR in report.files[name]
    found = lines.count(name, alone=unread)
    if file.rows_claimed not in (None, found):
        yield f"{name}: {found:,} rows, MRFILES.RRF says {file.rows_claimed:,}"
    if not unread and report.rows(name) != found:
        yield f"{name}: {found:,} rows, {report.rows(name):,} accounted for"


def _examine_sample(
    driver: neo4j.Driver, collected: Collected, reporter: Reporter, result: Verification
) -> None:
    concepts, retired = collected.concepts, collected.retired
    with reporter.step("examine the graph", len(concepts) + len(retired)) as step:
        for some in _chunks(concepts):
            found = _by_cui(driver, "evidence", some)
            for one in some:
                problems = compare_concept(one, found[one.cui], collected.report.graph_version)
                result.note("concepts", 1, problems)
                result.note("names", len(one.names), ())
                result.note("facts", len(one.facts), ())
            step.advance(len(some))
        for gone in _chunks(retired):
            found = _by_cui(driver, "retired", gone)
            for one_gone in gone:
                problems = compare_retired(one_gone, found[one_gone.cui])
                result.note("retired concepts", 1, problems)
            step.advance(len(gone))


def _by_cui(
    driver: neo4j.Driver, statement: str, asked: Sequence[Evidence | Retired]
) -> dict[str, dict[str, Any]]:
    return {row["cui"]: row for row in run(driver, statement, cuis=[one.cui for one in asked])}


def _chunks(items: Sequence[T]) -> Iterator[Sequence[T]]:
    for start in range(0, len(items), AT_ONCE):
        yield items[start : start + AT_ONCE]
