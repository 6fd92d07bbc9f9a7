"""What the parts of a synthetic release agree on: its size, its seed, its identifiers."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from bali_loaders.releases.synthetic.vocabulary import WORDS_PER_LANGUAGE
from bali_platform.base.mixing import GOLDEN, mix

Ints = npt.NDArray[np.int64]
Bools = npt.NDArray[np.bool_]

CHUNK = 50_000
CROWDED = 120
LAST_EDITION = 40
FIRST_CUI = 1_000_000
RETIRED_CUI = 8_000_000


@dataclass(frozen=True)
class Shape:
    """A release of ``concepts`` concepts, numbered from 0; everything follows from ``seed``.

    Work goes by chunks of concepts. Each (purpose, chunk) has its own counter-based generator, so
    that no part depends on how much another has drawn. Each later ``edition`` of a release adds
    concepts, and retires some or merges them into the next, and leaves all else as it was.
    """

    concepts: int
    seed: int
    edition: int = 0

    @property
    def total(self) -> int:
        """Return how many concepts were ever numbered."""
        return self.concepts + self.edition * (self.concepts // 50 + 1)

    @property
    def version(self) -> str:
        """Return the release's name: two editions a year, from 2030AA."""
        return version_of(self.edition)

    def chunks(self) -> Iterator[Ints]:
        """Yield the numbers of the concepts, a chunk at a time."""
        for first, last in ((0, self.concepts), (self.concepts, self.total)):
            for start in range(first, last, CHUNK):
                yield np.arange(start, min(start + CHUNK, last))

    def random(self, purpose: str, chunk: Ints) -> np.random.Generator:
        """Return the generator of one purpose and chunk."""
        label = int.from_bytes(purpose.encode()[:8], "big")
        key = np.array([self.seed, label], dtype=np.uint64)
        counter = np.array([0, 0, 0, int(chunk[0])], dtype=np.uint64)
        return np.random.Generator(np.random.Philox(key=key, counter=counter))

    def stems(self, concepts: Ints, place: int) -> Ints:
        """Return the word (of one language) at ``place`` in the names of each concept."""
        salt = np.uint64((self.seed * 8 + place) % 2**63)
        return np.asarray(_mixed(concepts, salt) % np.uint64(WORDS_PER_LANGUAGE), dtype=np.int64)

    def atom_counts(self, chunk: Ints) -> Ints:
        """Return how many atoms each concept has: 4.8 on average, every 701st very many."""
        drawn = self.random("counts", chunk).exponential(4.1, len(chunk)).astype(np.int64) + 1
        return np.where(chunk % 701 == 5, CROWDED, drawn)

    @cached_property
    def first_atoms(self) -> Ints:
        """Return the number of each concept's first atom, and the number of atoms at the end."""
        counts = np.concatenate([self.atom_counts(chunk) for chunk in self.chunks()])
        return np.concatenate([np.zeros(1, dtype=np.int64), np.cumsum(counts)])

    def parents(self, concepts: Ints) -> Ints:
        """Return the parent of each concept in the main hierarchy; concept 0 is its own."""
        above = concepts // (3 + concepts % 13)
        return np.where(self.retired_in(above) > 0, 0, above)

    def retired_in(self, concepts: Ints) -> Ints:
        """Return the edition that retired each concept, 0 for those that live."""
        rest = concepts % 499 - 50
        retired = (rest % 2 == 0) & (rest >= 2) & (rest <= 2 * min(self.edition, LAST_EDITION))
        return np.where(retired, rest // 2, 0)

    def merged(self, concepts: Ints) -> Bools:
        """Tell which concepts, once retired, pass their names on to the next concept."""
        return np.asarray((concepts // 499) % 2 == 0)

    @property
    def hub_degree(self) -> int:
        """Edges of each hub: 100,000 in a release of the UMLS's size, fewer in smaller ones."""
        return min(max(100, self.concepts * 100_000 // 3_400_000), self.concepts - 1)


def version_of(edition: int) -> str:
    """Name an edition.

    >>> [version_of(edition) for edition in (-1, 0, 1, 2)]
    ['2029AB', '2030AA', '2030AB', '2031AA']
    """
    return f"{2030 + edition // 2}A{'AB'[edition % 2]}"


def coded(numbers: Ints | Bools, values: Sequence[str]) -> pa.DictionaryArray:
    """Return a column of ``values``, chosen by number."""
    return pa.DictionaryArray.from_arrays(pa.array(numbers.astype(np.int32)), pa.array(values))


def _mixed(numbers: Ints, salt: np.uint64) -> npt.NDArray[np.uint64]:
    return mix(numbers.astype(np.uint64) * np.uint64(GOLDEN) + salt)
