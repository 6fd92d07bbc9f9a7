"""The same documents through every format, and files that are wrong."""

from __future__ import annotations

import gzip
import json
from collections import Counter
from pathlib import Path
from typing import Any
from xml.sax.saxutils import escape

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bali_loaders.corpora import Annotation, Document, read_documents
from bali_loaders.corpora.documents import checked
from bali_platform.errors import BaliError, UsageError

TITLE = st.text(alphabet="abc β<&é.", min_size=1, max_size=20)
LETTERS = st.text(alphabet="abcxyz", min_size=1, max_size=4)


@st.composite
def documents(draw: st.DrawFn) -> tuple[Document, int]:
    """A document of a title and an abstract, and the length of its title."""
    title, abstract = draw(TITLE), draw(TITLE)
    text = f"{title} {abstract}"
    annotations = []
    for _ in range(draw(st.integers(0, 3))):
        start = draw(st.integers(0, len(text) - 1))
        end = draw(st.integers(start + 1, len(text)))
        inside = (start, end) if end <= len(title) or start > len(title) else (0, 1)
        identifiers = tuple(draw(st.lists(LETTERS, min_size=1, max_size=2)))
        kind = draw(LETTERS)
        annotations.append(Annotation(*inside, identifiers, kind, text[slice(*inside)]))
    return Document(draw(LETTERS), text, tuple(annotations)), len(title)


def as_pubtator(document: Document, title: int) -> str:
    lines = [
        f"{document.id}|t|{document.text[:title]}",
        f"{document.id}|a|{document.text[title + 1 :]}",
    ]
    for a in document.annotations:
        ids = "|".join(a.identifiers)
        lines.append(f"{document.id}\t{a.start}\t{a.end}\t{a.surface}\t{a.kind}\t{ids}")
    return "\n".join([*lines, f"{document.id}\tCID\tD1\tD2", "", ""])


def as_bioc(document: Document, title: int) -> dict[str, Any]:
    def passage(first: int, last: int) -> dict[str, Any]:
        return {
            "offset": first,
            "text": document.text[first:last],
            "annotations": [
                {
                    "infons": {"type": a.kind, "identifier": ",".join(a.identifiers)},
                    "text": a.surface,
                    "locations": [{"offset": a.start, "length": a.end - a.start}],
                }
                for a in document.annotations
                if first <= a.start < last
            ],
        }

    passages = [passage(0, title), passage(title + 1, len(document.text))]
    return {"documents": [{"id": document.id, "passages": passages}]}


def as_xml(document: Document, title: int) -> str:
    def annotation(found: dict[str, Any]) -> str:
        infons = "".join(
            f'<infon key="{k}">{escape(v)}</infon>' for k, v in found["infons"].items()
        )
        places = "".join(
            f'<location offset="{p["offset"]}" length="{p["length"]}"/>' for p in found["locations"]
        )
        return f"<annotation>{infons}{places}<text>{escape(found['text'])}</text></annotation>"

    (content,) = as_bioc(document, title)["documents"]
    passages = "".join(
        f"<passage><offset>{p['offset']}</offset><text>{escape(p['text'])}</text>"
        f"{''.join(map(annotation, p['annotations']))}</passage>"
        for p in content["passages"]
    )
    return f"<collection><document><id>{content['id']}</id>{passages}</document></collection>"


def as_jsonl(document: Document, title: int) -> str:
    mentions = [
        {
            "start": a.start,
            "end": a.end,
            "identifiers": a.identifiers,
            "type": a.kind,
            "text": a.surface,
        }
        for a in document.annotations
    ]
    return json.dumps({"id": document.id, "text": document.text, "mentions": mentions}) + "\n"


@settings(max_examples=60, deadline=None)
@given(made=documents(), packed=st.booleans())
def test_every_format_brings_the_same_document(
    made: tuple[Document, int], packed: bool, tmp_path_factory: pytest.TempPathFactory
) -> None:
    document, title = made
    folder = tmp_path_factory.mktemp("formats")
    contents = {
        "pubtator": as_pubtator(document, title),
        "json": json.dumps(as_bioc(document, title)),
        "xml": as_xml(document, title),
        "jsonl": as_jsonl(document, title),
    }
    for ending, content in contents.items():
        data = content.encode()
        path = folder / f"d.{ending}{'.gz' if packed else ''}"
        path.write_bytes(gzip.compress(data) if packed else data)
        (read,) = read_documents(path)
        assert (read.id, read.text) == (document.id, document.text), ending
        assert sorted(read.annotations, key=str) == sorted(document.annotations, key=str), ending
        counts: Counter[str] = Counter()
        fitting = tuple(a for a in document.annotations if a.surface and a.surface.strip())
        assert set(checked(read, counts).annotations) == set(fitting)
        assert counts["annotations"] == len(document.annotations)


