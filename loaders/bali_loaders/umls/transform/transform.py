"""RRF -> import files, by DuckDB, out of core.

Each table and each import file is one file of SQL in ``sql/``; this module runs them in order and
keeps the accounts. Concepts, atoms and the rest are numbered: the import files refer to each other
by those numbers, which do not enter the graph.
"""

from __future__ import annotations

import shutil
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

from bali_loaders.releases import Release
from bali_loaders.umls.options import LoadOptions
from bali_loaders.umls.report import NOT_ASKED_FOR, Report
from bali_loaders.umls.stopwatch import Stopwatch
from bali_loaders.umls.transform.contents import CODED, COMPARED, CONTENTS, write_contents
from bali_loaders.umls.transform.outputs import OUTPUTS
from bali_loaders.umls.transform.relations import Relations, type_name, type_names
from bali_loaders.umls.transform.tables import DELETE_CATALOGUE, READ, check_complete, files_read
from bali_loaders.umls.transform.workspace import Limits, Workspace
from bali_platform.base.errors import BaliError
from bali_platform.base.progress import QUIET, Reporter
from bali_platform.graph.semantic_groups import SEMANTIC_GROUPS

ROWS_AT_ONCE = 4_000_000


def transform(
    release: Release,
    options: LoadOptions,
    folder: Path,
    *,
    graph_version: str,
    limits: Limits | None = None,
    reporter: Reporter = QUIET,
) -> Report:
    """Write the import files of ``release`` to a fresh ``folder`` and return the accounts.

    Raises :class:`BaliError` where the release is damaged (naming file and line), disagrees with
    its own MRFILES, or leaves nothing to load.
    """
    check_complete(release, options)
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    with Workspace(folder, release, limits or Limits()) as space:
        work = _Transform(space, release, options, folder, reporter)
        work.prepare(graph_version)
        work.tabulate()
        work.write()
        return work.report(graph_version)


def tabulate_codes(
    release: Release, options: LoadOptions, folder: Path, reporter: Reporter = QUIET
) -> None:
    """Write to a fresh ``folder`` what codes are compared by, which reads no relations.

    Raises as :func:`transform`.
    """
    check_complete(release, options)
    folder.mkdir(parents=True)
    with Workspace(folder, release, Limits()) as space:
        work = _Transform(space, release, options, folder, reporter)
        work.prepare("")
        work.tabulate_names()
        write_contents(space, folder / CONTENTS, CODED)


