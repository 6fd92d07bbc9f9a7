"""The next release: built beside the live graph, compared with it, then put in its place."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import neo4j

from bali_loaders.umls.load import load
from bali_loaders.umls.options import LoadOptions
from bali_loaders.umls.preparation import REPORT, load_report
from bali_loaders.umls.report import Report
from bali_loaders.umls.stopwatch import Stopwatch
from bali_loaders.umls.transform import Limits
from bali_loaders.umls.transform.contents import CONTENTS
from bali_loaders.umls.upgrades.additions import carry_over
from bali_loaders.umls.upgrades.changes import Graph, compare
from bali_loaders.umls.upgrades.report import CONCEPTS, LEFT_BEHIND, Edition, UpgradeReport
from bali_platform.base.errors import UsageError
from bali_platform.base.progress import QUIET, Reporter
from bali_platform.base.settings import Settings
from bali_platform.services import GraphStore, GraphStores


@dataclass(frozen=True, slots=True)
class Upgraded:
    """The store that is live now, and the folder of the upgrade's report.

    ``report`` is None where the release was live already.
    """

    store: str
    folder: Path
    report: UpgradeReport | None


def live_options(settings: Settings) -> LoadOptions:
    """Return the options that the live graph was loaded with.

    Raises:
        UsageError: there is no live graph that was loaded from a release.
    """
    return _live(GraphStores(settings))[1].options


def upgrade(
    path: Path,
    settings: Settings,
    *,
    options: LoadOptions | None = None,
    limits: Limits | None = None,
    reporter: Reporter = QUIET,
) -> Upgraded:
    """Make the release at ``path`` the live graph, and say what that changes.

    Works as :func:`load` does, and before the switch compares the two graphs, carries over what
    people added to the old one (see :mod:`bali_loaders.umls.own`) and writes to a folder of
    ``HOME/upgrades``: ``report.json`` and ``report.md``, ``concepts.csv`` with every concept that
    changed, and ``left-behind.jsonl`` with the additions that have no place in the new graph. A
    failure leaves the old graph serving.

    Args:
        path: the release.
        settings: names the home.
        options: what to load of it; by default what the live graph was loaded with.
        limits: what the transform and the comparison may use.
        reporter: shows progress.

    Raises:
        UsageError: no graph is live, or as :func:`load` does.
        BaliError: as :func:`load` does.
    """
    clock = Stopwatch(reporter)
    work = _Upgrade(settings, GraphStores(settings, clock), limits, clock)
    if options not in (None, work.old.options):
        clock.say("other filters than the live graph's: the comparison shows what they change too")
    loaded = load(
        path,
        options or work.old.options,
        settings,
        limits=limits,
        reporter=clock,
        before_switch=work.finish,
    )
    return Upgraded(loaded.store, _folder(settings, loaded.store), work.report)


class _Upgrade:
    """What an upgrade does beyond a load."""

    def __init__(
        self, settings: Settings, stores: GraphStores, limits: Limits | None, clock: Stopwatch
    ) -> None:
        self._settings, self._stores, self._limits, self._clock = settings, stores, limits, clock
        self._store, self.old = _live(stores)
        self.report: UpgradeReport | None = None

    def finish(self, store: GraphStore, new: Report, staged: neo4j.Driver) -> None:
        """Compare the staged graph with the live one, carry additions over, write the report."""
        folder = _folder(self._settings, store.name)
        folder.mkdir(parents=True, exist_ok=True)
        with self._clock.step("compare with the live graph"):
            changes = compare(
                Graph(self.old, self._store.folder / CONTENTS),
                Graph(new, store.folder / CONTENTS),
                folder / CONCEPTS,
                self._settings.home / "loads" / "comparison",
                self._limits,
            )
        with self._stores.serving() as live:
            listing = folder / LEFT_BEHIND
            carried = carry_over(live, staged, self.old, listing, self._clock)
        self.report = UpgradeReport(
            old=_edition(self._store, self.old),
            new=_edition(store, new),
            changes=changes,
            carried=carried,
            seconds=self._clock.seconds,
        )
        (folder / "report.json").write_text(self.report.model_dump_json(indent=2), encoding="utf-8")
        (folder / "report.md").write_text(self.report.markdown(), encoding="utf-8")


def _live(stores: GraphStores) -> tuple[GraphStore, Report]:
    """Return the live store and its report."""
    store = stores.live_store()
    if store is None or not (store.folder / REPORT).exists():
        raise UsageError("there is no graph to upgrade: run `bali load RELEASE`")
    return store, load_report(store.folder / REPORT)


def _folder(settings: Settings, store: str) -> Path:
    return settings.home / "upgrades" / store


def _edition(store: GraphStore, report: Report) -> Edition:
    return Edition(
        store=store.name,
        release=report.release,
        graph_version=report.graph_version,
        options=report.options,
    )