def test_tokens_become_characters(tmp_path: Path) -> None:
    path = tmp_path / "m.jsonl"
    row = {"pmid": "7", "tokens": ["a", "renal", "mass", "."], "mentions": [[1, 3, "C0000001"]]}
    path.write_text(json.dumps(row) + "\n")
    (document,) = read_documents(path)
    assert document == Document("7", "a renal mass .", (Annotation(2, 12, ("C0000001",)),))


def test_plain_tables_and_texts(tmp_path: Path) -> None:
    (tmp_path / "a.csv").write_text('id,text\n1,"heart, lung"\n,two\n')
    assert list(read_documents(tmp_path / "a.csv")) == [
        Document("1", "heart, lung"),
        Document("2", "two"),
    ]
    (tmp_path / "a.tsv").write_text("text\tother\nrenal mass\tx\n")
    assert list(read_documents(tmp_path / "a.tsv")) == [Document("1", "renal mass")]
    (tmp_path / "a.txt").write_text("\none\nline\n\n\ntwo\n")
    assert list(read_documents(tmp_path / "a.txt")) == [
        Document("a.txt:2", "one line"),
        Document("a.txt:6", "two"),
    ]


@pytest.mark.parametrize(
    "annotation",
    [
        Annotation(0, 5, ("D1",), surface="fever"),
        Annotation(0, 99, ("D1",)),
        Annotation(5, 5, ("D1",)),
        Annotation(-3, 2, ("D1",)),
        Annotation(5, 6, ("D1",)),
    ],
)
def test_annotations_that_do_not_fit_are_counted(annotation: Annotation) -> None:
    counts: Counter[str] = Counter()
    good = Annotation(0, 5, ("D1",), surface="renal")
    document = Document("d", "renal mass", (annotation, good))
    assert checked(document, counts).annotations == (good,)
    assert counts["annotations that do not match the text"] == 1


def test_a_discontinuous_mention_does_not_fit(tmp_path: Path) -> None:
    places = [{"offset": 0, "length": 5}, {"offset": 15, "length": 4}]
    found = {"infons": {"identifier": "D1"}, "text": "renal mass", "locations": places}
    passage = {"offset": 0, "text": "renal or liver mass", "annotations": [found]}
    path = tmp_path / "d.json"
    path.write_text(json.dumps({"documents": [{"id": "1", "passages": [passage]}]}))
    counts: Counter[str] = Counter()
    (document,) = read_documents(path)
    assert checked(document, counts).annotations == ()
    assert counts["annotations that do not match the text"] == 1


@pytest.mark.parametrize(
    ("name", "content", "problem"),
    [
        (
            "a.pubtator",
            b"1|t|x\n2\t0\t1\tx\tDisease\tD1\n",
            r"line 2: an annotation of '2' without",
        ),
        ("a.pubtator", b"1|t|x\n1\t0\tz\tx\tDisease\tD1\n", r"line 2: 'z' is not the offset"),
        ("a.pubtator", b"1|t|x\n1|a|\xff\n", "line 2: not UTF-8"),
        ("a.jsonl", b'{"text": "x"}\n{"text": \n', r"a.jsonl, line 2: not a document"),
        ("a.jsonl", b'{"body": "x"}\n', "line 1: not a document .*text"),
        ("a.jsonl", b'{"text": "x", "mentions": [[0]]}\n', "line 1: not a document"),
        ("a.json", b"{", "not JSON"),
        ("a.json", b'{"documents": [{"id": "7"}]}', "document 7 is not BioC .*passages"),
        ("a.json", b"[3]", "is not BioC"),
        ("a.xml", b"<collection><document>", "not well-formed XML"),
        ("a.csv", b"id,txet\n1,x\n", r"no column 'text' \(did you mean 'txet'\?\)"),
        ("a.txt.gz", b"not gzip", "damaged after line 0"),
    ],
)
def test_bad_files_are_named_with_the_line(
    name: str, content: bytes, problem: str, tmp_path: Path
) -> None:
    (tmp_path / name).write_bytes(content)
    with pytest.raises(BaliError, match=problem) as caught:
        list(read_documents(tmp_path / name))
    assert "\n" not in str(caught.value)


def test_unknown_formats_and_files_are_usage_errors(tmp_path: Path) -> None:
    (tmp_path / "a.docx").write_bytes(b"")
    with pytest.raises(UsageError, match=r"unknown format '\.docx': one of \.pubtator"):
        read_documents(tmp_path / "a.docx")
    with pytest.raises(UsageError, match="no file"):
        read_documents(tmp_path / "none.txt")
