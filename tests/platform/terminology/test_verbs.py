"""Each verb answers alike in Python, on the command line, over REST, to agents, on pages, in FHIR.

A row of the table is a verb, and what all of them must say; FHIR has not all of the verbs.
"""

from __future__ import annotations

import csv
import json
import os
import re
import shlex
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass
from itertools import zip_longest
from pathlib import Path
from typing import Any

import anyio
import httpx
import pytest
from mcp import Client
from mcp.client.streamable_http import streamable_http_client
from playwright.sync_api import Browser, Page

from bali.cli import main
from bali_platform.base.settings import Settings, load_settings
from bali_platform.graph.records import Records
from bali_platform.services.workers import settings_environment
from bali_platform.terminology import Terminology
from bali_platform.terminology.records import Expansion, Member
from bali_platform.terminology.saved import SavedSets

pytestmark = pytest.mark.services


@dataclass(frozen=True)
class Verb:
    """One question, put in every way, and the answer; ``shape`` takes what they have in common.

    An agent's answer, a page and FHIR's have forms of their own, so they bring a shape each.
    """

    name: str
    python: Callable[[Terminology], Any]
    cli: tuple[str, ...]
    rest: tuple[str, str, dict[str, Any] | None]
    shape: Callable[[Any], Any]
    mcp: tuple[str, dict[str, Any], Callable[[Any], Any]]
    page: Callable[[Page], Any]
    answer: Any
    fhir: tuple[str, dict[str, str], Callable[[Any], Any]] | None = None


def part(answer: Any, name: str) -> Any:
    """Return a part of an answer, or all of one that is nothing but that part."""
    return answer[name] if isinstance(answer, dict) else answer


def members(answer: Any) -> list[list[Any]]:
    return [[m["code"], m["steps"]] for m in answer["members"]]


def walked(answer: Any) -> list[list[Any]]:
    return [[row["code"].partition(":")[2], row["steps"]] for row in answer["rows"]]


def parameter(answer: Any, name: str) -> Any:
    found = next(p for p in answer["parameter"] if p["name"] == name)
    return next(value for key, value in found.items() if key.startswith("value"))


def looked_up(answer: Any, name: str) -> Any:
    """Return a property of what FHIR's $lookup tells."""
    parts = [p["part"] for p in answer["parameter"] if p["name"] == "property"]
    (held,) = [two for one, two in parts if one["valueCode"] == name]
    return next(value for key, value in held.items() if key.startswith("value"))


def targets(rows: Any) -> list[str]:
    return [f"{row['target']}:{row['target_code']}" for row in rows]


def translated(answer: Any) -> list[str]:
    matches = [p["part"] for p in answer["parameter"] if p["name"] == "match"]
    codings = [p["valueCoding"] for parts in matches for p in parts if p["name"] == "concept"]
    return [f"MSH:{one['code']}" for one in codings if one["system"] == MSH]


def found_on_page(page: Page) -> list[str]:
    page.goto("concepts.html")
    page.get_by_role("combobox", name="Search concepts").fill("heart attack")
    told = page.locator("#hit-0 small").inner_text()
    return [told.partition(" ")[0]]


def codes_on_page(page: Page) -> int:
    page.goto("concepts.html?cui=HP:0001658")
    page.locator("#codes tbody tr").first.wait_for()
    return page.locator("#codes tbody tr").count()


def concept_on_page(page: Page) -> str:
    page.goto("concepts.html?cui=msh:d009203")
    return page.locator(".concept-head .mono").inner_text()


def rows_of_map(page: Page, code: str, target: str) -> list[list[str]]:
    page.goto("map.html")
    page.get_by_label("Codes, one a line").fill(code)
    page.locator("select").select_option(target)
    page.get_by_role("button", name="Map").click()
    page.locator("#mapped tbody tr").first.wait_for()
    rows = page.locator("#mapped tbody tr").all()
    return [row.locator("td").all_inner_texts() for row in rows]


