"""What an upgrade changed, over HTTP."""

from __future__ import annotations

from pathlib import Path

import pytest
from fastapi import FastAPI
from fastapi.testclient import TestClient
from tests.loaders.umls.small import next_small_release, small_release, write_release

from bali.changes import Changes
from bali.serving.changes import change_routes
from bali_loaders.umls.upgrades.codes import CHANGES
from bali_platform.api import problems
from bali_platform.base.settings import Settings


def client_of(changes: Changes) -> TestClient:
    app = FastAPI()
    app.include_router(change_routes(changes))
    problems.install(app)
    return TestClient(app)


@pytest.fixture
def client(tmp_path: Path) -> TestClient:
    tables = {"old": small_release(), "new": next_small_release()}
    sides = [str(write_release(tmp_path / age, some)) for age, some in tables.items()]
    return client_of(Changes(Settings(home=tmp_path / "home"), *sides))


def test_the_pages_of_each_source_hold_what_is_counted(client: TestClient) -> None:
    counted = client.get("/changes").json()
    assert counted["old"]["version"] != counted["new"]["version"]
    for source, counts in counted["sources"].items():
        path = f"/changes/{source}"
        whole = client.get(path).json()
        assert whole["total"] == len(whole["changes"])
        for change in CHANGES:
            told = [one for one in whole["changes"] if one["change"] == change]
            assert len(told) == counts.get(change, 0)
        pages = [client.get(path, params={"limit": 1, "offset": n}) for n in range(whole["total"])]
        assert [one for page in pages for one in page.json()["changes"]] == whole["changes"]
    assert any(counts.get("new") for counts in counted["sources"].values())


def test_what_cannot_be_told_is_refused(client: TestClient, tmp_path: Path) -> None:
    assert "no source 'S11'" in client.get("/changes/S11").json()["detail"]
    assert "query parameter 'page'" in client.get("/changes/S1?page=2").json()["detail"]
    alone = client_of(Changes(Settings(home=tmp_path / "new"))).get("/changes")
    assert alone.status_code == 422
    assert "previous graph" in alone.json()["detail"]
