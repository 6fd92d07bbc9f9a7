"""What is written for other tools is read again by our own readers, with the same mentions."""

from __future__ import annotations

from collections.abc import Collection, Iterator
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bali_loaders.corpora import Document, LinkNames, build_corpus, read_documents
from bali_loaders.corpora.checking import checked
from bali_loaders.corpora.codes import read_identifier
from bali_loaders.corpora.sources import Notes
from bali_loaders.corpora.writers import WRITERS, Described, LinkedDocument, read_linked
from bali_loaders.linking import compile_dictionary
from bali_platform.text.corpus import Mention

TEXT = st.text(alphabet='ab β😀<&"|\n\r\t.\x0b', min_size=1, max_size=30)
CUIS = ("C0018099", "C0010200")
Marks = set[tuple[int, int, str]]


@st.composite
def linked(draw: st.DrawFn) -> LinkedDocument:
    text = draw(TEXT.filter(lambda text: bool(text.strip())))
    spans = st.tuples(st.integers(0, len(text)), st.integers(0, len(text)))
    drawn = draw(st.lists(spans, max_size=4))
    # A name neither begins nor ends with white space.
    kept = [(s, e) for s, e in drawn if text[s:e] and text[s:e] == text[s:e].strip()]
    mentions = tuple(Mention(s, e, draw(st.sampled_from(CUIS))) for s, e in kept)
    return LinkedDocument(draw(st.sampled_from(["1", "a/b.txt"])), text, mentions, {})


def marks_of(document: Document) -> Marks:
    kept = checked(document, Notes().counts).annotations
    return {(a.start, a.end, read_identifier(i).code) for a in kept for i in a.identifiers}


def wanted(document: LinkedDocument) -> Marks:
    return {(m.start, m.end, m.cui) for m in document.mentions}


@pytest.mark.parametrize(
    ("form", "name"),
    [
        ("jsonl", "a.jsonl"),
        ("doccano", "a.jsonl"),
        ("bioc-xml", "a.xml"),
        ("bioc-json", "a.json"),
        ("pubtator", "a.pubtator"),
    ],
)
def test_files_are_read_again(
    form: str, name: str, tmp_path_factory: pytest.TempPathFactory
) -> None:
    path = tmp_path_factory.mktemp(form) / name

    @settings(max_examples=40, deadline=None)
    @given(document=linked())
    def check(document: LinkedDocument) -> None:
        WRITERS[form]([document], path)
        (read,) = read_documents(path)
        assert len(read.text) == len(document.text)
        assert marks_of(read) == wanted(document)
        if form in ("jsonl", "doccano", "bioc-json"):
            assert (read.id, read.text) == (document.id, document.text)

    check()


def test_brat_is_read_again(tmp_path: Path) -> None:
    text = "Gout,\nrheumatoid\r\narthritis and “cough”"
    spans = [(0, 4, CUIS[0]), (6, 27, CUIS[1]), (33, 38, CUIS[1])]
    mentions = tuple(Mention(*span) for span in spans)
    names = ["ward/a.txt", "7", "../x", "7"]
    WRITERS["brat"]([LinkedDocument(name, text, mentions, {}) for name in names], tmp_path / "o")
    written = sorted(str(p.relative_to(tmp_path / "o")) for p in (tmp_path / "o").rglob("*.txt"))
    assert written == ["7-2.txt", "7.txt", "_/x.txt", "ward/a.txt"]
    (read,) = read_documents(tmp_path / "o" / "ward" / "a.txt")
    assert read.text == text
    assert marks_of(read) == set(spans)


def test_docbin_is_read_again(tmp_path: Path) -> None:
    pytest.importorskip("spacy")
    text = " Gout  and hyper-\ntension😀of cough"
    spans = [(1, 5, CUIS[0]), (11, 24, CUIS[1]), (17, 18, CUIS[0]), (28, 33, CUIS[1])]
    spans = [span for span in spans if text[slice(*span[:2])].strip()]
    document = LinkedDocument("n", text, tuple(Mention(*span) for span in spans), {})
    WRITERS["spacy"]([document], tmp_path / "a.spacy")
    (read,) = read_documents(tmp_path / "a.spacy")
    assert (read.id, read.text) == ("n", text)
    assert marks_of(read) == set(spans)


def describe(cuis: Collection[str]) -> dict[str, Described]:
    return {cui: Described("Name | of it", ("Disease or Syndrome",)) for cui in cuis}


@pytest.fixture
def corpus(tmp_path: Path) -> Path:
    names = [("C0018099", ("Gout",)), ("C0010200", ("Cough",))]
    dictionary = compile_dictionary(names, tmp_path / "d", graph_version="g").folder
    (tmp_path / "notes").mkdir()
    (tmp_path / "notes" / "a.txt").write_text("Well.  Nothing here.\n\nGout; <b>cough</b>. Gout.")
    (tmp_path / "notes" / "b.txt").write_text("Nothing.")
    (tmp_path / "notes" / "c.txt").write_text("Nothing. Cough.\r\n")
    folder = tmp_path / "corpus"
    build_corpus([tmp_path / "notes"], folder, LinkNames(dictionary), graph_version="g", details={})
    return folder


def test_a_corpus_is_put_back_into_its_texts(corpus: Path) -> None:
    documents = list(read_linked(corpus, describe))
    found = {d.id: [d.text[m.start : m.end] for m in d.mentions] for d in documents}
    assert found == {"a.txt": ["Gout", "cough", "Gout"], "b.txt": [], "c.txt": ["Cough"]}
    assert documents[2].text.endswith("Cough.\r\n")
    for path in corpus.glob("documents-*"):
        path.unlink()
    assert [d.id for d in read_linked(corpus, describe)] == ["a.txt", "c.txt"]


def test_lines_of_metamap(corpus: Path, tmp_path: Path) -> None:
    WRITERS["mmi"](read_linked(corpus, describe), tmp_path / "a.mmi")
    rows = [line.split("|") for line in (tmp_path / "a.mmi").read_text().splitlines()]
    assert {len(row) for row in rows} == {10}
    assert [(row[0], row[1], row[4], row[8]) for row in rows] == [
        ("a.txt", "MMI", "C0018099", "22/4;42/4"),
        ("a.txt", "MMI", "C0010200", "31/5"),
        ("c.txt", "MMI", "C0010200", "9/5"),
    ]


def test_the_page_needs_nothing_else(corpus: Path, tmp_path: Path) -> None:
    WRITERS["html"](read_linked(corpus, describe), tmp_path / "a.html")
    page = (tmp_path / "a.html").read_text()
    assert page.count("<mark ") == 4
    assert "&lt;b&gt;" in page
    assert "Name | of it (C0018099)\nDisease or Syndrome" in page
    assert "http" not in page.replace("http-equiv", "")


@pytest.mark.parametrize("form", sorted(WRITERS))
def test_a_failed_export_leaves_what_was_there(form: str, tmp_path: Path) -> None:
    def documents() -> Iterator[LinkedDocument]:
        yield LinkedDocument("1", "Gout", (), {})
        raise KeyboardInterrupt

    output = tmp_path / "out"
    with pytest.raises(KeyboardInterrupt):
        WRITERS[form](documents(), output)
    assert not output.exists()