def compared_on_page(page: Page) -> str:
    page.goto("hierarchy.html?code=MSH:D006331&with=MSH:D056988")
    told = page.locator("#outcome").inner_text()
    return "subsumes" if told.startswith("Heart Diseases is above Anterior Wall") else told


def beside_on_page(page: Page, code: str, title: str) -> list[list[Any]]:
    """Return the codes of a card, and how many steps off each is."""
    page.goto(f"hierarchy.html?code={code}")
    card = page.locator("#tree section").filter(has=page.get_by_role("heading", name=title))
    card.locator("li").first.wait_for()
    codes = [text.partition(":")[2] for text in card.locator("li a").all_inner_texts()]
    steps = [int(text.split()[0]) for text in card.locator("li .soft").all_inner_texts()]
    return [list(pair) for pair in zip_longest(codes, steps, fillvalue=1)]


def below_on_page(page: Page) -> list[list[Any]]:
    page.goto("hierarchy.html?code=SCTID:56265001")
    page.locator("summary").first.press("Enter")
    page.locator("details details").first.wait_for()
    codes = page.locator("summary .mono")
    outer = page.locator("details:not(details details)").count()
    texts = [text.partition(":")[2] for text in codes.all_inner_texts()]
    return [[text, 1 if at < outer else 2] for at, text in enumerate(texts)]


def expanded_on_page(page: Page) -> list[str]:
    page.goto("values.html")
    page.get_by_label("Expression").fill("<< MSH:D009203")
    page.get_by_role("button", name="Expand").click()
    page.locator("#expanded tbody tr").first.wait_for()
    return page.locator("#expanded td:nth-child(2)").all_inner_texts()


def changed_on_page(page: Page) -> dict[str, int]:
    page.goto("values.html")
    page.get_by_role("button", name="heart").click()
    page.get_by_role("button", name="Expand").click()
    told = page.locator("#since").inner_text()
    return {kind: int(count) for count, kind in re.findall(r"(\d+) ([a-z]+)", told)}


def successor_on_page(page: Page) -> str:
    page.goto("history.html?cui=C9000001")
    return page.locator("#fate .mono").inner_text()


