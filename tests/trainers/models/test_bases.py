"""The model folders that people have: what is read of them, and what is refused in a line."""

from __future__ import annotations

import json
import shutil
import sys
from collections.abc import Callable
from contextlib import AbstractContextManager
from pathlib import Path
from typing import ClassVar

import numpy as np
import pytest
from transformers import AutoModelForMaskedLM, AutoTokenizer

from bali_platform.base.errors import BaliError, UsageError
from bali_platform.base.progress import Quiet, Step
from bali_trainers.inference import embedding
from bali_trainers.inference.embedding import NameEncoder, Setup
from bali_trainers.models.bases import (
    name_pooling,
    require_fit,
    require_model,
    require_packed,
    require_pooling,
    tokenizer_folder,
    usable_positions,
    word_pieces,
)

NAMES = ["w1 w2", "w3", "w4 w5 w6"]


@pytest.fixture
def folder(tiny_model: Callable[..., Path], tmp_path: Path) -> Path:
    return Path(shutil.copytree(tiny_model(), tmp_path / "model"))


def write(path: Path, content: object) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(content))


def edit(path: Path, **values: object) -> None:
    write(path, {**json.loads(path.read_text()), **values})


def without_special_tokens(folder: Path) -> None:
    write(folder / "tokenizer_config.json", {"tokenizer_class": "BertTokenizer"})


def test_special_tokens_are_those_of_auto_tokenizer(folder: Path) -> None:
    without_special_tokens(folder)
    theirs = AutoTokenizer.from_pretrained(folder)
    ours = word_pieces(str(folder))
    assert ours.special_id("pad") == theirs.pad_token_id
    assert ours.special_id("mask") == theirs.mask_token_id


def test_a_pad_token_may_be_named_by_its_number_alone(folder: Path) -> None:
    write(folder / "tokenizer_config.json", {"tokenizer_class": "PreTrainedTokenizerFast"})
    assert word_pieces(str(folder)).special_id("pad") == 0
    edit(folder / "config.json", pad_token_id=None)
    with pytest.raises(BaliError, match="has no pad token"):
        word_pieces(str(folder))


def test_a_folder_without_a_tokenizer_is_told(folder: Path) -> None:
    for file in folder.glob("tokenizer*"):
        file.unlink()
    with pytest.raises(BaliError, match="has no tokenizer: put its"):
        word_pieces(str(folder))


@pytest.mark.parametrize("vocabulary", ["spm.model", "vocab.txt", "x.tiktoken"])
def test_a_tokenizer_without_words_is_refused(
    folder: Path, tmp_path: Path, vocabulary: str
) -> None:
    for file in folder.glob("tokenizer*"):
        file.unlink()
    (folder / vocabulary).touch()
    with pytest.raises(BaliError, match=f"'{folder}' has special tokens only"):
        word_pieces(str(folder))
    with pytest.raises(BaliError, match=f"'{folder}' has special tokens only"):
        require_fit(str(folder), tokenizer_folder(str(folder), tmp_path / "kept"), {})


@pytest.mark.parametrize("damage", ["", "{}", '{"model": 1}', "no JSON"])
def test_a_damaged_tokenizer_is_told_in_a_line(folder: Path, damage: str) -> None:
    (folder / "tokenizer.json").write_text(damage)
    with pytest.raises(BaliError, match=f"{folder} has no readable tokenizer"):
        word_pieces(str(folder))
    edit(folder / "tokenizer_config.json", pad_token=None)
    with pytest.raises(BaliError, match="could not be loaded") as told:
        word_pieces(str(folder))
    assert "\n" not in str(told.value)


def test_a_tokenizer_that_says_everything_stays_where_it_is(folder: Path, tmp_path: Path) -> None:
    assert tokenizer_folder(str(folder), tmp_path / "kept") == folder.resolve()
    without_special_tokens(folder)
    assert tokenizer_folder(str(folder), tmp_path / "kept").parent == tmp_path / "kept"


@pytest.mark.parametrize("shards", [False, True])
def test_weights_may_be_in_parts(folder: Path, shards: bool) -> None:
    whole = NameEncoder(str(folder)).encode(NAMES).vectors
    model = AutoModelForMaskedLM.from_pretrained(folder)
    (folder / "model.safetensors").unlink()
    model.save_pretrained(folder, max_shard_size="4KB" if shards else "1GB")
    np.testing.assert_array_equal(NameEncoder(str(folder)).encode(NAMES).vectors, whole)
    if shards:
        next(folder.glob("model-*.safetensors")).unlink()
        with pytest.raises(BaliError, match="lacks a part of its weights, model-0"):
            require_model(str(folder))


