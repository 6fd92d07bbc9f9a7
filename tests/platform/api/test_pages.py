"""The pages as a user meets them, in a real headless Chromium."""

from __future__ import annotations

import re
from collections.abc import Iterator
from urllib.parse import parse_qs, urlsplit

import pytest
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Browser, ConsoleMessage, Page, expect

from bali_platform.jobs import Job, JobState, JobStore

pytestmark = [pytest.mark.services, pytest.mark.browser]


def is_fault(message: ConsoleMessage) -> bool:
    return message.type == "error" and "status of 422" not in message.text


@pytest.fixture
def page(browser: Browser, server: str, api) -> Iterator[Page]:
    """A page on which nothing may fail, and which may ask no other host for anything.

    What the server refuses (422) is no failure: the page tells it.
    """
    page = browser.new_page(base_url=f"{server}/ui/", viewport={"width": 1280, "height": 900})
    page.set_default_timeout(60_000)
    faults: list[str] = []
    page.on("pageerror", lambda error: faults.append(str(error)))
    page.on("console", lambda m: faults.append(m.text) if is_fault(m) else None)
    page.on(
        "request",
        lambda r: None if r.url.startswith((server, "data:")) else faults.append(r.url),
    )
    yield page
    page.close()
    assert faults == []


@pytest.fixture
def store(redis_client) -> JobStore:
    return JobStore(redis_client)


@pytest.fixture
def running(store: JobStore, tmp_path) -> Job:
    job = store.submit("train", "seen-in-a-browser", {"data": {"window": 8}}, {}, tmp_path)
    job = store.transition(job, "started", state=JobState.RUNNING, attempt=1, total=100)
    assert job
    for step in range(10, 60, 10):
        report(store, job, step)
    return job


def report(store: JobStore, job: Job, step: int) -> None:
    values = {"step": step, "loss": 100 / step, "mlm_loss": 50 / step, "sentences_s": 321.0,
              "data_wait": 0.004}  # fmt: skip
    store.change(job.id, {"step": step, "metrics": values}, metrics=values)


def test_jobs_are_shown_as_they_change(page: Page, store: JobStore, running: Job) -> None:
    page.goto("./")
    row = page.locator("tr", has_text="seen-in-a-browser")
    expect(row.locator(".badge")).to_have_text("running")
    expect(row).to_contain_text("50 of 100")
    expect(page.locator("#tiles")).to_contain_text("2026AA")
    expect(page.locator("#tiles")).to_contain_text("321 /s")
    expect(page.locator("#tiles")).to_contain_text("0.4 %")
    report(store, running, 60)
    expect(row).to_contain_text("60 of 100")
    row.click()
    expect(page).to_have_url(f"{page.url.split('/ui/')[0]}/ui/job.html?id={running.id}")


def test_a_jobs_charts_grow(page: Page, store: JobStore, running: Job) -> None:
    page.goto(f"job.html?id={running.id}")
    expect(page.locator("h1")).to_have_text("seen-in-a-browser")
    legend = page.locator("#chart-loss .legend")
    expect(legend).to_contain_text("loss 2")
    expect(legend).to_contain_text("mlm loss 1")
    line = page.locator("#chart-loss path.smooth >> nth=0")
    before = line.get_attribute("d")
    report(store, running, 80)
    expect(legend).to_contain_text("loss 1.25")
    assert line.get_attribute("d") != before
    expect(page.locator("#settings")).to_contain_text("data.window")
    expect(page.locator("#events")).to_contain_text("started")


def test_runs_are_compared(page: Page, store: JobStore, running: Job, tmp_path) -> None:
    others = [
        store.submit("train", f"other-{n}", {"data": {"window": n}}, {}, tmp_path) for n in range(5)
    ]
    page.goto("./")
    for job in (running, *others):
        page.get_by_label(f"Compare {job.name} {job.id}").check()
    page.get_by_role("button", name="Compare").click()
    table = page.locator("#table")
    expect(table).to_contain_text("data.window")
    expect(table).to_contain_text("2, best 2 at 50")
    expect(table).not_to_contain_text("graph_version")
    report(store, running, 80)
    expect(table).to_contain_text("best 1.25 at 80")
    chart = page.locator("#charts .card", has_text="Loss").first
    expect(chart.locator("path.smooth")).to_have_count(6)
    expect(chart).to_contain_text(f"other-4 {others[4].id}")
    path = chart.locator("path.smooth").first
    expect(path).to_have_attribute("d", re.compile("M.*L.*L"))


