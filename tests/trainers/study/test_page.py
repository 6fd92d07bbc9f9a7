"""The report as people open it: Markdown, HTML and pictures."""

from __future__ import annotations

import re
import xml.etree.ElementTree as ET
from html.parser import HTMLParser
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bali_trainers.evaluation.page import Heading, Points, Table, Text, to_html, to_markdown
from bali_trainers.study import StudyReport, write_report
from bali_trainers.study.curves import draw_curves, mean_curve

SVG = "{http://www.w3.org/2000/svg}"


class Cells(HTMLParser):
    """Collects the cells of all tables, and complains of tags that do not match."""

    def __init__(self) -> None:
        super().__init__()
        self.open: list[str] = []
        self.cells: list[str] = []

    def handle_starttag(self, tag: str, attrs: object) -> None:
        if tag not in ("meta", "rect", "path", "polygon", "polyline"):
            self.open.append(tag)
        if tag in ("td", "th"):
            self.cells.append("")

    def handle_startendtag(self, tag: str, attrs: object) -> None:
        pass

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        if self.open and self.open[-1] in ("td", "th"):
            self.cells[-1] += data


def test_the_report_is_the_same_in_both_forms(report: StudyReport, tmp_path: Path) -> None:
    write_report(report, tmp_path)
    markdown = (tmp_path / "report.md").read_text()
    html = (tmp_path / "report.html").read_text()
    for told in (
        "Dictionary d: all 20 names",
        "Trained on notes (t)",
        "Machine: cpu abacus, cores 2",
    ):
        assert told in markdown
    page = Cells()
    page.feed(html)
    assert page.open == []
    rows = [line for line in markdown.splitlines() if line.startswith("|")]
    cells = [cell for row in rows if "---" not in row for cell in row.strip("| ").split(" | ")]
    assert [c.strip() for c in cells if c.strip()] == [c for c in page.cells if c.strip()]
    for heading in (
        "Linking on notes",
        "Controls",
        "Against the main model",
        "Held-out edges",
        "Learning curves",
    ):
        assert f"## {heading}" in markdown
        assert f"<h2>{heading}</h2>" in html
    assert "| aligned | context | 80.0% (80.0% to 80.0%) | 0.0% (2) |" in markdown
    assert "| model | read by | mrr | hits@1 | hits@10 | mrr ISA |" in markdown
    assert "| aligned | graph | 60.0% (60.0% to 60.0%)" in markdown
    assert "CONTROL DID NOT FAIL: links shuffled" in markdown
    assert StudyReport.model_validate_json((tmp_path / "report.json").read_bytes()) == report
    assert "src=" not in html, "it needs no other file"


def test_pictures_of_the_markdown_exist_and_show_every_trained_model(
    report: StudyReport, tmp_path: Path
) -> None:
    write_report(report, tmp_path)
    (file,) = re.findall(r"!\[.*\]\((.*)\)", (tmp_path / "report.md").read_text())
    drawing = ET.parse(tmp_path / file).getroot()
    texts = {element.text for element in drawing.iter(f"{SVG}text")}
    assert {"aligned", "neighbours 0", "names only", "links shuffled", "step"} <= texts
    assert "untouched" not in texts
    lines = [element.get("points") for element in drawing.iter(f"{SVG}polyline")]
    assert len(lines) == 6
    assert all(len(line.split()) == 3 for line in lines if line)


def test_a_page_is_what_it_says_whatever_that_is() -> None:
    blocks = [Heading("a < b", 1), Text("x & y"), Points(["<b>"]), Table(["a|b"], [["<i>"]])]
    assert to_markdown(blocks) == "# a < b\n\nx & y\n\n- <b>\n\n| a\\|b |\n| --- |\n| <i> |\n"
    html = to_html(blocks)
    assert "<title>a &lt; b</title>" in html
    assert "<td>&lt;i&gt;</td>" in html


def test_the_mean_of_seeds_at_the_steps_that_all_have() -> None:
    assert mean_curve([{1: 4.0, 2: 2.0, 3: 0.0}, {1: 2.0, 3: 1.0}]) == [
        (1, 3, 2, 4),
        (3, 0.5, 0, 1),
    ]
    assert mean_curve([]) == []


VALUES = st.floats(-1e6, 1e6).filter(lambda value: value == 0 or abs(value) > 1e-6)


@given(
    curves=st.dictionaries(
        st.text(st.characters(codec="utf-8", exclude_categories=["C"])),
        st.dictionaries(st.integers(1, 10**6), VALUES, min_size=1),
        min_size=1,
        max_size=12,
    )
)
def test_any_curves_are_drawn_within_the_picture(curves: dict[str, dict[float, float]]) -> None:
    drawn = draw_curves("loss <1>", {name: mean_curve([curve]) for name, curve in curves.items()})
    drawing = ET.fromstring(drawn)
    width, height = map(float, drawing.attrib["viewBox"].split()[2:])
    for kind in ("polyline", "polygon"):
        for element in drawing.iter(f"{SVG}{kind}"):
            points = [point.split(",") for point in element.attrib["points"].split()]
            assert all(0 <= float(x) <= width and 0 <= float(y) <= height for x, y in points)
    assert [element.text or "" for element in drawing.iter(f"{SVG}text")][-len(curves) :]


@pytest.mark.parametrize(("low", "high"), [(0.0, 1.0), (3.2, 3.9), (-5, 1200), (7, 7.00001)])
def test_axes_have_a_few_round_numbers(low: float, high: float) -> None:
    drawing = ET.fromstring(draw_curves("x", {"a": [(0, low, low, low), (10, high, high, high)]}))
    marks = [t.text for t in drawing.iter(f"{SVG}text") if t.get("text-anchor") == "end"]
    assert 3 <= len(marks) <= 9
    assert all(low - 1e-9 <= float(mark or "nan") <= high + 1e-5 for mark in marks)
