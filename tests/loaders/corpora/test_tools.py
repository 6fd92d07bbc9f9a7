"""What annotation tools and public taggers write, each in the shapes that it is met in."""

from __future__ import annotations

import json
from collections import Counter
from pathlib import Path
from typing import Any

import pytest

from bali_loaders.corpora import Annotation, Document, Notes, read_documents, read_identifier
from bali_loaders.corpora.checking import checked
from bali_loaders.corpora.documents import FURTHER, REJECTED, SUGGESTED, WITHOUT_PLACE
from bali_platform.base.errors import BaliError

TEXT = "Gout and cough"
GOUT = {"start": 0, "end": 4}


def read(folder: Path, name: str, content: Any, notes: Notes | None = None) -> list[Document]:
    path = folder / name
    is_text = isinstance(content, str)
    path.write_text(content if is_text else json.dumps(content), encoding="utf-8", newline="")
    return list(read_documents(path, notes))


@pytest.mark.parametrize(
    ("written", "kind", "code"),
    [
        ("20655(Tax:10090)", "Gene", "NCBIGENE 20655"),
        ("NCBIGene:672(Tax: 9606)", "", "NCBIGENE 672"),
        ("NCBI:txid10090", "species", "NCBI 10090"),
        ("NCBITaxon_9606", "", "NCBI 9606"),
        ("NCBI:672", "gene", "NCBIGENE 672"),
        ("CL_0000182", "cell_type", "CL CL:0000182"),
        ("http://purl.obolibrary.org/obo/HP_0001250", "", "HPO HP:0001250"),
        ("https://id.nlm.nih.gov/mesh/D000544", "", "MSH D000544"),
        ("https://www.ncbi.nlm.nih.gov/gene/672", "", "NCBIGENE 672"),
        ("MESH:MESH:d000544", "", "MSH D000544"),
        ("c0000001", "", "CUI C0000001"),
        ("CN999901", "", "CUI CN999901"),
        ("RRID:CVCL_0030", "", "CELLOSAURUS CVCL_0030"),
        ("rs113488022", "mutation", "DBSNP rs113488022"),
        ("tmVar:p|SUB|V|1|E;HGVS:p.V1E;CorrespondingGene:6;RS#:77", "Variant", "DBSNP rs77"),
        ("chebi:16236", "", "CHEBI CHEBI:16236"),
        ("CUI-less", "", "NIL "),
        ("7", "Disease", "? 7"),
    ],
)
def test_identifiers_in_the_shapes_of_public_taggers(written: str, kind: str, code: str) -> None:
    assert " ".join(read_identifier(written, kind)) == code


@pytest.mark.parametrize(
    ("infons", "identifiers"),
    [
        ({"type": "Gene", "NCBI_Gene": "672", "NCBI Taxonomy": "9606"}, ("NCBIGENE:672",)),
        ({"type": "Gene", "NCBI Gene identifier": 672}, ("NCBIGENE:672",)),
        ({"type": "Species", "TaxID": "10090"}, ("NCBITAXON:10090",)),
        ({"type": "Chemical", "ChEBI": "CHEBI:16236"}, ("CHEBI:16236",)),
        ({"type": "Disease", "OMIM": "180100"}, ("OMIM:180100",)),
        ({"type": "Disease", "identifier": "-", "MESH": "D1"}, ("MESH:D1",)),
        ({"type": "Disease", "identifier": "-"}, ("-",)),
        ({"type": "CellLine", "Cellosaurus ID": "CVCL_0030"}, ("CVCL_0030",)),
        ({"type": "Disease", "normalized name": "C0018099"}, ("C0018099",)),
        ({"type": "Disease"}, ()),
    ],
)
def test_the_keys_of_identifiers(
    infons: dict[str, Any], identifiers: tuple[str, ...], tmp_path: Path
) -> None:
    mark = {"infons": infons, "text": "Gout", "locations": [{"offset": 0, "length": 4}]}
    document = {"id": "1", "passages": [{"offset": 0, "text": TEXT, "annotations": [mark]}]}
    (found,) = read(tmp_path, "a.json", [{"documents": [document]}])
    assert found.annotations == (Annotation(0, 4, identifiers, infons["type"], "Gout"),)


