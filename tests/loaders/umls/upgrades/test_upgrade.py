"""From a small release to the next, with people's additions, and kills on the way."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from neo4j.time import Date
from tests.loaders.umls.small import atom, next_small_release, small_release, write_release
from typer.testing import CliRunner

from bali.cli.main import app
from bali_loaders.releases import Release
from bali_loaders.umls import Loaded, LoadOptions, UpgradeReport, upgrade, verify
from bali_platform.base.errors import BaliError, UsageError
from bali_platform.base.settings import Settings
from bali_platform.graph import Graph
from bali_platform.graph.vectors import Maker, Vectors
from bali_platform.services import GraphStores

pytestmark = pytest.mark.services

Additions = dict[str, dict[str, Any]]

BEFORE: Additions = {
    "C0000001": {"embedding": [0.1, 0.2, 0.3], "my_day": Date(2031, 2, 3), "remark": "odd"},
    "C0000002": {"my_note": "its own"},
    "C0000003": {"my_note": "of a concept that goes"},
    "C0000005": {"embedding": [0.5, 0.25, 1.0], "my_note": "moves", "my_rank": 7},
    "C0000007": {"my_note": "clashes", "my_rank": 3},
}
AFTER: Additions = {
    "C0000001": {"embedding": [0.1, 0.2, 0.3], "my_day": Date(2031, 2, 3)},
    "C0000002": {"my_note": "its own", "my_rank": 3},
    "C0000004": {"embedding": [0.5, 0.25, 1.0], "my_note": "moves", "my_rank": 7},
}
LEFT_BEHIND = [
    ("C0000001", "not marked as yours", {"remark": "odd"}),
    ("C0000003", "concept is gone", {"my_note": "of a concept that goes"}),
    ("C0000007", "the concept it was merged into has its own", {"my_note": "clashes"}),
]
ADDING = (
    "UNWIND $rows AS row MATCH (c:Concept {cui: row[0]}) SET c += row[1]",
    "MATCH (c:Concept) WHERE c.cui IN ['C0000001', 'C0000005'] SET c:MyChoice",
    "MATCH (r:Release) SET r.vectors_model = 'models/one', r.vectors_digest = 'd1', "
    "r.vectors_dimensions = 3, r.vectors_complete = true",
    "CREATE (:MyProject)-[:MY_LINK]->(:Note)",
    "CREATE INDEX my_notes FOR (c:Concept) ON c.my_note",
    "CREATE VECTOR INDEX concept_embedding FOR (c:Concept) ON c.embedding OPTIONS {indexConfig: "
    "{`vector.dimensions`: 3, `vector.similarity_function`: 'cosine'}}",
)


@pytest.fixture(scope="module")
def release(tmp_path_factory: pytest.TempPathFactory) -> Path:
    tables = small_release()
    tables["MRCONSO"].append(atom("C0000007", "A20", "Cardiac disease"))
    return write_release(tmp_path_factory.mktemp("old"), tables)


@pytest.fixture(scope="module")
def next_release(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """C0000003 is gone; C0000005 and C0000007 are merged into C0000004 and C0000002."""
    tables = next_small_release()
    tables["MRCONSO"] = [row for row in tables["MRCONSO"] if row["CUI"] != "C0000003"]
    merged = {"CUI1": "C0000007", "VER": "2031AA", "REL": "SY", "CUI2": "C0000002", "MAPIN": "Y"}
    tables["MRCUI"].append(merged)
    return write_release(tmp_path_factory.mktemp("new"), tables, "2031AB")


@pytest.fixture(scope="module")
def served(stores: GraphStores) -> GraphStores:
    """The old graph, live, with additions."""
    with stores.server().driver() as driver:
        for statement in ADDING:
            driver.execute_query(statement, rows=[list(item) for item in BEFORE.items()])
    return stores


@pytest.fixture(scope="module")
def upgraded(
    module_settings: Settings, served: GraphStores, next_release: Path
) -> tuple[UpgradeReport, Path]:
    """What `bali upgrade` reports, and the folder of its files."""
    shown = run("upgrade", str(next_release), "--json", settings=module_settings)
    assert shown["store"] == served.live()
    compared = run("compare", "previous", "live", "--json", settings=module_settings)
    assert (compared["old"]["release"], compared["new"]["release"]) == ("2031AA", "2031AB")
    assert compared["sources"]["S1"]["retired"] == 2
    assert not (module_settings.home / "loads").exists()
    return UpgradeReport.model_validate(shown["report"]), Path(shown["folder"])


def run(*arguments: str, settings: Settings) -> Any:
    """Run a command in the home of ``settings`` and return its JSON."""
    result = CliRunner().invoke(app, list(arguments), env=environment(settings))
    assert result.exception is None, result.exception
    return json.loads(result.stdout)


def environment(settings: Settings) -> dict[str, str]:
    return {
        "BALI_HOME": str(settings.home),
        "BALI_CACHE": str(settings.cache),
        "BALI_NEO4J_MEMORY_MB": "256",
    }


def ask(stores: GraphStores, query: str) -> list[Any]:
    with stores.server().driver() as driver:
        return [record.values() for record in driver.execute_query(query).records]


def additions(stores: GraphStores) -> Additions:
    """Return the properties that people have added to concepts, by CUI."""
    wanted = "MATCH (c:Concept) RETURN c.cui, properties(c)"
    found = {
        cui: {
            key: value
            for key, value in properties.items()
            if key.startswith("my_") or key in ("embedding", "remark")
        }
        for cui, properties in ask(stores, wanted)
    }
    return {cui: own for cui, own in found.items() if own}


def chosen(stores: GraphStores) -> list[str]:
    return sorted(cui for (cui,) in ask(stores, "MATCH (c:MyChoice) RETURN c.cui"))


def kill(settings: Settings, arguments: list[str], moment: Callable[[str], bool]) -> None:
    """Start a command in a process group of its own and kill all of it at ``moment``.

    ``moment`` is asked ten times a second, and gets what the command has said so far.
    """
    said = settings.home / "said.txt"
    with (
        said.open("w") as output,
        subprocess.Popen(
            [sys.executable, "-m", "bali", *arguments],
            env=os.environ | environment(settings),
            stderr=output,
            start_new_session=True,
        ) as process,
    ):
        while not moment(said.read_text()):
            assert process.poll() is None, said.read_text()
            time.sleep(0.1)
        os.killpg(process.pid, 9)


@pytest.mark.parametrize("step", ["read relations", "import", "compare with the live graph"])
def test_a_killed_upgrade_leaves_the_old_graph_serving(
    module_settings: Settings,
    served: GraphStores,
    loaded: Loaded,
    next_release: Path,
    step: str,
) -> None:
    kill(module_settings, ["upgrade", str(next_release)], lambda said: f"\u2713 {step}" in said)
    assert served.live() == loaded.store
    served.serve()
    assert additions(served) == BEFORE


def test_a_failed_upgrade_leaves_the_old_graph_and_what_was_added(
    module_settings: Settings, served: GraphStores, loaded: Loaded, next_release: Path
) -> None:
    old = served.live_store()
    assert old is not None
    facts = old.folder / "contents" / "facts.parquet"
    hidden = facts.rename(facts.with_suffix(".hidden"))
    with pytest.raises(BaliError, match="cannot be compared"):
        upgrade(next_release, module_settings)
    hidden.rename(facts)
    assert served.live() == loaded.store
    assert additions(served) == BEFORE


def test_additions_are_carried_over(
    upgraded: tuple[UpgradeReport, Path], served: GraphStores
) -> None:
    assert additions(served) == AFTER
    assert chosen(served) == ["C0000001", "C0000004"]


def test_indexes_on_additions_are_made_again(
    upgraded: tuple[UpgradeReport, Path], served: GraphStores
) -> None:
    nearest = (
        "CALL db.index.vector.queryNodes('concept_embedding', 1, [0.5, 0.25, 1.0]) "
        "YIELD node RETURN node.cui"
    )
    assert ask(served, nearest) == [["C0000004"]]
    names = ask(served, "SHOW INDEXES YIELD name, state WHERE state = 'ONLINE' RETURN name")
    assert ["my_notes"] in names


def test_whose_the_vectors_are_is_carried_and_that_some_are_missing(
    upgraded: tuple[UpgradeReport, Path], module_settings: Settings
) -> None:
    with Graph.connect(module_settings) as graph:
        vectors = Vectors(graph)
        assert vectors.maker() == Maker("models/one", "d1", 3)
        assert vectors.count() == 2
        with pytest.raises(BaliError, match="of models/one are not all written"):
            vectors.nearest([0.5, 0.25, 1.0])


def test_what_was_carried_is_counted_and_the_rest_is_listed(
    upgraded: tuple[UpgradeReport, Path],
) -> None:
    report, folder = upgraded
    carried = report.carried
    assert (carried.concepts, carried.merged) == (5, 2)
    assert carried.properties == {"embedding": 2, "my_day": 1, "my_note": 2, "my_rank": 2}
    assert carried.labels == {"MyChoice": 2}
    assert carried.indexes == ["concept_embedding", "my_notes"]
    assert carried.left_behind == {why: 1 for _, why, _ in LEFT_BEHIND}
    assert carried.elsewhere == {"(:MyProject)": 1, "(:Note)": 1, "[:MY_LINK]": 1}
    lines = (folder / "left-behind.jsonl").read_text().splitlines()
    rows = [json.loads(line) for line in lines]
    assert sorted((row["cui"], row["reason"], row["properties"]) for row in rows) == LEFT_BEHIND


def test_the_report_is_written_as_data_and_to_read(
    upgraded: tuple[UpgradeReport, Path],
) -> None:
    report, folder = upgraded
    assert UpgradeReport.model_validate_json((folder / "report.json").read_text()) == report
    assert report.changes.concepts == {
        **{"before": 5, "after": 4, "added": 2, "merged": 2, "unexplained": 1},
        **{"renamed": 1, "retyped": 1},
    }
    page = (folder / "report.md").read_text()
    assert page.startswith("# From 2031AA to 2031AB\n")
    for line in (
        "| merged into another | 2 |",
        "| left behind: concept is gone | 1 |",
        "| not carried: (:MyProject) | 1 |",
        "| S3 | 0 | 0 | 1 | 0 |",
    ):
        assert line in page
    assert "C0000005,merged,Heart,,C0000004" in (folder / "concepts.csv").read_text()


def test_the_upgraded_graph_passes_verification(
    upgraded: tuple[UpgradeReport, Path], served: GraphStores, next_release: Path
) -> None:
    with served.server().driver() as driver, Release.open(next_release) as opened:
        assert verify(driver, opened).problems == []


def test_the_same_release_again_is_live_already(
    upgraded: tuple[UpgradeReport, Path], module_settings: Settings, next_release: Path
) -> None:
    result = CliRunner().invoke(
        app, ["upgrade", str(next_release)], env=environment(module_settings)
    )
    assert result.exit_code == 0
    assert "this release with these options is live already" in " ".join(result.stdout.split())


def test_a_damaged_release_is_refused_and_other_filters_are_told(
    upgraded: tuple[UpgradeReport, Path],
    module_settings: Settings,
    served: GraphStores,
    next_release: Path,
    tmp_path: Path,
) -> None:
    damaged = shutil.copytree(next_release, tmp_path / "2032AA")
    (damaged / "META" / "MRRANK.RRF").unlink()
    arguments = ["upgrade", str(damaged), "--language", "ENG", "--language", "SPA"]
    result = CliRunner().invoke(app, arguments, env=environment(module_settings))
    assert isinstance(result.exception, BaliError)
    assert "MRRANK, which is missing" in str(result.exception)
    assert "other filters than the live graph's" in result.stderr
    assert additions(served) == AFTER


def test_a_rollback_killed_at_the_switch_is_a_rollback(
    upgraded: tuple[UpgradeReport, Path],
    module_settings: Settings,
    served: GraphStores,
    loaded: Loaded,
) -> None:
    kill(module_settings, ["load", "--rollback"], lambda _: served.live() == loaded.store)
    served.serve()
    assert additions(served) == BEFORE
    assert chosen(served) == ["C0000001", "C0000005"]


def test_there_must_be_a_graph_to_upgrade(settings: Settings, tmp_path: Path) -> None:
    nowhere = settings.model_copy(update={"home": tmp_path / "home"})
    with pytest.raises(UsageError, match="no graph to upgrade: run `bali load RELEASE`"):
        upgrade(tmp_path, nowhere, options=LoadOptions())
