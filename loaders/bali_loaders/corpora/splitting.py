"""A corpus cut by document: to train on, to choose settings on, and to test on."""

from __future__ import annotations

from pathlib import Path

from bali_platform.base.errors import BaliError
from bali_platform.text.corpus import CorpusInfo, open_corpus, read_sentences, write_corpus

_PARTS = ("train", "dev", "test")


def split_corpus(corpus: Path, folder: Path, *, every: int = 10) -> dict[str, CorpusInfo]:
    """Write the corpora ``train``, ``dev`` and ``test`` to ``folder``.

    Of the documents, sorted by id as text, the first of each ``every`` goes to ``test``, the one in
    the middle to ``dev``, the others to ``train``. Raises :class:`BaliError` where there are too
    few for all three.
    """
    info = open_corpus(corpus)
    documents = sorted({sentence.document for sentence in read_sentences(corpus)})
    kind = {0: "test", every // 2: "dev"}
    part = {name: kind.get(place % every, "train") for place, name in enumerate(documents)}
    if missing := set(_PARTS) - set(part.values()):
        raise BaliError(
            f"{corpus} has {len(documents)} documents, too few for every {every}th to be set "
            f"apart: there would be none in {sorted(missing)[0]}"
        )
    return {
        wanted: write_corpus(
            folder / wanted,
            (s for s in read_sentences(corpus) if part[s.document] == wanted),
            name=f"{info.name}, {wanted}",
            graph_version=info.graph_version,
            details={**info.details, "split": f"{wanted}, every {every}"},
        )
        for wanted in _PARTS
    }