def test_adapters_are_no_model(folder: Path) -> None:
    (folder / "model.safetensors").rename(folder / "adapter_model.safetensors")
    write(folder / "adapter_config.json", {"base_model_name_or_path": "some/base"})
    with pytest.raises(BaliError, match=r"holds adapters, not a model: .*merges .*some/base"):
        require_model(str(folder))


@pytest.mark.parametrize("name", ["0_Transformer", "0_BERT"])
def test_the_old_layout_of_sentence_transformers_is_named(folder: Path, name: str) -> None:
    inner = folder.parent / "old" / name
    shutil.copytree(folder, inner)
    write(inner.parent / "1_Pooling" / "config.json", {"pooling_mode_cls_token": True})
    with pytest.raises(BaliError, match=f"in a folder of its own: name .*{name}"):
        NameEncoder(str(inner.parent))
    first = states(inner, 0)
    np.testing.assert_allclose(
        NameEncoder(str(inner)).encode(NAMES[1:2]).vectors[0], first, 0, 2e-6
    )


@pytest.mark.parametrize(
    ("pooling", "wanted"),
    [
        ({"pooling_mode_cls_token": True, "pooling_mode_mean_tokens": False}, 0),
        ({"pooling_mode": "cls"}, 0),
        ({"pooling_mode_mean_tokens": True}, None),
    ],
)
def test_names_are_pooled_as_the_model_says(
    folder: Path, pooling: dict[str, object], wanted: int | None
) -> None:
    write(folder / "1_Pooling" / "config.json", pooling)
    vector = NameEncoder(str(folder)).encode(NAMES[1:2]).vectors[0]
    np.testing.assert_allclose(vector, states(folder, wanted), atol=2e-6)


def test_how_names_are_pooled_is_told(folder: Path) -> None:
    class Heard(Quiet):
        said: ClassVar[list[str]] = []

        def say(self, message: str) -> None:
            self.said.append(message)

    NameEncoder(str(folder), Setup(reporter=Heard()))
    write(folder / "1_Pooling" / "config.json", {"pooling_mode_cls_token": True})
    NameEncoder(str(folder), Setup(reporter=Heard()))
    kinds = {"": "Transformer", "1_Pooling": "Pooling", "2_Dense": "Dense", "3": "Normalize"}
    modules = [{"path": p, "type": f"sentence_transformers.models.{k}"} for p, k in kinds.items()]
    write(folder / "modules.json", modules)
    NameEncoder(str(folder), Setup(reporter=Heard()))
    plain, own, more = Heard.said
    assert plain.endswith("are the means of their tokens (it has no 1_Pooling)")
    assert own.endswith("are those of the first token (as its 1_Pooling says)")
    assert more.endswith("(as its 1_Pooling says; its 2_Dense is left out)")


