"""A hierarchy that leads back to where it began: every walk ends, and says so, in every way."""

from __future__ import annotations

import json
import time
from typing import Any

import pytest
from fastapi.testclient import TestClient

from bali.cli import main
from bali_platform.api.app import create_app
from bali_platform.api.backend import Backend
from bali_platform.api.guard import Access
from bali_platform.base.settings import Settings
from bali_platform.terminology import Terminology

pytestmark = pytest.mark.services

EGG, HEN = "MONDO:0000006", "MONDO:0000007"
CYCLE = ["C0000006", "C0000007", "C0000006"]


def test_walks_and_value_sets_end(terms: Terminology) -> None:
    for found in (terms.ancestors(EGG), terms.descendants(EGG)):
        assert [member.code for member in found.members] == [HEN]
        assert found.cycles == (tuple(CYCLE),)
    for expression in (f"<< {EGG}", f">> {EGG}"):
        expanded = terms.expand(expression)
        assert [member.code for member in expanded.members] == [EGG, HEN]
        assert expanded.cycles == (tuple(CYCLE),)
    assert [member.code for member in terms.expand(f"< {EGG}").members] == [HEN]


@pytest.mark.parametrize(
    "command",
    [("code", "ancestors", EGG), ("code", "descendants", EGG), ("values", "expand", f"<< {EGG}")],
)
def test_commands_tell_the_cycle(
    seeded: None,
    settings: Settings,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    command: tuple[str, ...],
) -> None:
    monkeypatch.setenv("BALI_HOME", str(settings.home))
    monkeypatch.setattr("sys.argv", ["bali", *command, "--json"])
    with pytest.raises(SystemExit) as ended:
        main()
    assert not ended.value.code
    printed = capsys.readouterr()
    assert HEN in [member["code"] for member in json.loads(printed.out)["members"]]
    assert "a cycle: C0000006 > C0000007 > C0000006" in printed.err


def test_rest_tells_the_cycle(seeded: None, settings: Settings) -> None:
    with TestClient(create_app(Backend(settings), Access(loopback=False))) as client:
        while client.get("/v1/codes?code=" + EGG).status_code == 503:
            time.sleep(0.1)
        answers: list[Any] = [
            client.get(f"/v1/codes/{way}?code={EGG}").json() for way in ("ancestors", "descendants")
        ]
        answers.append(
            client.post("/v1/value-sets/expand", json={"expression": f"<< {EGG}"}).json()
        )
    assert [answer["cycles"] for answer in answers] == [[CYCLE]] * 3