MSH = "http://terminology.hl7.org/CodeSystem/MSH"
MONDO = "http://purl.obolibrary.org/obo/MONDO_"
VERBS = [
    Verb(
        "find",
        lambda terms: {"nodes": [asdict(hit) for hit in terms.find("heart attack").hits]},
        ("concept", "search", "heart attack", "--json"),
        ("GET", "/v1/concepts?q=heart+attack", None),
        lambda found: [hit["cui"] for hit in part(found, "nodes")][:1],
        ("find_concepts", {"text": "heart attack"}, lambda found: [found["rows"][0]["cui"]]),
        found_on_page,
        ["C0000002"],
    ),
    Verb(
        "show",
        lambda terms: asdict(terms.show("HP:0001658")),
        ("concept", "show", "HP:0001658", "--json"),
        ("GET", "/v1/concepts/HP:0001658/codes", None),
        lambda found: len((found.get("details") or found)["atoms"]),
        ("list_codes", {"what": "HP:0001658"}, lambda found: len(found["rows"])),
        codes_on_page,
        7,
    ),
    Verb(
        "look up",
        lambda terms: {"codes": [asdict(each) for each in terms.resolve(["msh:d009203"])]},
        ("code", "show", "msh:d009203", "--json"),
        ("GET", "/v1/codes?code=msh:d009203", None),
        lambda found: part(found, "codes")[0]["codes"][0]["cui"],
        ("validate_codes", {"codes": ["msh:d009203"]}, lambda found: found["rows"][0]["cui"]),
        concept_on_page,
        "C0000002",
        (
            "CodeSystem/$lookup",
            {"system": MSH, "code": "d009203"},
            lambda found: looked_up(found, "cui"),
        ),
    ),
    Verb(
        "validate",
        lambda terms: {"codes": [asdict(each) for each in terms.validate(["MSH:D009204"])]},
        ("code", "validate", "MSH:D009204", "--json"),
        ("POST", "/v1/codes/validate", {"codes": ["MSH:D009204"]}),
        lambda found: [each["valid"] for each in part(found, "codes")],
        (
            "validate_codes",
            {"codes": ["MSH:D009204"]},
            lambda found: [row["valid"] for row in found["rows"]],
        ),
        lambda page: [row[1] == "valid" for row in rows_of_map(page, "MSH:D009204", "")],
        [False],
        (
            "CodeSystem/$validate-code",
            {"url": MSH, "code": "D009204"},
            lambda found: [parameter(found, "result")],
        ),
    ),
    Verb(
        "map",
        lambda terms: {
            "rows": [asdict(r) for r in terms.map_codes(["MONDO:0005068"], None, ["MSH"])]
        },
        ("code", "map", "local.csv", "--to", "MSH"),
        ("POST", "/v1/codes/map", {"codes": ["MONDO:0005068"], "targets": ["MSH"]}),
        lambda found: targets(part(found, "rows")),
        (
            "map_codes",
            {"codes": ["MONDO:0005068"], "targets": ["MSH"]},
            lambda found: [row["target"] for row in found["rows"]],
        ),
        lambda page: [f"MSH:{row[3]}" for row in rows_of_map(page, "MONDO:0005068", "MSH")],
        ["MSH:D009203"],
        (
            "ConceptMap/$translate",
            {"system": MONDO, "code": "0005068", "targetsystem": MSH},
            translated,
        ),
    ),
    Verb(
        "subsumes",
        lambda terms: asdict(terms.subsumes("MSH:D006331", "MSH:D056988")),
        ("code", "subsumes", "MSH:D006331", "MSH:D056988", "--json"),
        ("GET", "/v1/codes/subsumes?a=MSH:D006331&b=MSH:D056988", None),
        lambda found: (found["pairs"][0] if "pairs" in found else found)["outcome"],
        (
            "check_subsumption",
            {"a": "MSH:D006331", "b": "MSH:D056988"},
            lambda found: found["rows"][0]["outcome"],
        ),
        compared_on_page,
        "subsumes",
        (
            "CodeSystem/$subsumes",
            {"system": MSH, "codeA": "D006331", "codeB": "D056988"},
            lambda found: parameter(found, "outcome"),
        ),
    ),
    Verb(
        "ancestors",
        lambda terms: asdict(terms.ancestors("MSH:D056988")),
        ("code", "ancestors", "MSH:D056988", "--json"),
        ("GET", "/v1/codes/ancestors?code=MSH:D056988", None),
        members,
        ("walk_hierarchy", {"code": "MSH:D056988", "direction": "ancestors"}, walked),
        lambda page: beside_on_page(page, "MSH:D056988", "Above"),
        [["D009203", 1], ["D006331", 2]],
    ),
    Verb(
        "descendants",
        lambda terms: asdict(terms.descendants("SCTID:56265001")),
        ("code", "descendants", "SCTID:56265001", "--json"),
        ("GET", "/v1/codes/descendants?code=SCTID:56265001", None),
        members,
        ("walk_hierarchy", {"code": "SCTID:56265001", "direction": "descendants"}, walked),
        below_on_page,
        [["22298006", 1], ["401303003", 2], ["54329005", 2]],
    ),
    Verb(
        "siblings",
        lambda terms: asdict(terms.siblings("SCTID:54329005")),
        ("code", "siblings", "SCTID:54329005", "--json"),
        ("GET", "/v1/codes/siblings?code=SCTID:54329005", None),
        members,
        ("walk_hierarchy", {"code": "SCTID:54329005", "direction": "siblings"}, walked),
        lambda page: beside_on_page(page, "SCTID:54329005", "Beside"),
        [["401303003", 1]],
    ),
    Verb(
        "expand",
        lambda terms: asdict(terms.expand("<< MSH:D009203")),
        ("values", "expand", "<< MSH:D009203", "--json"),
        ("POST", "/v1/value-sets/expand", {"expression": "<< MSH:D009203"}),
        lambda found: [member["code"] for member in found["members"]],
        (
            "expand_value_set",
            {"expression": "<< MSH:D009203"},
            lambda found: [row["code"].partition(":")[2] for row in found["rows"]],
        ),
        expanded_on_page,
        ["D009203", "D056988"],
        (
            "ValueSet/$expand",
            {"url": f"{MSH}?fhir_vs=isa/D009203"},
            lambda found: [entry["code"] for entry in found["expansion"]["contains"]],
        ),
    ),
    Verb(
        "history",
        lambda terms: asdict(terms.history("C9000001")),
        ("code", "history", "C9000001", "--json"),
        ("GET", "/v1/concepts/C9000001/history", None),
        lambda found: (found.get("history") or found)["successors"][0]["cui"],
        ("show_history", {"cui": "C9000001"}, lambda found: found["rows"][0]["successor"]),
        successor_on_page,
        "C0000002",
    ),
    Verb(
        "check a value set",
        lambda terms: asdict(SavedSets(load_settings().home).update("heart", terms, keep=False)),
        ("values", "update", "heart", "--dry-run", "--json"),
        ("GET", "/v1/value-sets/heart/changes", None),
        lambda found: {kind: len(codes) for kind, codes in (found.get("change") or found).items()},
        (
            "check_value_set",
            {"name": "heart"},
            lambda found: dict(Counter(row["change"] for row in found["rows"])) | {"removed": 0},
        ),
        changed_on_page,
        {"added": 1, "removed": 0, "renamed": 1},
    ),
]