def test_bioc_is_read_at_every_level(tmp_path: Path) -> None:
    def mark(name: str, *places: tuple[int, int]) -> dict[str, Any]:
        spots = [{"offset": start, "length": size} for start, size in places]
        return {"id": name, "infons": {"identifier": name}, "locations": spots}

    sentence = {"offset": 5, "text": "It grew.", "annotations": [mark("s", (8, 4))]}
    passages = [
        {"offset": 0, "text": "Gout", "annotations": [mark("p", (0, 4)), mark("none")]},
        {"offset": 5, "text": None, "sentences": [sentence], "annotations": [mark("q", (5, 2))]},
    ]
    related = {"infons": {"type": "x"}, "nodes": [{"refid": "p"}, {"refid": "s"}]}
    whole = {
        "id": 7,
        "passages": passages,
        "annotations": [mark("d", (5, 2), (8, 4))],
        "relations": [related],
    }
    (document,) = read(tmp_path, "a.json", [{"documents": []}, {"documents": [whole]}])
    assert (document.id, document.text) == ("7", "Gout It grew.")
    spans = {a.identifiers[0]: (a.start, a.end) for a in document.annotations}
    assert spans == {"p": (0, 4), "s": (8, 12), "q": (5, 7), "d": (5, 12)}
    assert document.losses == (WITHOUT_PLACE,)
    assert [(r.kind, r.first, r.second) for r in document.relations] == [("x", "p", "s")]


@pytest.mark.parametrize(
    "row",
    [
        {"mentions": [{**GOUT, "cui": "C0018099"}]},
        {"entities": [{"id": 3, "label": "C0018099", "start_offset": 0, "end_offset": 4}]},
        {"label": [[0, 4, "C0018099"]]},
        {"labels": [[0, 4, "C0018099"]]},
        {"spans": [{**GOUT, "label": "X", "kb_id": "C0018099"}], "answer": "accept"},
        {"ents": [{**GOUT, "label": "C0018099"}], "tokens": [{"id": 0, "start": 0, "end": 4}]},
        {"entities": {"0": {**GOUT, "cui": "C0018099", "source_value": "Gout"}}},
        {"denotations": [{"id": "T1", "span": {"begin": 0, "end": 4}, "obj": "C0018099"}]},
        {"annotations": [{"offset": 0, "length": 4, "umls_cui": ["C0018099"]}]},
        {"annotations": [{"offset": [0, 4], "cui": "C0018099"}]},
        {"entities": {"0": {**GOUT, "cui": "C0018099"}}, "tokens": []},
        {"tracks": [{"denotations": [{"id": "T1", "span": [0, 4], "obj": "C0018099"}]}]},
        {
            "denotations": [
                {"id": "T1", "span": [{"begin": 0, "end": 2}, {"begin": 2, "end": 4}], "obj": "X"}
            ],
            "attributes": [{"subj": "T1", "pred": "umls", "obj": "C0018099"}],
        },
    ],
)
def test_marks_in_the_shapes_of_tools(row: dict[str, Any], tmp_path: Path) -> None:
    (document,) = read(tmp_path, "a.jsonl", {"id": 5, "text": TEXT, **row})
    ((start, end, identifiers),) = ((a.start, a.end, a.identifiers) for a in document.annotations)
    assert (document.id, start, end, identifiers) == ("5", 0, 4, ("C0018099",))


def test_marks_under_an_unknown_key_are_refused(tmp_path: Path) -> None:
    nested = {"denotations": [{"span": {"begin": 0, "end": 4}}]}
    for mark in ({**GOUT, "label": "X"}, [0, 4, "X"], {"span": [0, 4]}, nested):
        with pytest.raises(BaliError, match=r"unknown key 'highlights': rename it to .*mentions"):
            read(tmp_path, "a.jsonl", {"text": TEXT, "highlights": [mark]})
    with pytest.raises(BaliError, match="unknown key 'ner_tags': give the tokens"):
        read(tmp_path, "a.jsonl", {"tokens": ["Gout", "came"], "ner_tags": [1, 0]})
    with pytest.raises(BaliError, match="mention has the keys von, bis, and none that says where"):
        read(tmp_path, "a.jsonl", {"text": TEXT, "mentions": [{"von": 0, "bis": 4}]})


@pytest.mark.parametrize(
    ("row", "fault"),
    [
        ({"text": 5}, "its text is int, not text"),
        ({"text": TEXT, "answer": "reject"}, "answer is 'reject'"),
        ({"error_code": 500, "error_message": "timeout", "text": TEXT}, "made it failed: timeout"),
        ({"text": TEXT, "mentions": 7, "body": 1, "spans": [[0, None, "X"]]}, "not an offset"),
        ({"text": "\ud83d"}, "half a character"),
        ("x", "it is no object"),
    ],
)
def test_one_bad_document_stops_no_other(row: Any, fault: str, tmp_path: Path) -> None:
    notes = Notes()
    content = f"{json.dumps(row)}\n{json.dumps({'text': TEXT})}\nnot json\n"
    assert [d.text for d in read(tmp_path, "a.jsonl", content, notes)] == [TEXT]
    assert notes.counts == {"documents that could not be read": 2}
    assert fault in notes.faults[0]
    assert "line 3: not JSON" in notes.faults[1]


