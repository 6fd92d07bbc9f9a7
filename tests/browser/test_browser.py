"""The Neo4j Browser as a user meets it, in a real headless Chromium."""

from __future__ import annotations

import os
from collections.abc import Iterator
from html.parser import HTMLParser
from importlib.resources import files
from pathlib import Path

import neo4j
import pytest
from playwright.sync_api import Browser, Page, expect

from bali_platform.graph.semantic_groups import SEMANTIC_GROUPS
from bali_platform.services.browser import favourites, parse_grass

ASSETS = Path(str(files("bali_platform.graph") / "browser"))
GUIDES = sorted(path.name for path in ASSETS.glob("*.html"))
STYLE = parse_grass((ASSETS / "style.grass").read_text(encoding="utf-8"))

CONCEPTS = {
    "C0032914": ("Preeclampsia", "Disorder"),
    "C0020538": ("Hypertensive disease", "Disorder"),
    "C0033687": ("Proteinuria", "Disorder"),
    "C0032976": ("Human pregnancy", "Physiology"),
    "C0032046": ("Placenta", "Anatomy"),
    "C0004057": ("Aspirin", "ChemicalOrDrug"),
    "C1417083": ("FLT1 gene", "Gene"),
    "C0005823": ("Blood pressure", "Physiology"),
    "C0007876": ("Cesarean section", "Procedure"),
    "C0032987": ("Pregnant woman", "LivingBeing"),
    "C0018787": ("Laboratory finding", "Phenomenon"),
}
FACTS = (
    ("C0032914", "ISA", "C0020538"),
    ("C0032914", "HAS_MANIFESTATION", "C0033687"),
    ("C0032914", "OCCURS_IN", "C0032976"),
    ("C0032914", "HAS_FINDING_SITE", "C0032046"),
    ("C0004057", "MAY_PREVENT", "C0032914"),
    ("C1417083", "ASSOCIATED_WITH", "C0032914"),
    ("C0032914", "AFFECTS", "C0005823"),
    ("C0007876", "MAY_TREAT", "C0032914"),
    ("C0032914", "OCCURS_IN", "C0032987"),
    ("C0032914", "HAS_FINDING", "C0018787"),
)
MARFAN = {
    "C0024796": ("Marfan syndrome", "Disorder"),
    "C9000001": ("Hereditary disease of connective tissue", "Disorder"),
    "C9000002": ("FBN1 gene", "Gene"),
    "C9000003": ("Ectopia lentis", "Disorder"),
    "C9000004": ("Aneurysm of aortic root", "Disorder"),
    "C9000005": ("Losartan", "ChemicalOrDrug"),
    "C9000006": ("Echocardiography", "Procedure"),
    "C9000007": ("Aorta", "Anatomy"),
}
MARFAN_FACTS = (
    ("C0024796", "ISA", "C9000001"),
    ("C9000002", "ASSOCIATED_WITH", "C0024796"),
    ("C0024796", "HAS_MANIFESTATION", "C9000003"),
    ("C0024796", "HAS_MANIFESTATION", "C9000004"),
    ("C9000005", "MAY_TREAT", "C0024796"),
    ("C9000006", "DIAGNOSES", "C0024796"),
    ("C0024796", "HAS_FINDING_SITE", "C9000007"),
)
INDEXES = (
    "CREATE FULLTEXT INDEX concept_names IF NOT EXISTS FOR (n:Concept) ON EACH [n.names]",
    "CREATE FULLTEXT INDEX definitions IF NOT EXISTS FOR (n:Definition) ON EACH [n.text]",
    "CREATE VECTOR INDEX concept_embedding IF NOT EXISTS FOR (n:Concept) ON n.embedding "
    "OPTIONS {indexConfig: {`vector.dimensions`: 2, `vector.similarity_function`: 'cosine'}}",
)
DROP = ("concept_names", "definitions", "concept_embedding")