@pytest.fixture(scope="module")
def kept(seeded: None, settings: Settings) -> Iterator[None]:
    """Keep a value set as an older release had it: a code of another name, and one fewer."""
    old = Records([Member("MSH", "D009203", "Heart attack", "C0000002")])
    sets = SavedSets(settings.home)
    sets.save("heart", Expansion("<< MSH:D009203", 1, old, "2025AB", "older"))
    yield
    sets.remove("heart")


@pytest.fixture(scope="module")
def api(kept: None, settings: Settings) -> Iterator[httpx.Client]:
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


def ask_agent_tool(address: str, tool: str, arguments: dict[str, Any]) -> Any:
    async def work() -> Any:
        async with Client(streamable_http_client(address)) as client:
            return (await client.call_tool(tool, arguments)).structured_content

    return anyio.run(work)


def printed(text: str) -> Any:
    """Return what a command printed: JSON, or a table."""
    return json.loads(text) if text[0] in "[{" else list(csv.DictReader(text.splitlines()))


@pytest.mark.parametrize("verb", VERBS, ids=lambda verb: verb.name)
def test_every_way_says_the_same(
    terms: Terminology,
    api: httpx.Client,
    settings: Settings,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    tmp_path: Path,
    verb: Verb,
) -> None:
    monkeypatch.chdir(tmp_path)
    Path("local.csv").write_text("code\nMONDO:0005068\n", encoding="utf-8")
    run(monkeypatch, settings, *verb.cli)
    method, address, body = verb.rest
    tool, arguments, of_rows = verb.mcp
    answers = {
        "Python": verb.shape(verb.python(terms)),
        "command line": verb.shape(printed(capsys.readouterr().out)),
        "REST": verb.shape(api.request(method, address, json=body).json()),
        "agent tool": of_rows(ask_agent_tool(str(api.base_url.join("/mcp")), tool, arguments)),
    }
    if verb.fhir:
        path, query, of_resource = verb.fhir
        answers["FHIR"] = of_resource(api.get(f"/fhir/{path}", params=query).json())
    assert answers == dict.fromkeys(answers, verb.answer)


def commands_of(page: Path) -> list[list[str]]:
    lines = re.findall(r"^bali (.+)$", page.read_text(encoding="utf-8"), re.MULTILINE)
    return [shlex.split(line, comments=True) for line in lines]


