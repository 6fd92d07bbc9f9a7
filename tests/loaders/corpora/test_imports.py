"""From annotated documents to linked sentences, with a table of what could be mapped."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from pathlib import Path

import neo4j
import pytest
from hypothesis import given
from hypothesis import strategies as st

from bali_loaders.corpora import (
    Annotation,
    Document,
    GraphCodes,
    IdentifierMap,
    TableCodes,
    annotated_sentences,
    linked_sentences,
    read_identifier,
)
from bali_loaders.corpora.identifiers import Code
from bali_loaders.linking import Linker, compile_dictionary, drop_withheld
from bali_platform.base.errors import BaliError
from bali_platform.base.settings import Settings
from bali_platform.graph.client import Graph
from bali_platform.graph.names import is_withheld
from bali_platform.text.corpus import Mention, Sentence

KNOWN = {
    Code("MSH", "D000001"): {"C0000001": {"MH"}, "C0000009": {"ET"}},
    Code("MSH", "D000002"): {"C0000002": {"ET"}, "C0000003": {"ET"}},
    Code("CUI", "C0000004"): {"C0000005": set[str]()},
}


class DictCodes:
    def concepts(self, codes: Iterable[Code]) -> dict[Code, dict[str, set[str]]]:
        return {code: KNOWN[code] for code in codes if code in KNOWN}


@pytest.mark.parametrize(
    ("identifier", "kind", "expected"),
    [
        ("MESH:D003920", "", ("MSH", "D003920")),
        ("D003920", "Disease", ("MSH", "D003920")),
        ("C535579", "Disease", ("MSH", "C535579")),
        ("C000657245", "Disease", ("MSH", "C000657245")),
        ("C0011849", "", ("CUI", "C0011849")),
        ("UMLS:C0011849", "", ("CUI", "C0011849")),
        ("OMIM:208900", "", ("OMIM", "208900")),
        ("672", "GeneOrGeneProduct", ("NCBIGENE", "672")),
        ("9606", "OrganismTaxon", ("NCBI", "9606")),
        ("NCBITaxon:9606", "", ("NCBI", "9606")),
        ("CVCL_0030", "CellLine", ("CELLOSAURUS", "CVCL_0030")),
        ("cellosaurus:CVCL_0030", "cell_line", ("CELLOSAURUS", "CVCL_0030")),
        ("HP:0001250", "", ("HPO", "HP:0001250")),
        ("MONDO:0005148", "", ("MONDO", "MONDO:0005148")),
        (" -1 ", "", ("NIL", "")),
        ("CUI-less", "", ("NIL", "")),
        ("672", "Disease", ("?", "672")),
    ],
)
def test_identifiers_name_their_vocabulary(
    identifier: str, kind: str, expected: tuple[str, str]
) -> None:
    assert read_identifier(identifier, kind) == expected


def test_sentences_carry_what_could_be_mapped_and_the_rest_is_counted() -> None:
    text = "Renal failure is bad. A mass. Nothing here."
    annotations = (
        Annotation(0, 13, ("MESH:D000001", "C0000004", "MESH:D000001")),
        Annotation(6, 13, ("D000002",)),
        Annotation(24, 28, ("-1", "D000099")),
        Annotation(17, 28, ("D000001",)),
        Annotation(0, 99, ("D000001",)),
    )
    counts: Counter[str] = Counter()
    identifiers = IdentifierMap(DictCodes())
    documents = [Document("d", text, annotations)]
    sentences = list(annotated_sentences(documents, identifiers, counts))
    assert [(s.sentence, s.text, s.mentions) for s in sentences] == [
        (0, "Renal failure is bad.", (Mention(0, 13, "C0000001"), Mention(0, 13, "C0000005"))),
        (1, "A mass.", ()),
        (2, "Nothing here.", ()),
    ]
    assert identifiers.table == {
        "MSH": {"mapped": 2, "ambiguous": 1, "unmapped": 1},
        "CUI": {"mapped": 1},
        "NIL": {"unmapped": 1},
    }
    assert +counts == {
        "annotations": 5,
        "annotations that do not match the text": 1,
        "overlapping annotations": 2,
        "annotations across sentences": 1,
        "sentences read": 3,
    }


@given(
    parts=st.lists(
        st.sampled_from(["Renal mass.", "It grew.", "p53 rose."]), min_size=1, max_size=5
    ),
    data=st.data(),
)
def test_mentions_keep_their_text(parts: list[str], data: st.DataObject) -> None:
    text = " ".join(parts)
    start = data.draw(st.integers(0, len(text) - 1))
    end = data.draw(st.integers(start + 1, len(text)))
    documents = [Document("d", text, (Annotation(start, end, ("D000001",)),))]
    counts: Counter[str] = Counter()
    sentences = list(annotated_sentences(documents, IdentifierMap(DictCodes()), counts))
    found = [s.text[m.start : m.end] for s in sentences for m in s.mentions]
    blank = not text[start:end].strip()
    crossing = counts["annotations across sentences"] == 1
    assert found == ([] if blank or crossing else [text[start:end]])
    assert (
        crossing
        or blank
        or not any(
            start < at < end for at in (i for i in range(len(text)) if text.startswith(". ", i - 2))
        )
    )


def test_a_table_answers_for_codes_that_the_graph_lacks(tmp_path: Path) -> None:
    path = tmp_path / "codes.tsv"
    path.write_text("D000001\tC0000004\tx\nD000007\tC0000004\nD000008\tC0000099\n")
    codes = [Code("MSH", f"D00000{i}") for i in (1, 7, 8, 9)]
    found = TableCodes(path, DictCodes()).concepts(codes)
    assert found == {codes[0]: KNOWN[codes[0]], codes[1]: {"C0000005": set()}}
    path.write_text("D000001\tC0000004\nD000002 C0000004\n")
    with pytest.raises(BaliError, match="line 2: not an identifier, a tab and a CUI"):
        TableCodes(path, DictCodes())


def test_annotated_sentences_with_a_withheld_name_can_be_dropped(tmp_path: Path) -> None:
    secret = next(f"grey fever {i}" for i in range(99) if is_withheld(f"grey fever {i}", 0.1))
    names = [("C0000001", ("Ague", secret))]
    dictionary = compile_dictionary(names, tmp_path / "d", graph_version="g", withheld=0.1)
    counts: Counter[str] = Counter()
    texts = [f"He had a {secret}.", "He had ague."]
    sentences = [Sentence("d", number, text, ()) for number, text in enumerate(texts)]
    assert list(drop_withheld(sentences, dictionary, counts)) == sentences[1:]
    assert counts == {"sentences with a withheld name": 1}


def test_linked_documents_keep_only_sentences_that_mention_something(tmp_path: Path) -> None:
    names = [("C0000001", ("Renal failure",))]
    linker = Linker(compile_dictionary(names, tmp_path / "d", graph_version="g"))
    documents = [Document("d", "Nothing. Renal failure came. It went.")]
    (sentence,) = linked_sentences(documents, linker)
    assert (sentence.sentence, sentence.mentions) == (1, (Mention(0, 13, "C0000001"),))
    assert linker.counts["sentences without a mention"] == 2


def test_abbreviations_mean_their_long_forms_throughout_the_document(tmp_path: Path) -> None:
    names = [
        ("C0000001", ("Familial Mediterranean fever",)),
        ("C0000002", ("FMF gene", "FMF")),
        ("C0000003", ("fever",)),
    ]
    linker = Linker(compile_dictionary(names, tmp_path / "d", graph_version="g"))
    text = "Familial Mediterranean fever (FMF) is rare. FMF brings fever, not FMFs. The FMF gene."
    documents = [Document("d1", text), Document("d2", "FMF was mapped.")]
    found = [
        (s.document, s.text[m.start : m.end], m.cui)
        for s in linked_sentences(documents, linker)
        for m in s.mentions
    ]
    assert found == [
        ("d1", "Familial Mediterranean fever", "C0000001"),
        ("d1", "FMF", "C0000001"),
        ("d1", "FMF", "C0000001"),
        ("d1", "fever", "C0000003"),
        ("d1", "FMF", "C0000001"),
        ("d2", "FMF", "C0000002"),
    ]
    assert linker.counts["abbreviations"] == 3


@pytest.mark.services
def test_codes_are_looked_up_in_the_graph(driver: neo4j.Driver, settings: Settings) -> None:
    driver.execute_query("MATCH (n) DETACH DELETE n")
    driver.execute_query(
        """
        CREATE (a:Concept {cui: 'C0000001', name: 'A', names: ['A']}),
               (b:Concept {cui: 'C0000002', name: 'B', names: ['B']}),
               (a)-[:HAS_ATOM]->(:Atom {aui: 'A1', sab: 'MSH', code: 'D000001', tty: 'MH'}),
               (a)-[:HAS_ATOM]->(:Atom {aui: 'A2', sab: 'MSH', code: 'D000001', tty: 'ET'}),
               (b)-[:HAS_ATOM]->(:Atom {aui: 'A3', sab: 'MSH', code: 'D000001', tty: 'ET'}),
               (:RetiredConcept {cui: 'C0000009'})-[:REPLACED_BY {rel: 'SY'}]->(b),
               (a)-[:DEFINED_BY]->(:Definition {atui: 'AT1', text: 'An A.'})
        """
    )
    codes = [Code("MSH", "D000001"), Code("CUI", "C0000009"), Code("MSH", "D9")]
    with Graph.connect(settings) as graph:
        assert GraphCodes(graph).concepts(codes) == {
            Code("MSH", "D000001"): {"C0000001": {"MH", "ET"}, "C0000002": {"ET"}},
            Code("CUI", "C0000009"): {"C0000002": set()},
        }
        assert list(graph.stream("definitions")) == [
            {"cui": "C0000001", "atui": "AT1", "text": "An A."}
        ]
