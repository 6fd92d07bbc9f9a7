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

from bali_loaders.corpora import Annotation, Document, Relation, read_documents
from bali_loaders.corpora.checking import checked
from bali_platform.base.errors import BaliError, UsageError

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


@settings(max_examples=30, deadline=None)
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


def test_lines_of_tokens_under_one_id_are_the_sentences_of_a_document(tmp_path: Path) -> None:
    path = tmp_path / "m.jsonl"
    rows = [
        {"pmid": "7", "tokens": ["a", "mass"], "mentions": [[1, 2, "C1"]]},
        {"pmid": "7", "tokens": ["cysts"], "mentions": [[0, 1, "C2"]]},
        {"pmid": "8", "tokens": ["none"]},
        {"id": "8", "text": "of tokens"},
        {"id": "8", "text": "each its own"},
    ]
    path.write_text("\n".join(map(json.dumps, rows)))
    marked = Annotation(2, 6, ("C1",)), Annotation(8, 13, ("C2",))
    assert list(read_documents(path)) == [
        Document("7", "a mass\n\ncysts", marked),
        *[Document("8", text) for text in ("none", "of tokens", "each its own")],
    ]


def test_plain_tables_and_texts(tmp_path: Path) -> None:
    (tmp_path / "a.csv").write_text('id,text\n1,"heart, lung"\n,two\n')
    assert list(read_documents(tmp_path / "a.csv")) == [
        Document("1", "heart, lung"),
        Document("2", "two"),
    ]
    (tmp_path / "a.tsv").write_text("text\tother\nrenal mass\tx\n")
    assert list(read_documents(tmp_path / "a.tsv")) == [Document("1", "renal mass")]
    note = "\none\nline\n\n\ntwo\r\n"
    (tmp_path / "a.txt").write_text(note, newline="")
    assert list(read_documents(tmp_path / "a.txt")) == [Document("a.txt", note)]


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


def test_a_discontinuous_mention_is_counted(tmp_path: Path) -> None:
    places = [{"offset": 0, "length": 5}, {"offset": 15, "length": 4}]
    found = {"infons": {"identifier": "D1"}, "text": "renal mass", "locations": places}
    passage = {"offset": 0, "text": "renal or liver mass", "annotations": [found]}
    path = tmp_path / "d.json"
    path.write_text(json.dumps({"documents": [{"id": "1", "passages": [passage]}]}))
    counts: Counter[str] = Counter()
    (document,) = read_documents(path)
    assert checked(document, counts).annotations == ()
    assert +counts == {"annotations": 1, "discontinuous annotations": 1}


def test_overlapping_annotations_are_kept_and_counted() -> None:
    spans = [(0, 10), (6, 10), (0, 5), (12, 16), (16, 19)]
    annotations = tuple(Annotation(*span, ("D1",)) for span in spans)
    document = Document("d", "renal mass, calm now", annotations)
    counts: Counter[str] = Counter()
    assert checked(document, counts).annotations == annotations
    assert +counts == {"annotations": 5, "overlapping annotations": 2}


@pytest.mark.parametrize(
    ("identifiers", "kind", "expected"),
    [
        ("D003|D004", "Disease", ("D003", "D004")),
        ("D003+D004;OMIM:1, D5", "", ("D003", "D004", "OMIM:1", "D5")),
        ("c|SUB|A|12|G", "SequenceVariant", ("c|SUB|A|12|G",)),
        (" -1", "Chemical", ("-1",)),
        ("", "Chemical", ()),
    ],
)
def test_composite_identifiers_are_several(
    identifiers: str, kind: str, expected: tuple[str, ...], tmp_path: Path
) -> None:
    mention = {"start": 0, "end": 1, "identifiers": identifiers, "type": kind}
    contents = {
        "a.pubtator": f"1|t|x\n1\t0\t1\tx\t{kind}\t{identifiers}\n",
        "a.jsonl": json.dumps({"text": "x", "mentions": [mention]}),
    }
    for name, content in contents.items():
        (tmp_path / name).write_text(content)
        (document,) = read_documents(tmp_path / name)
        assert document.annotations[0].identifiers == expected


def test_relations_come_with_their_document(tmp_path: Path) -> None:
    path = tmp_path / "a.pubtator"
    path.write_text("1|t|x\n1|a|\n1\tCID\tD1\tD2\n\n1|t|y\n1\tBind\tD1\tD3\tNovel\n2|t|z\n")
    documents = list(read_documents(path))
    assert [(d.id, d.text) for d in documents] == [("1", "x "), ("1", "y"), ("2", "z")]
    assert [d.relations for d in documents] == [
        (Relation("CID", "D1", "D2"),),
        (Relation("Bind", "D1", "D3"),),
        (),
    ]


def test_pubtator_is_known_whatever_the_file_is_called(tmp_path: Path) -> None:
    path = tmp_path / "corpus.txt"
    path.write_text("\n1|t|Renal mass\n1|a|It grew.\n1\t0\t5\tRenal\tT\tC0000001\n")
    (document,) = read_documents(path)
    assert document.annotations == (Annotation(0, 5, ("C0000001",), "T", "Renal"),)


