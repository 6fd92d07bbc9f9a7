"""The matcher against a slow reading of the same rules, and rule by rule."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from itertools import pairwise
from pathlib import Path
from typing import Any, cast

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bali_loaders.linking import Matcher, compile_dictionary, open_dictionary
from bali_loaders.linking.linker import graph_dictionary
from bali_platform.base.errors import BaliError
from bali_platform.graph import Graph
from bali_platform.graph.names import is_withheld

Names = list[tuple[str, tuple[str, ...]]]
GREEK = {"α": "alpha", "β": "beta", "γ": "gamma"}


def matcher_of(names: Names, folder: Path, **options: Any) -> Matcher:
    withheld = options.pop("withheld", 0.0)
    dictionary = compile_dictionary(
        names, folder / "dictionary", graph_version="g", withheld=withheld
    )
    return Matcher(dictionary, **options)


def found(matcher: Matcher, text: str) -> list[tuple[str, tuple[str, ...]]]:
    return [(text[m.start : m.end], m.cuis) for m in matcher.match([text]).by_text[0]]


# -- a second implementation: lists of strings instead of arrays of hashes


def singular(word: str) -> str:
    if len(word) < 4 or word[-1:] not in "sS" or word.isupper():
        return word.lower()
    word = word.lower()
    if word.endswith("ies") and len(word) > 4:
        return word[:-3] + "y"
    if word.endswith("sis") and len(word) > 4:
        return word[:-2] + "e"
    if re.search(r"(ss|x|sh|[lmnrt]us)es$", word):
        return word[:-2]
    return word if word.endswith(("ss", "us", "is")) else word[:-1]


def plain(character: str) -> str:
    return unicodedata.normalize("NFKD", character)[0]


def read(text: str) -> list[tuple[int, int, str, str]]:
    """Words as (start, end, key, separator before)."""
    words: list[tuple[int, int, str, str]] = []
    before = 0
    for match in re.finditer(r"[αβγ]|[^\W\d_αβγ]+|\d+", text):
        start, end, word = match.start(), match.end(), match.group()
        separator = text[before:start]
        before = end
        if word in "sS" and separator in ("'", "’") and words and words[-1][1] == start - 1:
            words[-1] = (words[-1][0], end, *words[-1][2:])
            continue
        bare = "".join(map(plain, word))
        key = GREEK.get(word) or singular(bare)
        words.append((start, end, key, separator))
    return words


def sequence(words: list[tuple[int, int, str, str]]) -> tuple[str, ...]:
    parts = [words[0][2]]
    for _, _, key, separator in words[1:]:
        parts.append("," if set(separator) - set(" -/'’") else " ")
        parts.append(key)
    return tuple(parts)


def slow_matches(names: Names, text: str) -> set[tuple[int, int, frozenset[str]]]:
    keyed: dict[tuple[str, ...], list[tuple[str, str]]] = {}
    for cui, synonyms in names:
        for name in synonyms:
            keyed.setdefault(sequence(read(name)), []).append((cui, name))
    words = read(text)
    result = set()
    for i, first in enumerate(words):
        for j in range(i, len(words)):
            start, end = first[0], words[j][1]
            whole = not text[start - 1 : start].isalnum() and not text[end : end + 1].isalnum()
            candidates = keyed.get(sequence(words[i : j + 1]), [])
            if not whole or not candidates:
                continue
            span = text[start:end]
            for agrees in (
                lambda name, span=span: name == span,
                lambda name, span=span: folded(name) == folded(span),
                lambda name: True,
            ):
                if chosen := frozenset(cui for cui, name in candidates if agrees(name)):
                    result.add((start, end, chosen))
                    break
    return result


def folded(text: str) -> str:
    return "".join(map(plain, text)).lower()


WORD = st.sampled_from(
    [
        *("renal", "Renal", "cell", "cells", "T-cell", "IL6", "IL-6", "receptors", "receptor"),
        *(
            "β",
            "beta",
            "metastasis",
            "metastases",
            "virus",
            "viruses",
            "causes",
            "cause",
            "biopsies",
            "biopsy",
            "naïve",
            "naive",
        ),
        *("Crohn's", "Crohn", "mass", "masses", "reflexes", "p53", "RNAs", "of", "type-2", "α1"),
    ]
)
PHRASE = st.lists(WORD, min_size=1, max_size=4).flatmap(
    lambda words: st.lists(
        st.sampled_from([" ", " ", "-", ", ", "/"]), min_size=len(words), max_size=len(words)
    ).map(lambda gaps: "".join(w + g for w, g in zip(words, gaps, strict=True)).strip(" -,/"))
)
# Names that the index would rewrite or refuse are for the tests below.
NAME = PHRASE.filter(lambda name: ", " not in name and len(name) > 4)
DICTIONARY = st.lists(st.lists(NAME, min_size=1, max_size=3), min_size=1, max_size=12)


@settings(max_examples=150, deadline=None)
@given(names=DICTIONARY, texts=st.lists(st.lists(PHRASE, max_size=6), min_size=1, max_size=4))
def test_it_finds_what_a_slow_reading_finds(
    names: list[list[str]], texts: list[list[str]], tmp_path_factory: pytest.TempPathFactory
) -> None:
    pairs = [(f"C{i:07d}", tuple(synonyms)) for i, synonyms in enumerate(names)]
    matcher = matcher_of(pairs, tmp_path_factory.mktemp("d"), overlaps="all")
    joined = [" ".join(parts) + "." for parts in texts]
    for text, matches in zip(joined, matcher.match(joined).by_text, strict=True):
        assert {(m.start, m.end, frozenset(m.cuis)) for m in matches} == slow_matches(pairs, text)


@settings(max_examples=60, deadline=None)
@given(names=DICTIONARY, text=st.lists(PHRASE, max_size=8).map(" ".join))
def test_longest_matches_do_not_overlap_and_leave_none_out(
    names: list[list[str]], text: str, tmp_path_factory: pytest.TempPathFactory
) -> None:
    pairs = [(f"C{i:07d}", tuple(synonyms)) for i, synonyms in enumerate(names)]
    folder = tmp_path_factory.mktemp("d")
    every = [
        (m.start, m.end) for m in matcher_of(pairs, folder, overlaps="all").match([text]).by_text[0]
    ]
    chosen = [
        (m.start, m.end)
        for m in Matcher(open_dictionary(folder / "dictionary")).match([text]).by_text[0]
    ]
    assert all(a[1] <= b[0] for a, b in pairwise(chosen))
    assert set(chosen) <= set(every)
    for start, end in set(every) - set(chosen):
        assert any(
            (a < end and start < b) and (a < start or (a == start and b >= end)) for a, b in chosen
        ), "what is left out begins inside, or at the start of, a chosen one"


# -- rule by rule


@pytest.mark.parametrize(
    ("name", "text", "expected"),
    [
        ("Myocardial Infarction", "acute myocardial infarctions.", "myocardial infarctions"),
        ("Infarction, Myocardial", "a myocardial infarction", "myocardial infarction"),
        ("Beta-blockers", "a β blocker", "β blocker"),
        ("TNF-alpha", "high TNFα levels", "TNFα"),
        ("Interleukin-6", "interleukin 6 rose", "interleukin 6"),
        ("Alzheimer's disease", "in Alzheimer disease", "Alzheimer disease"),
        ("Alzheimer disease", "in Alzheimer 's disease", "Alzheimer 's disease"),
        ("Alzheimer disease", "in Alzheimer’s disease", "Alzheimer’s disease"),
        ("Ménière disease", "Meniere disease", "Meniere disease"),
        ("Meniere disease", "Me\u0301nie\u0300re disease", "Me\u0301nie\u0300re disease"),
        ("Heart failure (disorder)", "heart failure", "heart failure"),
        ("Anemia, NOS", "mild anemia", "anemia"),
        ("Carbon dioxide CO2", "carbon dioxide CO₂", "carbon dioxide CO₂"),
        ("ALL", "with ALL in remission", "ALL"),
        ("Febrile seizure", "HAD FEBRILE SEIZURES", "FEBRILE SEIZURES"),
        ("急性白血病", "急性白血病 is leukemia", "急性白血病"),
    ],
)
def test_spellings_that_count_as_one(name: str, text: str, expected: str, tmp_path: Path) -> None:
    assert found(matcher_of([("C0000001", (name,))], tmp_path), text) == [(expected, ("C0000001",))]


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("ALL", "all of them"),
        ("All", "All of them"),
        ("HAS", "it has"),
        ("AIDS", "it aids and aid"),
        ("53", "number 53"),
        ("p", "the p value"),
        ("p53", "p538 and xp53"),
        ("cell", "cellular"),
        ("heart attack", "of the heart. Attack came"),
        ("heart attack", "heart, attack"),
        ("renal", "adrenal"),
    ],
)
def test_what_must_not_match(name: str, text: str, tmp_path: Path) -> None:
    names = [("C0000001", (name,)), ("C0000002", ("something else",))]
    assert found(matcher_of(names, tmp_path), text) == []


@pytest.mark.parametrize("name", ["gave", "GAVE", "MARCH"])
def test_acronyms_are_no_ordinary_words_however_a_source_writes_them(
    name: str, tmp_path: Path
) -> None:
    spelled = "gastric antral vascular ectasia"
    matcher = matcher_of([("C0000001", (spelled, name))], tmp_path)
    assert found(matcher, f"She {name.lower()} up.") == []
    assert found(matcher, f"With {name.upper()}.") == [(name.upper(), ("C0000001",))]


def test_names_do_not_run_from_one_text_into_the_next(tmp_path: Path) -> None:
    matcher = matcher_of([("C0000001", ("heart attack",))], tmp_path)
    assert matcher.match(["his heart", "attack", ""]).by_text == [[], [], []]


def test_the_best_written_candidates_win(tmp_path: Path) -> None:
    names = [
        ("C0000001", ("Cold sore", "COLD")),
        ("C0000002", ("Common cold", "Cold")),
        ("C0000003", ("Chill", "colds")),
    ]
    matcher = matcher_of(names, tmp_path)
    assert found(matcher, "COLD") == [("COLD", ("C0000001",))]
    assert found(matcher, "Cold") == [("Cold", ("C0000002",))]
    assert found(matcher, "cold") == [("cold", ("C0000002",))]
    assert found(matcher, "colds") == [("colds", ("C0000003",))]


def test_ambiguity_is_reported_best_rank_first(tmp_path: Path) -> None:
    names = [
        ("C0000001", ("Renal mass", "mass")),
        ("C0000002", ("Mass",)),
        ("C0000003", ("Weight", "Mass")),
    ]
    (match,) = matcher_of(names, tmp_path).match(["a mass"]).by_text[0]
    assert match.cuis == ("C0000001",), "written exactly so"
    (match,) = matcher_of(names, tmp_path).match(["MASS"]).by_text[0]
    assert match.cuis == ("C0000002", "C0000001", "C0000003")
    assert match.preferred == 1
    assert match.cui == "C0000002", "the only one that prefers the name"
    shared = [("C0000001", ("A one", "Mass")), ("C0000002", ("B two", "Mass"))]
    (match,) = matcher_of(shared, tmp_path).match(["mass"]).by_text[0]
    assert match.cui is None
    assert match.cuis == ("C0000001", "C0000002")


def test_withheld_names_are_seen_but_not_linked(tmp_path: Path) -> None:
    withheld = next(f"grey fever {i}" for i in range(99) if is_withheld(f"grey fever {i}", 0.1))
    names = [
        ("C0000001", ("Ague", withheld)),
        ("C0000002", ("fever",)),
    ]
    texts = [f"a {withheld}", f"a {withheld.upper()}", f"the {withheld.replace(' ', '-')}"]
    result = matcher_of(names, tmp_path, withheld=0.1).match([*texts, "a fever", "the ague"])
    assert result.withheld.tolist() == [True, True, True, False, False]
    assert [[m.cui for m in matches] for matches in result.by_text] == [
        *[["C0000002"]] * 4,
        ["C0000001"],
    ]


def test_a_withheld_synonym_that_another_concept_prefers_is_no_secret(tmp_path: Path) -> None:
    withheld = next(f"grey fever {i}" for i in range(99) if is_withheld(f"grey fever {i}", 0.1))
    names = [("C0000001", ("Ague", withheld)), ("C0000003", (withheld.title(),))]
    result = matcher_of(names, tmp_path, withheld=0.1).match([f"a {withheld}"])
    assert result.withheld.tolist() == [False]
    assert [m.cuis for m in result.by_text[0]] == [("C0000003",)]


def test_a_folder_that_is_no_dictionary_is_named(tmp_path: Path) -> None:
    with pytest.raises(BaliError, match="is not a compiled dictionary"):
        open_dictionary(tmp_path)
    with pytest.raises(BaliError, match="the graph has no names"):
        compile_dictionary([], tmp_path / "d", graph_version="g")
    assert not (tmp_path / "d").exists()


def test_a_dictionary_is_compiled_once_however_many_ask_for_it(tmp_path: Path) -> None:
    class Names:
        version = "g"
        asked = 0

        def names(self) -> Iterator[tuple[str, tuple[str, ...]]]:
            self.asked += 1
            yield "C0000001", ("Gout",)

    graph = Names()
    with ThreadPoolExecutor() as pool:
        asks = [pool.submit(graph_dictionary, cast(Graph, graph), tmp_path) for _ in range(4)]
    assert {len(ask.result().cuis) for ask in asks} == {1}
    assert graph.asked == 1