class RunnableCypher(HTMLParser):
    """Collects the queries that a guide lets its reader run."""

    def __init__(self) -> None:
        super().__init__()
        self.queries: list[str] = []
        self.links: list[str] = []
        self._inside = False

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        values = dict(attrs)
        self._inside = tag == "pre" and "runnable" in (values.get("class") or "").split()
        if self._inside:
            self.queries.append("")
        if link := values.get("play-topic"):
            self.links.append(link)

    def handle_endtag(self, tag: str) -> None:
        self._inside = False

    def handle_data(self, data: str) -> None:
        if self._inside:
            self.queries[-1] += data


def read_guide(name: str) -> RunnableCypher:
    parser = RunnableCypher()
    parser.feed((ASSETS / name).read_text(encoding="utf-8"))
    return parser


@pytest.fixture(scope="module")
def seeded(driver: neo4j.Driver) -> Iterator[None]:
    driver.execute_query("MATCH (n) DETACH DELETE n")
    for cui, (name, group) in (CONCEPTS | MARFAN).items():
        driver.execute_query(
            f"CREATE (:Concept:{group} {{cui: $cui, name: $name, names: [$name], "
            "semantic_types: [$group], sources: ['TEST'], embedding: [1.0, 0.5]})",
            cui=cui,
            name=name,
            group=group,
        )
    for source, kind, target in (*FACTS, *MARFAN_FACTS):
        driver.execute_query(
            "MATCH (a:Concept {cui: $source}), (b:Concept {cui: $target}) "
            f"CREATE (a)-[:{kind} {{sabs: ['TEST']}}]->(b)",
            source=source,
            target=target,
        )
    for statement in INDEXES:
        driver.execute_query(statement)
    driver.execute_query("CALL db.awaitIndexes()")
    yield
    for name in DROP:
        driver.execute_query(f"DROP INDEX {name}")
    driver.execute_query("MATCH (n) DETACH DELETE n")


@pytest.fixture
def page(browser: Browser, services, seeded: None) -> Iterator[Page]:
    """The Browser's page after a user has typed the password and clicked Connect."""
    assert services.neo4j_browser is not None
    page = browser.new_page(viewport={"width": 1400, "height": 1000})
    page.set_default_timeout(60_000)
    page.goto(services.neo4j_browser)
    expect(page.get_by_test_id("username")).to_have_value("neo4j")
    page.get_by_test_id("password").fill(services.neo4j_password)
    page.get_by_test_id("connect").click()
    yield page
    page.close()


def run(page: Page, statement: str) -> None:
    page.locator('[data-testid="activeEditor"] .monaco-editor').first.click()
    page.keyboard.press("Control+A")
    page.keyboard.insert_text(statement)
    page.get_by_test_id("editor-Run").click()


def take_picture(page: Page, folder: Path, name: str) -> None:
    """Keep what the page shows, in the folder BALI_PICTURES if that is set: for the docs."""
    picture = Path(os.environ.get("BALI_PICTURES", folder)) / f"{name}.png"
    page.screenshot(path=picture)
    assert picture.stat().st_size > 20_000


@pytest.mark.browser
@pytest.mark.services
def test_the_guide_opens_and_its_query_draws_the_neighbourhood(page: Page, tmp_path: Path) -> None:
    expect(page.get_by_role("heading", name="UMLS as a graph")).to_be_visible()
    draw = next(q for q in read_guide("start.html").queries if "neighbourhood" in q)
    run(page, draw)

    nodes = page.locator("g.node")
    expect(nodes).to_have_count(len(CONCEPTS))
    expect(page.locator("g.relationship")).to_have_count(len(FACTS))
    page.wait_for_timeout(3000)  # the layout settles
    fills = page.locator("g.node circle.b-outline").evaluate_all(
        "circles => circles.map(circle => circle.getAttribute('fill').toUpperCase())"
    )
    groups = {group for _, group in CONCEPTS.values()}
    assert set(fills) == {STYLE[f"node.{group}"]["color"].upper() for group in groups}
    drawn = "".join(nodes.all_text_contents()).replace("\n", "").replace(" ", "")
    assert "Preeclampsia" in drawn
    types = page.locator("g.relationship").all_text_contents()
    assert sorted(types) == sorted(kind for _, kind, _ in FACTS), "a label is cut short"

    take_picture(page, tmp_path, "browser-tour")


