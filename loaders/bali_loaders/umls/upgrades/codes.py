"""What differs between two releases or graphs, code by code, without an upgrade."""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory, mkdtemp

import duckdb
from pydantic import BaseModel, ConfigDict

from bali_loaders.releases import Release
from bali_loaders.umls.options import LoadOptions
from bali_loaders.umls.preparation import REPORT, load_report
from bali_loaders.umls.transform import Limits, tabulate_codes
from bali_loaders.umls.transform.contents import CODED, CONTENTS
from bali_loaders.umls.transform.fingerprint import graph_version
from bali_loaders.umls.upgrades.changes import contents_of, quoted, script
from bali_platform.base.errors import UsageError
from bali_platform.base.files import new_file
from bali_platform.base.progress import QUIET, Reporter
from bali_platform.base.settings import Settings
from bali_platform.services import GraphStore, GraphStores

CHANGES = ("new", "retired", "renamed", "moved", "merged", "retyped")
GRAPHS = ("live", "previous")


class Side(BaseModel):
    """A release or graph that is compared; ``version`` tells two editions of a release apart."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    release: str
    version: str


class CodeChanges(BaseModel):
    """From one side to the other.

    ``sources`` counts codes by source: ``before`` and ``after``; those ``new``, ``retired`` (no
    term of theirs is in use any more), ``renamed``, now with another concept because theirs was
    ``merged`` into it or because they ``moved``, and ``retyped`` (other semantic types).
    """

    model_config = ConfigDict(extra="forbid")

    old: Side
    new: Side
    sources: dict[str, dict[str, int]]


def compare_codes(
    old: str,
    new: str,
    settings: Settings,
    *,
    listing: Path | None = None,
    reporter: Reporter = QUIET,
) -> CodeChanges:
    """Compare the codes of two releases or graphs, in bounded memory.

    A release is read as the graph beside it was loaded, or in every language and source.

    Args:
        old: a release (folder, zip or .nlm files), or ``live`` or ``previous``, the home's graphs.
        new: the same.
        settings: names the home, which has room for what does not fit into memory.
        listing: a file for every change: source, code, change, name, old_value, new_value. JSON
            where its name ends in ``.json``, else CSV.
        reporter: shows progress.

    Raises:
        UsageError: a side is no release and no graph.
        BaliError: a release is damaged, or the disk is full.
    """
    settings.home.mkdir(parents=True, exist_ok=True)
    with TemporaryDirectory(dir=settings.home, prefix="compare-") as scratch:
        work = _Reading(settings, Path(scratch), reporter)
        options = work.options_of((old, new))
        sides = {age: work.read(name, options) for age, name in (("old", old), ("new", new))}
        folders = {age: folder for age, (_, folder) in sides.items()}
        with contents_of(folders, CODED, Path(scratch) / "work", Limits()) as database:
            database.execute(script("code_change"))
            if listing:
                _list(database, listing)
            counts: dict[str, dict[str, int]] = defaultdict(dict)
            for sab, what, number in database.execute(script("code_counts")).fetchall():
                counts[sab][what] = number
    return CodeChanges(old=sides["old"][0], new=sides["new"][0], sources=counts)


def _list(database: duckdb.DuckDBPyConnection, listing: Path) -> None:
    form = "FORMAT json, ARRAY true" if listing.suffix == ".json" else "FORMAT csv, HEADER"
    with new_file(listing) as building:
        database.execute(
            f"COPY (FROM code_change ORDER BY source, code, change) TO {quoted(building)} ({form})"
        )


@dataclass(frozen=True)
class _Reading:
    """How both sides are read."""

    settings: Settings
    scratch: Path
    reporter: Reporter

    def options_of(self, names: tuple[str, str]) -> LoadOptions:
        stores = [self._store(name) for name in names if name in GRAPHS]
        held = [load_report(store.folder / REPORT).options for store in stores]
        return held[0] if held else LoadOptions(languages=())

    def read(self, name: str, options: LoadOptions) -> tuple[Side, Path]:
        """Return what a side is, and the folder of its contents."""
        if name in GRAPHS:
            store = self._store(name)
            report = load_report(store.folder / REPORT)
            side = Side(release=report.release, version=report.graph_version)
            return side, store.folder / CONTENTS
        folder = Path(mkdtemp(dir=self.scratch))
        unpacked = folder / "unpacked"
        unpacked.mkdir()
        with Release.open(Path(name), scratch=unpacked, reporter=self.reporter) as release:
            version = graph_version(release, options, self.reporter)
            tabulate_codes(release, options, folder / "work", self.reporter)
            return Side(release=release.version, version=version), folder / "work" / CONTENTS

    def _store(self, name: str) -> GraphStore:
        stores = GraphStores(self.settings)
        store = stores.live_store() if name == "live" else stores.previous_store()
        if store is None or not (store.folder / CONTENTS / f"{CODED[1]}.parquet").exists():
            raise UsageError(
                f"the {name} graph has no list of its codes to compare: `bali load` makes one"
            )
        return store