def test_null_where_text_is_expected(tmp_path: Path) -> None:
    mark = {"start": 0, "end": 4, "cui": None, "type": None, "text": None}
    rows = [
        {"id": None, "text": TEXT, "mentions": [mark, {"start": None, "end": None}]},
        {"id": 2, "text": None, "mentions": None},
    ]
    documents = read(tmp_path, "a.json", rows)
    assert documents == [
        Document("1", TEXT, (Annotation(0, 4, ()),), losses=(WITHOUT_PLACE,)),
        Document("2", ""),
    ]


def test_medcat_trainer_keeps_what_somebody_stands_by(tmp_path: Path) -> None:
    flags = [{"correct": True}, {"correct": False, "deleted": True}, {"correct": False}]
    marks = [{**GOUT, "cui": "C0018099", "value": "Gout", **flag} for flag in flags]
    project = {"name": "p", "documents": [{"id": 5, "text": TEXT, "annotations": marks}]}
    (document,) = read(tmp_path, "a.json", {"projects": [project]})
    assert document.annotations == (Annotation(0, 4, ("C0018099",), surface="Gout"),)
    assert document.losses == (REJECTED, REJECTED)


def test_label_studio(tmp_path: Path) -> None:
    mark = {"id": "a", "type": "labels", "value": {**GOUT, "text": "Gout", "labels": ["Disease"]}}
    note = {"id": "a", "type": "textarea", "value": {**GOUT, "text": ["C0018099"]}}
    task = {
        "id": 9,
        "data": {"note": TEXT},
        "annotations": [
            {"result": [], "was_cancelled": True},
            {"result": [mark, note]},
            {"result": [mark]},
        ],
    }
    suggested = {"id": 8, "data": {"text": TEXT}, "predictions": [{"result": [mark]}]}
    cancelled = {**suggested, "annotations": [{"was_cancelled": True, "result": [mark]}]}
    document, second, third = read(tmp_path, "a.json", [task, suggested, cancelled])
    assert document == Document(
        "9", TEXT, (Annotation(0, 4, ("C0018099",), "Disease", "Gout"),), losses=(FURTHER,)
    )
    assert (second.losses, third.losses) == ((SUGGESTED,), (REJECTED, SUGGESTED))


def test_brat(tmp_path: Path) -> None:
    marks = (
        "T1\tDisease 0 4\tGout\nT2\tSymptom 9 11;12 14\tco gh\nN1\tReference T1 UMLS:C0018099\tG\n"
        "#1\tAnnotatorNotes T2\tC0010200\nR1\tWith Arg1:T1 Arg2:T2\nA1\tNegated T2\n"
    )
    (tmp_path / "a.ann").write_text(marks)
    (document,) = read(tmp_path, "a.txt", TEXT)
    assert document.annotations == (
        Annotation(0, 4, ("UMLS:C0018099",), "Disease", "Gout"),
        Annotation(9, 14, ("C0010200",), "Symptom", "co gh", discontinuous=True),
    )
    assert len(document.relations) == 1
    assert list(read_documents(tmp_path / "a.ann")) == [document]
    (tmp_path / "a.ann").write_text("T1\tDisease zero 4\tGout\n")
    with pytest.raises(BaliError, match=r"a.ann, line 1: a T line is"):
        list(read_documents(tmp_path / "a.txt"))


def test_webanno(tmp_path: Path) -> None:
    lines = [
        "#FORMAT=WebAnno TSV 3.3",
        "#T_SP=custom.Entity|identifier|value",
        "",
        "#Text=😀 Gouty arthritis",
        "1-1\t0-2\t😀\t_\t_\t",
        "1-2\t3-8\tGouty\thttp\\://x.org/umls/C0018099[1]\tDisease[1]\t",
        "1-3\t9-18\tarthritis\thttp\\://x.org/umls/C0018099[1]\tDisease[1]\t",
        "",
        "#Text=It\\_came.",
        "2-1\t19-27\tIt\\_came.\t*\t*\t",
    ]
    (document,) = read(tmp_path, "a.tsv", "\n".join(lines))
    assert document.text == "😀 Gouty arthritis It_came."
    first, second = document.annotations
    assert document.text[first.start : first.end] == "Gouty arthritis"
    assert (first.identifiers, first.kind) == (("http://x.org/umls/C0018099",), "Disease")
    assert (document.text[second.start : second.end], second.identifiers) == ("It_came.", ())