class _Transform:
    """One transform under way."""

    def __init__(
        self,
        space: Workspace,
        release: Release,
        options: LoadOptions,
        folder: Path,
        reporter: Reporter,
    ) -> None:
        self._space, self._release, self._options = space, release, options
        self._folder, self._clock = folder, Stopwatch(reporter)
        self._files = files_read(options)
        self._written: Counter[str] = Counter()

    def prepare(self, graph_version: str) -> None:
        """Make the views of the release, the options and the reference tables."""
        space, options = self._space, self._options
        space.set(
            sources=list(options.sources),
            languages=list(options.languages),
            licences=list(options.licences),
            suppressible=options.suppressible,
            siblings=options.siblings,
            graph_version=graph_version,
        )
        space.fill("accounting", "file VARCHAR, verdict VARCHAR, rows BIGINT")
        groups = ((tui, g.label, g.name) for g in SEMANTIC_GROUPS for tui in sorted(g.types))
        space.fill("semantic_group", "tui VARCHAR, label VARCHAR, name VARCHAR", groups)
        for file in READ:
            space.view(file, empty=file not in self._files)
        relations = space.rows("SELECT UI, STY_RL FROM net_srdef WHERE RT = 'RL'")
        named = ((ui, type_name(name or ui)) for ui, name in relations)
        space.fill("network_relation", "ui VARCHAR, type VARCHAR", named)

    def tabulate(self) -> None:
        """Build the tables; each file's rows are checked as soon as they are accounted for."""
        self.tabulate_names()
        with self._clock.step("read attributes, hierarchies, maps"):
            self._scripts("attributes", "hierarchies", "maps")
        self._check(*(self._files - {"MRREL"}))
        with self._clock.step("read relations"):
            self._scripts("statements")
            self._name_relations()
            self._scripts("turned")
        self._sliced("merge facts", "facts", "turned")
        self._scripts("facts_accounts")
        self._check("MRREL")
        self._sliced("sample hubs", "hubs", "hub_edge")

    def tabulate_names(self) -> None:
        """Build the tables of concepts, their names and types, and those that are retired."""
        with self._clock.step("read names"):
            self._scripts("sources", "concepts", "atoms")
        self._check("MRSAB", "MRCONSO", "MRRANK", "MRDOC")
        if not self._space.count("atom"):
            raise BaliError(f"{self._release.path}: no name passes the filters: nothing to load")
        with self._clock.step("read types, definitions, history"):
            self._scripts("semantic_types", "definitions", "retired")

    def write(self) -> None:
        """Write the import files; concepts in slices, as their lists of names take memory."""
        with self._clock.step("write import files", len(OUTPUTS) + 1) as step:
            for output in OUTPUTS:
                rows = self._space.count("atom") if output.name == "concepts" else 0
                self._written[output.name] = sum(self._write_slices(output.name, rows))
                self._write_header(output.name)
                step.advance()
            write_contents(self._space, self._folder / CONTENTS, {*COMPARED, *CODED})
            step.advance()

    def report(self, graph_version: str) -> Report:
        """Collect the accounts."""
        facts = self._counted("SELECT name, count(*) FROM fact JOIN type_name USING (type)")
        network = self._counted("SELECT type, count(*) FROM network")
        fixed: Counter[str] = Counter()
        for output in OUTPUTS:
            if output.type:
                fixed[output.type] += self._written[output.name]
        labels = {o.label: self._written[o.name] for o in OUTPUTS if o.label}
        groups = self._counted(
            "SELECT label, count(DISTINCT concept) FROM typed JOIN semantic_group USING (tui)"
        )
        return Report(
            release=self._release.version,
            graph_version=graph_version,
            options=self._options,
            files=self._accounts(),
            nodes=labels | groups,
            relationships=dict(Counter(facts) + Counter(network) + fixed),
            relation_types=sorted(facts),
            facts=sum(facts.values()),
            names=self._space.rows(
                "SELECT count(*) FROM (SELECT DISTINCT concept, name FROM atom)"
            )[0][0],
            facts_by_source=self._counted(
                "SELECT sab, count(*) FROM (SELECT unnest(sabs) AS sab FROM fact)"
            ),
            seconds=self._clock.seconds,
        )

    def _scripts(self, *names: str) -> None:
        for name in names:
            self._space.script(name)

    def _sliced(self, title: str, script: str, table: str) -> None:
        """Run a script on some concepts at a time, so many as have a share of ``table``."""
        with self._clock.step(title) as step:
            self._space.script(f"{script}_table")
            slices = list(self._slices(self._space.count(table)))
            step.update(total=len(slices))
            for first, past in slices:
                self._space.set(first=first, past=past)
                self._space.script(script)
                step.advance()

    def _write_slices(self, name: str, rows: int) -> Iterator[int]:
        for number, (first, past) in enumerate(self._slices(rows)):
            self._space.set(first=first, past=past)
            yield self._space.write(name, self._folder / f"{name}-{number:03}.csv")

    def _write_header(self, name: str) -> None:
        line = ",".join(self._space.header(name)) + "\n"
        (self._folder / f"{name}-header.csv").write_text(line)

    def _slices(self, rows: int) -> Iterator[tuple[int, int]]:
        """Cut the concepts into ranges that take about ``ROWS_AT_ONCE`` of ``rows`` each."""
        concepts = self._space.count("concept", "id IS NOT NULL")
        width = -(-concepts // (rows // ROWS_AT_ONCE + 1))
        for first in range(0, concepts, width):
            yield first, first + width

    def _name_relations(self) -> None:
        relations = Relations(self._release.rows("MRDOC"))
        pairs = self._space.rows("SELECT DISTINCT rel, rela FROM statement WHERE verdict = 'kept'")
        known = {pair: relations.canonical(*pair) for pair in sorted(pairs)}
        names = type_names((relation.name, relation.is_rela) for relation in known.values())
        numbers = {key: number for number, key in enumerate(names)}
        self._space.fill(
            "type_name",
            "type INTEGER, name VARCHAR, rela VARCHAR",
            ((numbers[key], name, key[0] if key[1] else None) for key, name in names.items()),
        )
        self._space.fill(
            "relation",
            "rel VARCHAR, rela VARCHAR, type INTEGER, undirected BOOLEAN, inverted BOOLEAN, "
            "inverse_rel VARCHAR",
            (
                (*pair, numbers[r.name, r.is_rela], r.symmetric, r.inverted, r.inverse_rel)
                for pair, r in known.items()
            ),
        )

    def _check(self, *files: str) -> None:
        """Refuse a file whose rows are not as many as MRFILES says."""
        for file in self._release.files.keys() & set(files):
            claimed = self._release.files[file].rows_claimed
            found = self._space.rows(
                "SELECT coalesce(sum(rows), 0) FROM accounting WHERE file = $1", file
            )
            if claimed is not None and found[0][0] != claimed:
                raise BaliError(
                    f"{self._release.files[file].label} has {found[0][0]:,} rows, MRFILES.RRF says "
                    f"{claimed:,}: copy both from the release again, or {DELETE_CATALOGUE}"
                )

    def _accounts(self) -> dict[str, dict[str, int]]:
        files: dict[str, dict[str, int]] = {}
        rows = self._space.rows(
            "SELECT file, verdict, sum(rows)::BIGINT FROM accounting WHERE rows > 0 "
            "GROUP BY file, verdict ORDER BY file, verdict NOT IN ('kept', 'merged'), verdict"
        )
        for file, verdict, count in rows:
            files.setdefault(file, {})[verdict] = count
        for name, file in self._release.files.items():
            if name not in self._files and file.rows_claimed:
                files[name] = {NOT_ASKED_FOR: file.rows_claimed}
        return files

    def _counted(self, select: str) -> dict[str, int]:
        return dict(self._space.rows(f"{select} GROUP BY 1 ORDER BY 1"))