def test_every_command_of_the_page_runs(
    seeded: None,
    settings: Settings,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    tmp_path: Path,
) -> None:
    monkeypatch.chdir(tmp_path)
    Path("local.csv").write_text("code;name\nMONDO:0005068;MI\nmondo:9;?\n", encoding="utf-8")
    commands = commands_of(Path(__file__).parents[3] / "docs" / "terminology.md")
    assert len(commands) > 20
    failed = [command for command in commands if run(monkeypatch, settings, *command)]
    assert failed == []
    told = capsys.readouterr().err
    assert "2 codes: 1 mapped, 0 ambiguous, 0 unmapped, 1 unknown" in told
    assert "0 added, 0 removed, 0 renamed" in told
    mapped = Path("mapped.csv").read_text(encoding="utf-8")
    assert "MONDO:0005068,MONDO,MONDO:0005068,myocardial infarction,ambiguous,MSH,D009203" in mapped
    sssom = Path("mapped.sssom.tsv").read_text(encoding="utf-8")
    assert "MONDO:0005068\tmyocardial infarction\tMONDO\tskos:exactMatch\tmesh:D009203" in sssom


def test_wrong_questions_say_so(
    seeded: None,
    settings: Settings,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    tmp_path: Path,
) -> None:
    monkeypatch.chdir(tmp_path)
    Path("local.csv").write_text("code\nMONDO:0005068\n", encoding="utf-8")
    assert run(monkeypatch, settings, "code", "map", "none.csv", "--to", "MSH") == 2
    Path("open.csv").write_text('code,name\nMSH:D009203,MI\nMSH:D1,"5 inch\nMSH:D001241,x\n')
    assert run(monkeypatch, settings, "code", "map", "open.csv", "--to", "MSH") == 2
    assert "open.csv: the row from line 3 on" in " ".join(capsys.readouterr().err.split())
    Path("line.txt").write_text("x" * 200_000, encoding="utf-8")
    assert run(monkeypatch, settings, "code", "map", "line.txt", "--to", "MSH") == 2
    assert run(monkeypatch, settings, "code", "map", "local.csv", "--to", "X") == 2
    assert "asked" not in capsys.readouterr().out  # no head of a table that will not come
    assert run(monkeypatch, settings, "values", "expand", "*") == 2
    assert run(monkeypatch, settings, "code", "show", "I219") == 1
    assert run(monkeypatch, settings, "code", "validate", "D009204", "--source", "MSH") == 1


def test_value_sets_are_kept_over_rest(api: httpx.Client) -> None:
    put = api.put("/v1/value-sets/over-rest", json={"expression": "<< MSH:D009203"})
    assert (put.status_code, put.json()["total"], put.json()["release"]) == (200, 2, "2026AA")
    page = api.get("/v1/value-sets/over-rest?limit=1&offset=1").json()
    assert [member["code"] for member in page["members"]] == ["D056988"]
    assert api.get("/v1/value-sets").json()["value_sets"]["over-rest"] == "<< MSH:D009203"
    updated = api.post("/v1/value-sets/over-rest/update").json()
    assert updated["change"] == {"added": [], "removed": [], "renamed": []}
    assert api.delete("/v1/value-sets/over-rest").status_code == 204
    assert api.get("/v1/value-sets/over-rest").status_code == 404
    wrong = api.put("/v1/value-sets/over-rest", json={"expression": "<< ("})
    assert (wrong.status_code, api.get("/v1/value-sets/over-rest").status_code) == (422, 404)


@pytest.mark.browser
@pytest.mark.parametrize("verb", VERBS, ids=lambda verb: verb.name)
def test_the_page_says_the_same(api: httpx.Client, browser: Browser, verb: Verb) -> None:
    page = browser.new_page(base_url=str(api.base_url.join("/ui/")))
    assert verb.page(page) == verb.answer
    page.close()