@pytest.mark.browser
@pytest.mark.services
def test_a_click_brings_a_guides_query_into_the_editor(page: Page) -> None:
    page.locator("pre.runnable").first.click()
    expect(page.get_by_test_id("activeEditor")).to_contain_text("semantic_group")


@pytest.mark.browser
@pytest.mark.services
def test_the_guides_lead_to_one_another(page: Page) -> None:
    for name, title in (("find.html", "By name"), ("paths.html", "All shortest paths")):
        base = page.url.partition("?")[0]
        run(page, f":play {base}bali/{name}")
        expect(page.get_by_role("heading", name=title)).to_be_visible()


@pytest.mark.browser
@pytest.mark.services
def test_a_favourite_is_run_from_its_drawer(page: Page, tmp_path: Path) -> None:
    expect(page.get_by_role("heading", name="UMLS as a graph")).to_be_visible()
    page.get_by_test_id("navigationFavorites").click()
    page.get_by_text("UMLS", exact=True).click()
    expect(page.get_by_text("Sample Scripts")).to_be_visible()
    page.get_by_text("Draw a neighbourhood").click()
    page.get_by_test_id("editor-Run").click()
    expect(page.locator("g.node")).to_have_count(len(MARFAN))
    expect(page.locator("g.relationship")).to_have_count(len(MARFAN_FACTS))
    page.wait_for_timeout(3000)  # the layout settles
    take_picture(page, tmp_path, "browser-favourite")


@pytest.mark.services
@pytest.mark.parametrize("name", GUIDES)
def test_every_query_of_every_guide_runs(name: str, driver: neo4j.Driver, seeded: None) -> None:
    guide = read_guide(name)
    assert guide.queries
    for query in guide.queries:
        driver.execute_query(query)


@pytest.mark.services
def test_every_favourite_runs(driver: neo4j.Driver, seeded: None) -> None:
    saved = favourites((ASSETS / "favourites.cypher").read_text(encoding="utf-8"))
    assert len(saved) > 5
    for statement in saved:
        assert statement.startswith("// ")
        driver.execute_query(statement)


@pytest.mark.parametrize("name", GUIDES)
def test_guides_link_only_to_guides_that_exist(name: str) -> None:
    links = read_guide(name).links
    assert {link.removeprefix("{base}/") for link in links} == set(GUIDES) - {name}


def test_every_semantic_group_has_a_colour_of_its_own() -> None:
    rules = [STYLE[f"node.{group.label}"] for group in SEMANTIC_GROUPS]
    assert len({rule["color"] for rule in rules}) == len(SEMANTIC_GROUPS)
    assert {rule["caption"] for rule in rules} == {"{name}"}


def test_group_colours_win_over_the_colour_of_concepts() -> None:
    # Of a node's labels, the Browser lets the rule that comes last win.
    order = list(STYLE)
    assert all(
        order.index("node.Concept") < order.index(f"node.{g.label}") for g in SEMANTIC_GROUPS
    )


def luminance(colour: str) -> float:
    """Relative luminance, WCAG 2.1."""
    channels = [int(colour[start : start + 2], 16) / 255 for start in (1, 3, 5)]
    linear = [c / 12.92 if c <= 0.03928 else ((c + 0.055) / 1.055) ** 2.4 for c in channels]
    return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]


@pytest.mark.parametrize("selector", [name for name in STYLE if name.startswith("node.")])
def test_captions_stand_out_from_their_node(selector: str) -> None:
    rule = STYLE[selector]
    lighter, darker = sorted(
        (luminance(rule["color"]), luminance(rule["text-color-internal"])), reverse=True
    )
    assert (lighter + 0.05) / (darker + 0.05) >= 3