BERN2 = {
    "pmid": "5",
    "text": "renal mass in E. coli",
    "annotations": [
        {
            "id": ["mesh:D000001,omim:7"],
            "mention": "renal mass",
            "obj": "disease",
            "prob": 0.9,
            "span": {"begin": 0, "end": 10},
        },
        {
            "id": ["CUI-less"],
            "mention": "E. coli",
            "obj": "species",
            "span": {"begin": 14, "end": 21},
        },
    ],
}


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("a.json", json.dumps(BERN2)),
        ("b.json", json.dumps([BERN2])),
        ("c.jsonl", json.dumps(BERN2)),
    ],
)
def test_bern2(name: str, content: str, tmp_path: Path) -> None:
    (tmp_path / name).write_text(content)
    assert list(read_documents(tmp_path / name)) == [
        Document(
            "5",
            "renal mass in E. coli",
            (
                Annotation(0, 10, ("mesh:D000001", "omim:7"), "disease", "renal mass"),
                Annotation(14, 21, ("CUI-less",), "species", "E. coli"),
            ),
        )
    ]


def test_downloads_of_pubtator3_and_lines_of_bioc(tmp_path: Path) -> None:
    document = Document("1", "a b", (Annotation(2, 3, ("MESH:D1",), "Disease", "b"),))
    bioc = as_bioc(document, 1)["documents"]
    (tmp_path / "a.json").write_text(json.dumps({"PubTator3": bioc}))
    (tmp_path / "a.jsonl").write_text(json.dumps(bioc[0]))
    for name in ("a.json", "a.jsonl"):
        assert list(read_documents(tmp_path / name)) == [document]


def test_the_schema_of_bigbio(tmp_path: Path) -> None:
    row = {
        "id": "0",
        "document_id": "77",
        "passages": [
            {"type": "title", "text": ["Renal mass"], "offsets": [[0, 10]]},
            {"type": "abstract", "text": ["It grew."], "offsets": [[11, 19]]},
        ],
        "entities": [
            {
                "offsets": [[0, 10]],
                "text": ["Renal mass"],
                "type": "Disease",
                "normalized": [{"db_name": "MESH", "db_id": "D1|D2"}],
            },
            {"offsets": [[0, 5], [11, 13]], "text": ["Renal", "It"], "type": "T", "normalized": []},
        ],
    }
    (tmp_path / "a.jsonl").write_text(json.dumps(row))
    (document,) = read_documents(tmp_path / "a.jsonl")
    assert (document.id, document.text) == ("77", "Renal mass It grew.")
    assert document.annotations == (
        Annotation(0, 10, ("MESH:D1", "MESH:D2"), "Disease", "Renal mass"),
        Annotation(0, 13, (), "T", "Renal", discontinuous=True),
    )


@pytest.mark.parametrize(
    ("name", "content", "problem"),
    [
        (
            "a.pubtator",
            b"1|t|x\n2\t0\t1\tx\tDisease\tD1\n",
            r"line 2: an annotation of '2' without",
        ),
        ("a.pubtator", b"1|t|x\n1\t0\tz\tx\tDisease\tD1\n", r"line 2: 'z' is not the offset"),
        (
            "a.pubtator",
            b"1|t|x\n1|a|\xff\n",
            r"line 2, byte 5: not UTF-8 \(0xff\): .* --encoding cp1252",
        ),
        ("a.jsonl", b'{"text": "x"}\n{"text": \n', r"a.jsonl, line 2: not JSON"),
        ("a.jsonl", b'{"body": "x"}\n', "line 1: not a document .*text"),
        ("a.jsonl", b'{"text": "x", "mentions": [[0]]}\n', "line 1: not a document"),
        ("a.json", b"{", "not JSON"),
        ("a.jsonl", b'{"tokens": ["x"], "mentions": [[-1, 1, "C1"]]}', "no tokens -1 to 1 among 1"),
        ("a.json", b'{"documents": [{"id": "7"}]}', "document 7: not a document .*text"),
        ("a.json", b"[3]", "document 1: not a document"),
        ("a.xml", b" ", "not well-formed XML"),
        ("a.xml", b"<collection><document>", "not well-formed XML .*line 1"),
        ("a.xml", b"<collection>\xff</collection>", "not well-formed XML"),
        ("a.xml", b'<?xml version="1.0" encoding="x"?><collection/>', "not well-formed XML"),
        ("a.xml", b"<html/>", "<html> begins no known format: one of collection"),
        (
            "a.xml",
            b"<collection><document><id>7</id><passage><offset>x</offset></passage>"
            b"</document></collection>",
            "document 7 is incomplete",
        ),
        ("a.xml", b"<PubmedArticleSet><PubmedArticle/></PubmedArticleSet>", "without a PMID"),
        ("a.csv", b"id,text\n1,kidney, liver\n", "line 2: more columns than the header"),
        ("a.csv", b'text\n"open\n', "line 2: unexpected end"),
        ("a.csv", b"id,txet\n1,x\n", r"no column 'text' \(did you mean 'txet'\?\)"),
        ("a.txt.gz", b"not gzip", "damaged after line 0"),
        ("a.txt", b"{\\rtf1\\ansi gout}", "no plain text, but RTF .*: save it as plain text"),
        ("a.txt", b"%PDF-1.4\n", "a PDF: .* pdftotext"),
        ("a.txt", b"\n<!DOCTYPE html>\n<html>", "a web page"),
        ("a.txt", b"MSH|^~\\&|LAB\rOBX|1|TX|||gout", "HL7 messages"),
        ("a.txt", b"PMID- 1\nTI  - Gout", "PubMed's text format: fetch"),
        ("a.txt", b"Gout\tNN\tB-Disease\ncame\tV\tO\n", "tags of tokens"),
        ("a.csv", b"text,start,end,label\nGout,0,4,X\n", "a table of mentions, one a row"),
        ("a.json", b'{"resourceType": "Composition"}', "a resource of FHIR"),
        ("a.json", b'{"%TYPES": {}, "%FEATURE_STRUCTURES": []}', "export it as WebAnno TSV"),
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