@pytest.mark.parametrize(
    ("name", "content", "texts"),
    [
        ("a.csv", '"ROW_ID","TEXT"\n7,"Gout\n2. Cough\n"\n', {"7": "Gout\n2. Cough\n"}),
        ("a.csv", "id;Text\n1;Gout, cough\n", {"1": "Gout, cough"}),
        ("a.csv", 'Row ID;Note Text\n1;"Gout; cough"\n', {"1": "Gout; cough"}),
        ("a.csv", "id,text\r1,Gout\r2,Cough\r", {"1": "Gout", "2": "Cough"}),
        ("a.csv", "", {}),
        ("a.txt", "", {"a.txt": ""}),
        (
            "a.tsv",
            'id\ttext\n1\t"Gout" it is\n2\tan "open one\n',
            {"1": '"Gout" it is', "2": 'an "open one'},
        ),
        ("a.tsv", 'id\ttext\n1\t"two\nlines"\n', {"1": "two\nlines"}),
        ("a.csv", f"text\n{'cough ' * 40_000}\n", {"1": "cough " * 40_000}),
        ("a.json", '{"text": "a"}\n{"text": "b"}\n', {"1": "a", "2": "b"}),
        ("a.json", {"pmid": 3, "title": "Gout.", "abstract": "Cough."}, {"3": "Gout.\nCough."}),
        ("a.json", [["Gout", {"entities": [[0, 4, "C0018099"]]}]], {"1": "Gout"}),
        ("a.json", {"annotations": [["Gout", {"entities": []}], None]}, {"1": "Gout"}),
        ("a.txt", "doc-7.a/b|t|Fever\ndoc-7.a/b|a|None.\n", {"doc-7.a/b": "Fever None."}),
    ],
)
def test_texts_in_the_tables_people_have(
    name: str, content: Any, texts: dict[str, str], tmp_path: Path
) -> None:
    assert {d.id: d.text for d in read(tmp_path, name, content)} == texts


def test_a_wrapped_pubtator_text_is_one_fault(tmp_path: Path) -> None:
    marks = [f"{name}\t0\t4\tGout\tDisease\tD1\n" for name in "12"]
    content = f"1|t|Gout in\n adults\n1|a|It came.\n{marks[0]}\n2|t|Gout\n{marks[1]}"
    notes = Notes()
    assert [d.id for d in read(tmp_path, "a.pubtator", content, notes)] == ["2"]
    (fault,) = notes.faults
    assert fault.endswith("line 2: the text of 1 goes on in line 2: put it on one line")


@pytest.mark.parametrize(
    ("surface", "kept"),
    [
        ("IFN-g", True),
        ("ifn gamma", True),
        ("IFN γ", True),
        ("IFX-g", False),
        ("FN-γ ", False),
        ("TNF", False),
    ],
)
def test_surfaces_that_a_tool_has_normalised(surface: str, kept: bool) -> None:
    counts: Counter[str] = Counter()
    document = Document("1", "IFN-γ rose", (Annotation(0, 5, ("C1",), surface=surface),))
    assert bool(checked(document, counts).annotations) is kept


def test_offsets_in_another_unit_are_told() -> None:
    text = "α 😀 gout"
    counts: Counter[str] = Counter()
    spots = [(len(text[:4].encode()), 12), (len(text[:4].encode("utf-16-le")) // 2, 9)]
    marks = tuple(Annotation(*spot, ("C1",), surface="gout") for spot in spots)
    checked(Document("1", text, marks), counts)
    for unit in ("bytes of UTF-8", "units of UTF-16"):
        assert counts[f"annotations that would match if offsets were {unit}"] == 1


def test_docbin(tmp_path: Path) -> None:
    spacy = pytest.importorskip("spacy")
    document = spacy.blank("en")(TEXT)
    document.ents = [document.char_span(0, 4, label="Disease", kb_id="C0018099")]
    document.user_data["id"] = "n1"
    bin_ = spacy.tokens.DocBin(store_user_data=True, docs=[document])
    (tmp_path / "a.spacy").write_bytes(bin_.to_bytes())
    assert list(read_documents(tmp_path / "a.spacy")) == [
        Document("n1", TEXT, (Annotation(0, 4, ("C0018099",), "Disease"),))
    ]
    (tmp_path / "a.spacy").write_bytes(b"no such thing")
    with pytest.raises(BaliError, match="no DocBin"):
        list(read_documents(tmp_path / "a.spacy"))
