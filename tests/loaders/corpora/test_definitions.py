"""Definitions become a corpus without the concept itself and without withheld names."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bali_loaders.corpora import definition_sentences
from bali_loaders.linking import Linker, compile_dictionary
from bali_platform.graph.names import is_withheld, name_key
from bali_platform.text.corpus import Sentence, open_corpus, read_sentences, write_corpus

NAMES = [
    ("C0000001", ("Influenza", "Flu", "Grippe")),
    ("C0000002", ("Fever", "Pyrexia", "High temperature")),
    ("C0000003", ("Virus",)),
    ("C0000004", ("Cold", "Chill")),
    ("C0000005", ("Common cold", "Cold")),
]


def linker(folder: Path, withheld: float = 0.0, **options: str) -> Linker:
    dictionary = compile_dictionary(NAMES, folder / "d", graph_version="g1", withheld=withheld)
    return Linker(dictionary, **options)


def spans(sentence: Sentence) -> list[tuple[str, str]]:
    return [(sentence.text[m.start : m.end], m.cui) for m in sentence.mentions]


def test_sentences_mention_other_concepts_only(tmp_path: Path) -> None:
    link = linker(tmp_path)
    definitions = [
        ("C0000001", "AT1", "Influenza is caused by viruses. Flu brings fever. It is seasonal."),
        ("C0000002", "AT2", "Flu brings fever. Fever is heat."),
    ]
    sentences = list(definition_sentences(definitions, link))
    assert [(s.document, s.sentence, spans(s)) for s in sentences] == [
        ("AT1", 0, [("viruses", "C0000003")]),
        ("AT1", 1, [("fever", "C0000002")]),
    ]
    assert link.counts == {
        "definitions": 2,
        "sentences read": 4,
        "repeated sentences": 1,
        "sentences without a mention": 2,
        "abbreviations": 0,
    }


@pytest.mark.parametrize(
    ("ambiguous", "expected"),
    [("skip", []), ("first", ["C0000004"]), ("all", ["C0000004", "C0000005"])],
)
def test_ambiguous_names_follow_the_policy(
    ambiguous: str, expected: list[str], tmp_path: Path
) -> None:
    names = [("C0000004", ("A", "Cold")), ("C0000005", ("B", "Cold"))]
    dictionary = compile_dictionary(names, tmp_path / "d", graph_version="g1")
    link = Linker(dictionary, ambiguous=ambiguous)  # type: ignore[arg-type]
    sentences = definition_sentences([("C1", "AT1", "It is cold.")], link)
    assert [m.cui for s in sentences for m in s.mentions] == expected
    assert link.counts["ambiguous names"] == 1


def test_the_only_concept_that_prefers_a_name_gets_it(tmp_path: Path) -> None:
    (sentence,) = definition_sentences([("C1", "AT1", "It is COLD.")], linker(tmp_path))
    assert spans(sentence) == [("COLD", "C0000004")]


@settings(max_examples=30, deadline=None)
@given(
    texts=st.lists(
        st.lists(
            st.sampled_from(
                [name for _, names in NAMES for name in names] + ["fevers", "the", "and", "HIGH"]
            ),
            min_size=1,
            max_size=6,
        ).map(" ".join),
        min_size=1,
        max_size=6,
    ),
    fraction=st.sampled_from([0.2, 0.5, 0.8]),
)
def test_no_sentence_holds_a_withheld_name(
    texts: list[str], fraction: float, tmp_path_factory: pytest.TempPathFactory
) -> None:
    preferred = {name_key(names[0]) for _, names in NAMES}
    secret = {
        name_key(name)
        for _, names in NAMES
        for name in names[1:]
        if is_withheld(name, fraction) and name_key(name) not in preferred
    }
    link = linker(tmp_path_factory.mktemp("d"), withheld=fraction)
    definitions = [("C9", f"AT{i}", text) for i, text in enumerate(texts)]
    kept = {s.text for s in definition_sentences(definitions, link)}
    for text in texts:
        padded = f" {name_key(text)} "
        holds = any(f" {name} " in padded for name in secret)
        assert not (holds and text in kept), "a withheld name is in the corpus"
        if not holds and text not in kept:
            assert link.counts["sentences without a mention"] or "s" in text


def test_counts_are_kept_with_the_corpus(tmp_path: Path) -> None:
    link = linker(tmp_path)
    info = write_corpus(
        tmp_path / "c",
        definition_sentences([("C0000003", "AT1", "A virus brings flu.")], link),
        name="definitions",
        graph_version="g1",
        details={"counts": link.counts},
    )
    assert open_corpus(tmp_path / "c") == info
    assert info.details["counts"] == {
        "definitions": 1,
        "sentences read": 1,
        "abbreviations": 0,
    }
    (sentence,) = read_sentences(tmp_path / "c")
    assert spans(sentence) == [("flu", "C0000001")]