def test_many_names_are_cut_into_pieces_bit_by_bit(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    whole = NameEncoder(str(folder)).encode([*NAMES, NAMES[0]])
    monkeypatch.setattr(embedding, "_NAMES_AT_ONCE", 2)
    parts = NameEncoder(str(folder)).encode([*NAMES, NAMES[0]])
    np.testing.assert_array_equal(parts.vectors, whole.vectors)
    np.testing.assert_array_equal(parts.row, whole.row)


def test_another_pooling_is_refused(folder: Path) -> None:
    write(folder / "1_Pooling" / "config.json", {"pooling_mode_max_tokens": True})
    with pytest.raises(BaliError, match="pooling by max is not read"):
        NameEncoder(str(folder))


def states(folder: Path, column: int | None) -> np.ndarray:
    model = AutoModelForMaskedLM.from_pretrained(folder).eval()
    inputs = AutoTokenizer.from_pretrained(folder)(NAMES[1], return_tensors="pt")
    found = model.base_model(**inputs).last_hidden_state[0].detach().numpy()
    vector = found.mean(0) if column is None else found[column]
    return np.asarray(vector / np.linalg.norm(vector))


def test_positions_are_those_that_texts_can_have() -> None:
    assert usable_positions({"model_type": "bert", "max_position_embeddings": 512}) == 512
    shifted = {"model_type": "xlm-roberta", "max_position_embeddings": 514, "pad_token_id": 1}
    assert usable_positions(shifted) == 512
    assert usable_positions({"model_type": "mpnet", "max_position_embeddings": 514}) == 512
    assert usable_positions({"model_type": "t"}) == sys.maxsize


def test_what_does_not_fit_a_model_is_refused(folder: Path) -> None:
    require_fit(str(folder), folder, {"[data] max_length": 64})
    with pytest.raises(BaliError, match=r"positions for 64 pieces, \[data\] max_length is 65"):
        require_fit(str(folder), folder, {"[data] max_length": 65})
    edit(folder / "config.json", vocab_size=99)
    with pytest.raises(BaliError, match="has 100 word pieces, its embedding 99"):
        require_fit(str(folder), folder, {})


@pytest.mark.parametrize("family", ["t5", "bart", "gpt2", "llama", "vit", "my-own", None])
def test_other_families_are_refused(folder: Path, family: str | None) -> None:
    edit(folder / "config.json", model_type=family)
    with pytest.raises(UsageError, match=f"of the family {family}, no encoder"):
        require_model(str(folder))


def test_a_decoder_is_refused_whatever_its_family(folder: Path) -> None:
    edit(folder / "config.json", is_decoder=True)
    with pytest.raises(UsageError, match="no encoder"):
        require_model(str(folder))


def test_a_special_token_that_is_needed_and_missing_is_told(folder: Path, tmp_path: Path) -> None:
    edit(folder / "tokenizer_config.json", mask_token=None)
    kept = tokenizer_folder(str(folder), tmp_path / "kept")
    require_fit(str(folder), kept, {}, ["pad"])
    with pytest.raises(BaliError, match="the tokenizer has no mask token"):
        require_fit(str(folder), kept, {}, ["pad", "mask"])


def test_packing_is_refused_for_relative_positions(folder: Path) -> None:
    require_packed(str(folder))
    edit(folder / "config.json", model_type="deberta-v2")
    with pytest.raises(UsageError, match="family deberta-v2 cannot be packed"):
        require_packed(str(folder))


def test_the_same_names_are_encoded_once(folder: Path, tmp_path: Path) -> None:
    class Watched(Quiet):
        def __init__(self) -> None:
            self.encoded: list[float | None] = []

        def step(self, title: str, total: float | None = None) -> AbstractContextManager[Step]:
            self.encoded += [total] if title == "encode names" else []
            return super().step(title, total)

    plain = NameEncoder(str(folder)).encode_both(NAMES, ["w3", "w9"])
    reporter = Watched()
    setup = Setup(cache=tmp_path / "vectors", reporter=reporter)
    first = NameEncoder(str(folder), setup).encode_both(NAMES, ["w3", "w9"])
    assert reporter.encoded == [3, 1], "what is in the dictionary is looked up there"
    again = NameEncoder(str(folder), setup).encode_both(NAMES, ["w3", "w9"])
    assert reporter.encoded == [3, 1]
    NameEncoder(str(folder), setup).encode_both(NAMES, ["w8"])
    assert reporter.encoded == [3, 1, 1]
    for one, two, three in zip(plain, first, again, strict=True):
        np.testing.assert_array_equal(one.vectors[one.row], two.vectors[two.row])
        np.testing.assert_array_equal(one.vectors[one.row], three.vectors[three.row])
    shared = first[1].vectors[first[1].row[0]]
    np.testing.assert_array_equal(shared, first[0].vectors[first[0].row[1]])


def test_a_name_on_the_hub_is_known_by_what_is_cached_of_it(
    folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    write(folder / "1_Pooling" / "config.json", {"pooling_mode_cls_token": True})
    monkeypatch.setattr("huggingface_hub.snapshot_download", lambda name, **_: str(folder))
    assert name_pooling("some/model") == "cls"
    with pytest.raises(UsageError, match="positions for 64 pieces"):
        require_fit("some/model", folder, {"[data] max_length": 65})
    kept = tokenizer_folder("some/model", tmp_path / "kept")
    assert kept.parent == tmp_path / "kept", "for workers elsewhere"
    edit(folder / "config.json", model_type="t5")
    with pytest.raises(UsageError, match="of the family t5"):
        require_model("some/model")


def test_what_is_neither_a_folder_nor_a_name_is_told() -> None:
    with pytest.raises(UsageError, match="'m/bert/base' is neither a folder here nor a name"):
        require_model("m/bert/base")


def test_first_tokens_are_not_read_where_means_are(folder: Path) -> None:
    require_pooling(str(folder), "first")
    write(folder / "1_Pooling" / "config.json", {"pooling_mode_mean_tokens": True})
    with pytest.raises(UsageError, match=r"pooling = 'first': model .* by their mean"):
        require_pooling(str(folder), "first")
    write(folder / "graph_encoder" / "config.json", {"pooling": "first"})
    require_pooling(str(folder), "first")
