"""What is asked of a run's model beside its dev batches."""

from __future__ import annotations

from pathlib import Path

import pytest

from bali_platform.base.errors import UsageError
from bali_platform.subgraphs import Edge, Lookup, Neighbourhood
from bali_platform.text.corpus import Mention, Sentence, write_corpus
from bali_trainers.batches.linking_task import draw_linking_task

CONCEPTS = {
    "C1": Neighbourhood(
        "C1", ("heart attack", "myocardial infarction"), (Edge("C2", "ISA", True),)
    ),
    "C2": Neighbourhood("C2", ("heart disease", "cardiopathy"), (Edge("C1", "ISA", False),)),
    "C3": Neighbourhood("C3", ("headache",), ()),
}


class Source:
    """A graph of three concepts, one of which has replaced another."""

    graph_version = "g"

    def neighbourhoods(self, cuis: list[str]) -> Lookup:
        live = {cui: {"OLD": "C3"}.get(cui, cui) for cui in cuis}
        return Lookup({c: CONCEPTS[to] for c, to in live.items() if to in CONCEPTS}, ())

    def names(self, cuis: list[str]) -> dict[str, tuple[str, ...]]:
        return {cui: CONCEPTS[cui].names for cui in cuis}

    def concepts_with_synonyms(self) -> None:
        raise NotImplementedError


@pytest.fixture
def corpus(tmp_path: Path) -> Path:
    said = [
        ("Myocardial infarction (MI).", [Mention(0, 21, "C1")]),
        ("MI again.", [Mention(0, 2, "C1")]),
        ("Pain and nothing.", [Mention(0, 4, "OLD"), Mention(9, 16, "GONE")]),
    ]
    sentences = [Sentence("d", n, text, tuple(found)) for n, (text, found) in enumerate(said)]
    write_corpus(tmp_path / "dev", sentences, name="dev", graph_version="g", details={})
    return tmp_path / "dev"


def test_what_is_mentioned_is_looked_for_among_its_names_and_its_neighbours(corpus: Path) -> None:
    task = draw_linking_task(corpus, Source(), mentions=10, names=4)
    assert task.mentions == {
        "Myocardial infarction": ("C1",),
        "Pain": ("C3",),
    }, "an abbreviation is its long form; retired concepts are followed, unknown ones left out"
    assert task.concepts == {
        "C1": ("heart attack", "myocardial infarction"),
        "C2": ("heart disease",),
        "C3": ("headache",),
    }


def test_a_task_has_bounds(corpus: Path) -> None:
    task = draw_linking_task(corpus, Source(), mentions=1, names=1)
    assert task.mentions == {"Pain": ("C3",)}, "the other one equals a name of its concept"
    assert task.concepts == {"C3": ("headache",)}


def test_a_corpus_of_unknown_concepts_is_refused(tmp_path: Path) -> None:
    sentence = Sentence("d", 0, "Nothing.", (Mention(0, 7, "GONE"),))
    write_corpus(tmp_path / "dev", [sentence], name="dev", graph_version="g", details={})
    with pytest.raises(UsageError, match="mentions no concept of this graph"):
        draw_linking_task(tmp_path / "dev", Source(), mentions=1, names=1)