def test_the_end_of_the_log_is_shown(page: Page, running: Job) -> None:
    running.log.write_text("first line\nlast line\n")
    page.goto(f"job.html?id={running.id}")
    expect(page.locator("#log")).to_have_text("first line\nlast line")


def test_a_configuration_of_ones_own_is_checked_in_the_form(page: Page) -> None:
    page.goto("./")
    page.get_by_role("button", name="New job").click()
    page.get_by_label("or your own, as TOML").fill('name = "x"\n[data]\nbacth_size = 1')
    page.get_by_role("button", name="Queue it").click()
    expect(page.locator("dialog .notice")).to_contain_text("did you mean 'batch_size'")


def test_a_job_is_cancelled_and_resumed_from_its_page(
    page: Page, store: JobStore, tmp_path
) -> None:
    job = store.submit("train", "steered", {}, {}, tmp_path)
    page.goto(f"job.html?id={job.id}")
    page.get_by_role("button", name="Cancel").click()
    expect(page.locator("#state")).to_have_text("cancelled")
    assert store.get(job.id).state == JobState.CANCELLED
    page.get_by_role("button", name="Resume").click()
    expect(page.locator("#state")).to_have_text("queued")
    assert store.get(job.id).state == JobState.QUEUED


def test_a_name_with_markup_is_only_text(page: Page, store: JobStore, tmp_path) -> None:
    name = "<img src=x onerror=alert(1)><script>alert(2)</script>"
    store.submit("train", name, {"note": name}, {}, tmp_path)
    page.on("dialog", lambda dialog: pytest.fail("a script ran"))
    page.goto("./")
    expect(page.locator("#jobs td a")).to_have_text(name)


def test_a_concept_is_found_and_walked_from(page: Page) -> None:
    page.goto("concepts.html")
    page.get_by_label("Search concepts").fill("myocardial")
    expect(page.locator("#found button").first).to_contain_text("Heart attack")
    page.keyboard.press("Enter")
    expect(page.locator("h1")).to_have_text("Heart attack")
    nodes = page.locator(".picture .node")
    expect(nodes).to_have_count(4)
    expect(page.locator(".picture .edge")).to_have_count(3)
    expect(page.locator("#relations tbody tr")).to_have_count(3)
    page.locator(".node[data-cui=C0000002]").click()
    expect(nodes).to_have_count(5)
    # The second of two clicks, when the first has moved the picture.
    page.mouse.down(click_count=2)
    page.mouse.up(click_count=2)
    expect(page.locator("h1")).to_have_text("Aspirin")
    page.go_back()
    expect(page.locator("h1")).to_have_text("Heart attack")


def test_a_hub_is_paged_and_the_picture_stays_in_sight(page: Page, facts) -> None:
    page.goto(f"concepts.html?cui={facts.hub}")
    page.get_by_label("Edges drawn").select_option("32")
    expect(page.locator(".picture .node")).to_have_count(33)
    page.wait_for_timeout(500)
    frame = page.locator(".picture > svg").bounding_box()
    for node in page.locator(".picture .node circle").all():
        box = node.bounding_box()
        assert frame["x"] <= box["x"] <= frame["x"] + frame["width"]
        assert frame["y"] <= box["y"] <= frame["y"] + frame["height"]
    rows = page.locator("#relations tbody tr")
    expect(rows).to_have_count(50)
    page.get_by_role("button", name="Show more").click()
    expect(rows).to_have_count(91)


def test_the_neo4j_browser_is_opened_at_the_concept(page: Page, services) -> None:
    page.goto("concepts.html?cui=C0000001")
    link = page.get_by_role("link", name="Open in Neo4j Browser").get_attribute("href")
    assert link.startswith(services.neo4j_browser)
    query = parse_qs(urlsplit(link).query)
    assert query["cmd"] == ["edit"]
    assert "C0000001" in query["arg"][0]


def test_a_note_is_pasted_and_its_marks_explained(page: Page) -> None:
    page.on("dialog", lambda dialog: pytest.fail("a script ran"))
    page.goto("text.html")
    page.get_by_label("Text", exact=True).fill(
        "\U0001fa7a <img src=x onerror=alert(1)> No heart attack."
    )
    page.get_by_label("Preset").select_option("literature")
    page.get_by_role("button", name="Link").click()
    expect(page.locator("#marked mark")).to_have_text(["heart attack"])
    expect(page.locator("#marked")).to_contain_text("<img src=x onerror=alert(1)> No heart attack.")
    page.locator("#marked mark").click()
    expect(page.locator("#mention")).to_contain_text("Heart attack")
    expect(page.locator("#mention")).to_contain_text("negated")


