"""A spec made on one machine, read on another."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

from bali_platform.base.settings import Settings
from bali_trainers.batches.builder import BatchBuilder
from bali_trainers.batches.places import NotHereError, locate, tokenizer_sha
from bali_trainers.batches.spec import DataSpec

MakeSpec = Callable[..., DataSpec]


@pytest.fixture
def elsewhere(make_spec: MakeSpec) -> DataSpec:
    """A spec whose paths exist on another machine only."""
    spec = make_spec()
    there = {"corpus": Path("/there/corpus"), "tokenizer": Path("/there/tokenizer")}
    return spec.model_copy(update=there | {"tokenizer_sha": tokenizer_sha(spec.tokenizer)})


def test_what_the_spec_names_comes_first(make_spec: MakeSpec, tmp_path: Path) -> None:
    spec = make_spec()
    spec = spec.model_copy(update={"tokenizer_sha": tokenizer_sha(spec.tokenizer)})
    assert locate(spec, Settings(home=tmp_path)) == spec


def test_copies_are_known_by_what_they_hold(
    elsewhere: DataSpec, corpus: Path, graph: object, tmp_path: Path
) -> None:
    copy = tmp_path / "corpora" / "under another name"
    (tmp_path / "corpora" / "a stray file").parent.mkdir()
    (tmp_path / "corpora" / "a stray file").touch()
    shutil.copytree(corpus, copy)
    found = locate(elsewhere, Settings(home=tmp_path))
    assert found.corpus == copy
    assert tokenizer_sha(found.tokenizer) == elsewhere.tokenizer_sha, "the packaged one"
    assert BatchBuilder(found, graph).steps_per_epoch > 0


def test_a_tokenizer_is_found_in_the_home(
    elsewhere: DataSpec, make_spec: MakeSpec, corpus: Path, tmp_path: Path
) -> None:
    own = tmp_path / "tokenizers" / "own"
    shutil.copytree(make_spec().tokenizer, own)
    (own / "tokenizer_config.json").write_text("{}")
    wanted = {"corpus": corpus, "tokenizer_sha": tokenizer_sha(own)}
    assert locate(elsewhere.model_copy(update=wanted), Settings(home=tmp_path)).tokenizer == own


def test_what_is_missing_is_named(elsewhere: DataSpec, tmp_path: Path) -> None:
    with pytest.raises(NotHereError, match=r"neither /there/corpus nor a copy .* into .*corpora"):
        locate(elsewhere, Settings(home=tmp_path))


def test_a_folder_that_has_changed_is_left_to_its_reader(
    make_spec: MakeSpec, tmp_path: Path
) -> None:
    spec = make_spec(corpus_sha="another")
    assert locate(spec, Settings(home=tmp_path)).corpus == spec.corpus
