"""Each verb gives the same answer in Python, on the command line and over REST.

Further columns (agent tools, FHIR) join the table: a row is a verb, and what all of them must say.
"""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import httpx
import pytest

from bali.cli import main
from bali_platform.base.settings import Settings
from bali_platform.services.workers import settings_environment
from bali_platform.terminology import Terminology

pytestmark = pytest.mark.services


@dataclass(frozen=True)
class Verb:
    """One question, put in every way, and the answer; ``shape`` takes what they have in common."""

    name: str
    python: Callable[[Terminology], Any]
    cli: tuple[str, ...]
    rest: tuple[str, str, dict[str, Any] | None]
    shape: Callable[[Any], Any]
    answer: Any


def part(answer: Any, name: str) -> Any:
    """Return a part of an answer, or all of one that is nothing but that part."""
    return answer[name] if isinstance(answer, dict) else answer


def members(answer: Any) -> list[list[Any]]:
    return [[m["code"], m["steps"]] for m in answer["members"]]


VERBS = [
    Verb(
        "find",
        lambda terms: {"nodes": [asdict(hit) for hit in terms.find("heart attack").hits]},
        ("concept", "search", "heart attack", "--json"),
        ("GET", "/v1/concepts?q=heart+attack", None),
        lambda found: [hit["cui"] for hit in part(found, "nodes")][:1],
        ["C0000002"],
    ),
    Verb(
        "show",
        lambda terms: asdict(terms.show("HP:0001658")),
        ("concept", "show", "HP:0001658", "--json"),
        ("GET", "/v1/concepts/HP:0001658/codes", None),
        lambda found: len((found.get("details") or found)["atoms"]),
        7,
    ),
    Verb(
        "resolve",
        lambda terms: {"codes": [asdict(each) for each in terms.resolve(["i21.9"])]},
        ("code", "show", "i21.9", "--json"),
        ("GET", "/v1/codes?code=i21.9", None),
        lambda found: part(found, "codes")[0]["codes"][0]["cui"],
        "C0000002",
    ),
    Verb(
        "subsumes",
        lambda terms: asdict(terms.subsumes("MSH:D006331", "MSH:D056988")),
        ("code", "subsumes", "MSH:D006331", "MSH:D056988", "--json"),
        ("GET", "/v1/codes/subsumes?a=MSH:D006331&b=MSH:D056988", None),
        lambda found: (found["pairs"][0] if "pairs" in found else found)["outcome"],
        "subsumes",
    ),
    Verb(
        "ancestors",
        lambda terms: asdict(terms.ancestors("MSH:D056988")),
        ("code", "ancestors", "MSH:D056988", "--json"),
        ("GET", "/v1/codes/ancestors?code=MSH:D056988", None),
        members,
        [["D009203", 1], ["D006331", 2]],
    ),
    Verb(
        "descendants",
        lambda terms: asdict(terms.descendants("SCTID:56265001")),
        ("code", "descendants", "SCTID:56265001", "--json"),
        ("GET", "/v1/codes/descendants?code=SCTID:56265001", None),
        members,
        [["22298006", 1], ["401303003", 2], ["54329005", 2]],
    ),
    Verb(
        "siblings",
        lambda terms: asdict(terms.siblings("SCTID:54329005")),
        ("code", "siblings", "SCTID:54329005", "--json"),
        ("GET", "/v1/codes/siblings?code=SCTID:54329005", None),
        members,
        [["401303003", 1]],
    ),
    Verb(
        "expand",
        lambda terms: asdict(terms.expand("<< MSH:D009203")),
        ("values", "expand", "<< MSH:D009203", "--json"),
        ("POST", "/v1/value-sets/expand", {"expression": "<< MSH:D009203"}),
        members,
        [["D009203", 0], ["D056988", 0]],
    ),
    Verb(
        "history",
        lambda terms: asdict(terms.history("C9000001")),
        ("code", "history", "C9000001", "--json"),
        ("GET", "/v1/concepts/C9000001/history", None),
        lambda found: (found.get("history") or found)["successors"][0]["cui"],
        "C0000002",
    ),
]


@pytest.fixture(scope="module")
def api(seeded: None, settings: Settings) -> Iterator[httpx.Client]:
    command = [sys.executable, "-m", "bali", "serve", "--port", "0"]
    variables = {**os.environ, **settings_environment(settings)}
    with subprocess.Popen(command, env=variables, stderr=subprocess.PIPE, text=True) as server:
        assert server.stderr is not None
        found = re.search(r":(\d+)/", server.stderr.readline())
        assert found
        with httpx.Client(base_url=f"http://127.0.0.1:{found[1]}", timeout=30) as client:
            while client.get("/status").json()["graph_version"] != "terms":
                time.sleep(0.1)
            yield client
        server.terminate()
        server.communicate(timeout=20)


def run(monkeypatch: pytest.MonkeyPatch, settings: Settings, *arguments: str) -> int:
    monkeypatch.setenv("BALI_HOME", str(settings.home))
    monkeypatch.setattr("sys.argv", ["bali", *arguments])
    try:
        main()
    except SystemExit as stopped:
        return int(stopped.code or 0)
    return 0


@pytest.mark.parametrize("verb", VERBS, ids=lambda verb: verb.name)
def test_every_way_says_the_same(
    terms: Terminology,
    api: httpx.Client,
    settings: Settings,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    verb: Verb,
) -> None:
    method, address, body = verb.rest
    assert run(monkeypatch, settings, *verb.cli) == 0
    answers = {
        "Python": verb.python(terms),
        "command line": json.loads(capsys.readouterr().out),
        "REST": api.request(method, address, json=body).json(),
    }
    shaped = {way: verb.shape(answer) for way, answer in answers.items()}
    assert shaped == dict.fromkeys(answers, verb.answer)


def test_the_journey_of_local_codes(
    seeded: None,
    settings: Settings,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    tmp_path: Path,
) -> None:
    monkeypatch.chdir(tmp_path)
    Path("local.csv").write_text("code;name\nMONDO:0005068;MI\nmondo:9;?\n", encoding="utf-8")
    assert run(monkeypatch, settings, "code", "map", "local.csv", "--to", "MSH", "-o", "m.csv") == 0
    assert "2 codes: 1 mapped, 0 ambiguous, 0 unmapped, 1 unknown" in capsys.readouterr().err
    assert ",mapped,MSH,D009203," in Path("m.csv").read_text(encoding="utf-8")
    sssom = ("code", "map", "local.csv", "--to", "MSH", "--format", "sssom")
    assert run(monkeypatch, settings, *sssom) == 0
    assert "MONDO:0005068\tmyocardial infarction\tMONDO\tskos:exactMatch\tmesh:D009203" in (
        capsys.readouterr().out
    )
    assert run(monkeypatch, settings, "values", "save", "hearts", "<< MSH:D006331") == 0
    assert run(monkeypatch, settings, "values", "update", "hearts", "--dry-run") == 0
    assert "0 added, 0 removed, 0 renamed" in capsys.readouterr().err
    assert run(monkeypatch, settings, "values", "expand", "^hearts", "--csv") == 0
    assert "MSH,D056988," in capsys.readouterr().out
    assert run(monkeypatch, settings, "values", "remove", "hearts") == 0
    assert run(monkeypatch, settings, "code", "map", "none.csv", "--to", "MSH") == 2
    assert run(monkeypatch, settings, "code", "map", "local.csv", "--to", "X") == 2
    assert run(monkeypatch, settings, "values", "expand", "*") == 2
    assert run(monkeypatch, settings, "code", "show", "I219") == 1
