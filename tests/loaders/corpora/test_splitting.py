"""Corpora cut by document."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from bali_loaders.corpora import split_corpus
from bali_platform.base.errors import BaliError
from bali_platform.text.corpus import Mention, Sentence, read_sentences, write_corpus


def write(folder: Path, documents: list[str]) -> Path:
    sentences = [
        Sentence(name, number, f"{name} {number}", (Mention(0, 1, "C1"),))
        for number in range(2)
        for name in documents
    ]
    details = {"withheld": 0.1}
    write_corpus(folder, sentences, name="all", graph_version="g", details=details)
    return folder


def test_every_tenth_document_is_set_apart(tmp_path: Path) -> None:
    numbers = list(range(100, 125))
    corpus = write(tmp_path / "all", [str(n) for n in numbers])
    infos = split_corpus(corpus, tmp_path / "parts")
    found = {
        part: sorted({int(s.document) for s in read_sentences(tmp_path / "parts" / part)})
        for part in ("train", "dev", "test")
    }
    assert found["test"] == [100, 110, 120]
    assert found["dev"] == [105, 115]
    assert found["train"] == [n for n in numbers if n % 5]
    assert infos["train"].details["withheld"] == 0.1, "what training must know stays known"
    assert infos["test"].graph_version == "g"


@settings(max_examples=20, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(count=st.integers(0, 9), every=st.integers(3, 12))
def test_no_sentence_is_lost_or_in_two_parts(tmp_path: Path, count: int, every: int) -> None:
    corpus = write(tmp_path / "all", [f"d{n}" for n in range(count)])
    if count <= every // 2 or count < 3:
        with pytest.raises(BaliError, match="too few"):
            split_corpus(corpus, tmp_path / "parts", every=every)
        return
    split_corpus(corpus, tmp_path / "parts", every=every)
    parts = [s for p in ("train", "dev", "test") for s in read_sentences(tmp_path / "parts" / p)]
    everything = list(read_sentences(corpus))
    assert sorted(parts, key=repr) == sorted(everything, key=repr)
