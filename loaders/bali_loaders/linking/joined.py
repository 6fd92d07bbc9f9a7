"""Several documents as one text, so that each character is looked at for all of them at once."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cache, cached_property
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

from bali_loaders.linking.characters import TABLE_SIZE
from bali_platform.base.consecutive import spell_out

Positions = NDArray[np.int64]
Flags = NDArray[np.bool_]
LINE_BREAKS = "\n\r\v\f\x85\u2028\u2029"
SPACES = "".join(character for character in map(chr, range(TABLE_SIZE)) if character.isspace())


@dataclass(frozen=True)
class Joined:
    """D documents as one text: a line break comes before the first and after each.

    Attributes:
        text: All of it.
        code: [C] its code points.
        origins: [D + 1] where documents begin; the last is the length of the text.
    """

    text: str
    code: NDArray[np.uint32]
    origins: Positions

    @classmethod
    def of(cls, texts: Sequence[str]) -> Joined:
        """Join documents."""
        text = "\n".join(["", *texts, ""])
        code = np.frombuffer(text.encode("utf-32-le", "surrogatepass"), dtype=np.uint32)
        return cls(text, code, np.cumsum([1, *(len(text) + 1 for text in texts)]))

    def blanked(self, start: Positions, end: Positions) -> Joined:
        """Put the character NUL in place of all between ``start`` and ``end``, [spans] each."""
        code = self.code.copy()
        code[spell_out(start, end - start)[1]] = 0
        return Joined(code.tobytes().decode("utf-32-le", "surrogatepass"), code, self.origins)

    @cached_property
    def small(self) -> NDArray[np.intp]:
        """The code points as indices of tables, [C]: those too great are the last entry."""
        return np.minimum(self.code, TABLE_SIZE).astype(np.intp)  # the type that indexes fastest

    def at(self, characters: str) -> Positions:
        """Return where any of some characters stands."""
        if len(characters) == 1:
            return np.flatnonzero(self.code == ord(characters))
        return np.flatnonzero(_members(characters)[self.small])

    def outside(self, characters: str) -> Positions:
        """Return where any other character stands."""
        return np.flatnonzero(~_members(characters)[self.small])

    def has(self, characters: str, at: Positions) -> Flags:
        """Tell at which positions one of some characters stands; none does beyond the text."""
        mask: Flags = _members(characters)[self.small.take(at, mode="clip")]
        return mask

    def document(self, at: Positions) -> Positions:
        """Return the document that each position is in; the break after it belongs to it."""
        found: Positions = np.searchsorted(self.origins, at, side="right") - 1
        return found

    def documents(self) -> Iterator[str]:
        """Yield the text of each document."""
        for start, after in pairwise(self.origins.tolist()):
            yield self.text[start : after - 1]

    def matches(self, pattern: re.Pattern[str], at: Positions) -> Iterator[re.Match[str]]:
        """Yield the matches that begin at some ascending positions, as ``finditer`` would.

        The break before a document belongs to it here; none is left.
        """
        document = np.minimum(self.document(at + 1), len(self.origins) - 2)
        ends = self.origins[document + 1] - 1
        match, text, after = pattern.match, self.text, 0
        for start, end in zip(at.tolist(), ends.tolist(), strict=True):
            if start >= after and (found := match(text, start, end)):
                after = found.end()
                yield found


@cache
def _members(characters: str) -> Flags:
    mask = np.zeros(TABLE_SIZE + 1, dtype=bool)
    mask[[ord(character) for character in characters]] = True
    return mask