def test_every_route_is_in_the_reference(page: Page, api) -> None:
    page.goto("reference.html")
    paths = api.get("/openapi.json").json()["paths"]
    routes = page.locator(".route")
    expect(routes).to_have_count(sum(len(verbs) for verbs in paths.values()))
    page.locator(".route", has_text="/cypher").first.locator("summary").click()
    expect(page.locator(".route[open]")).to_contain_text("MATCH (c:Concept")


def test_the_theme_is_chosen_and_kept(page: Page) -> None:
    page.goto("./")
    root = page.locator("html")
    before = root.get_attribute("data-theme")
    page.get_by_title("Light or dark").click()
    after = root.get_attribute("data-theme")
    assert {before, after} == {"light", "dark"}
    page.reload()
    assert root.get_attribute("data-theme") == after


def test_nothing_overflows_on_a_phone(page: Page, running: Job, facts) -> None:
    page.set_viewport_size({"width": 360, "height": 740})
    for address in ("./", f"job.html?id={running.id}", f"concepts.html?cui={facts.hub}",
                    "text.html", "reference.html"):  # fmt: skip
        page.goto(address)
        expect(page.locator(".card:visible").first).to_be_visible()
        width = page.evaluate("document.documentElement.scrollWidth")
        assert width <= 360, address


def test_the_token_is_asked_for_once(browser: Browser, settings, services, graph, serve) -> None:
    token = "a-token-for-the-browser"
    with serve(settings, BALI_API_TOKEN=token) as address:
        page = browser.new_page(base_url=f"{address}/ui/")
        page.goto("./")
        for given in ("wrong", token):
            page.locator("dialog input").fill(given)
            page.get_by_role("button", name="Continue").click()
        expect(page.locator("#tiles")).to_contain_text("2026AA")
        page.goto("concepts.html?cui=C0000001")
        expect(page.locator("h1")).to_have_text("Heart attack")
        page.close()


def test_codes_are_walked_mapped_and_gathered(page: Page) -> None:
    page.goto("concepts.html?cui=C0000001")
    page.locator("#codes").get_by_role("link", name="DC0000001").click()
    expect(page.locator("#tree h2").first).to_contain_text("MSH:DC0000001")
    page.get_by_role("link", name="MSH:DC0000004").click()
    page.locator("summary", has_text="Heart attack").press("Enter")
    expect(page.locator("details p")).to_have_text("none")
    page.goto("map.html")
    page.get_by_label("Codes, one a line").fill("C0000003\nMSH:DC0000999")
    page.get_by_role("button", name="Map").click()
    expect(page.locator("#mapped h2")).to_have_text("1 mapped, 0 ambiguous, 0 unmapped, 1 unknown")
    with page.expect_download() as saved:
        page.get_by_role("button", name="Download CSV").click()
    assert '"C0000003","mapped","Heart","MSH"' in saved.value.path().read_text("utf-8")
    page.goto("values.html")
    for join, code in (("or", "MSH:DC0000009"), ("without", "MSH:DC0000100")):
        page.get_by_label("Join").select_option(join)
        page.get_by_role("textbox", name="Code").fill(code)
        page.get_by_role("button", name="Add").click()
    page.get_by_role("button", name="Expand").click()
    expect(page.locator("#expanded h2")).to_contain_text("92 codes")


def test_a_retired_concept_leads_to_its_successor(page: Page) -> None:
    page.goto("history.html")
    expect(page.locator("#changes")).to_contain_text("graph")
    page.get_by_label("A concept, also one that is gone").fill("c9000001")
    page.keyboard.press("Enter")
    expect(page.locator("#fate h2")).to_contain_text("C9000001 is retired")
    page.get_by_role("link", name="Heart attack").click()
    expect(page.locator("h1")).to_have_text("Heart attack")


ADDRESSES = (
    *("./", "concepts.html", "concepts.html?cui=C0000001", "hierarchy.html?code=MSH:DC0000004"),
    *("map.html", "values.html", "history.html?cui=C9000001", "reference.html"),
)


@pytest.mark.parametrize("address", ADDRESSES)
def test_whoever_sees_little_or_uses_keys_can_work(page: Page, running: Job, address: str) -> None:
    for width in (1280, 390):
        page.set_viewport_size({"width": width, "height": 800})
        page.goto(address, wait_until="networkidle" if address != "./" else "load")
        expect(page.locator("main > *").first).to_be_visible()
        found = Axe().run(page).response["violations"]
        assert [f"{v['id']}: {v['nodes'][0]['html']}" for v in found] == []
