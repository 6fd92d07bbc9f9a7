"""What the shipped tables say of the words of notes: abbreviations, lay words, brand names."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from functools import cached_property
from itertools import compress

import numpy as np
from numpy.typing import NDArray

from bali_loaders.linking.choosing import Answer
from bali_loaders.linking.dictionary import Dictionary, phrase_dictionary
from bali_loaders.linking.lexicon import Sense, senses
from bali_loaders.linking.matcher import Indices, best_entries, find_names, keys_of
from bali_loaders.linking.words import Words

Flags = NDArray[np.bool_]
Meaning = tuple[tuple[int, ...], Answer | None]


@dataclass(frozen=True)
class Wording:
    """The tables' phrases, P of them, and the words that some of their meanings need.

    Attributes:
        table: Both; a concept is a phrase's index, and words come after the phrases.
        usual: [P] what each means in any document; None where nothing is to be linked.
        meanings: Of phrases that mean several things, each with the keys of the words it needs.
        needed: [keys of the table] True for those words.
    """

    table: Dictionary
    usual: NDArray[np.object_]
    meanings: Mapping[int, list[Meaning]]
    needed: Flags

    @classmethod
    def of(cls, answers: Callable[[Iterable[str]], Mapping[str, Answer]]) -> Wording:
        """Read the tables; ``answers`` tells which names a graph has, and what they mean."""
        every = list(senses().values())
        known = answers({n for own in every for sense in own for n in sense.names})
        usual = (_first(own[0], known) for own in every)
        support = sorted({word for own in every for sense in own for word in sense.support})
        alone = keys_of(phrase_dictionary(list(senses())), support) < 0
        table = phrase_dictionary([*senses(), *compress(support, alone)])
        keys = dict(zip(support, keys_of(table, support).tolist(), strict=True))
        needed = np.zeros(len(table.keys), dtype=bool)
        needed[list(keys.values())] = True
        meanings = {
            at: [(tuple(keys[word] for word in s.support), _first(s, known)) for s in own]
            for at, own in enumerate(every)
            if own[0].support
        }
        return cls(table, np.fromiter(usual, object, count=len(every)), meanings, needed)

    def find(
        self, words: Words, stopped: frozenset[str]
    ) -> tuple[Indices, Indices, NDArray[np.object_]]:
        """Return first word, last word and meaning of the phrases in some texts."""
        first, last, key = find_names(self.table, words)
        text = words.text[first]
        needed = self.needed[key]
        there = set(zip(text[needed].tolist(), key[needed].tolist(), strict=True))
        asked = ~np.isin(key, keys_of(self.table, sorted(stopped)))
        match, entry = best_entries(self.table, words, first, last, key)
        phrase = self.table.concept[entry]
        own = asked[match] & (phrase < len(self.usual))
        match, phrase = match[own], phrase[own]
        answers = self.usual[phrase]
        known = np.ones(len(phrase), dtype=bool)
        for at in np.flatnonzero(self._depends[phrase]).tolist():
            place, meanings = int(text[match[at]]), self.meanings[int(phrase[at])]
            fitting = [
                answer
                for support, answer in meanings
                if not support or any((place, word) in there for word in support)
            ]
            known[at] = bool(fitting)
            answers[at] = fitting[0] if fitting else None
        return first[match[known]], last[match[known]], answers[known]

    @cached_property
    def _depends(self) -> Flags:
        mask = np.zeros(len(self.usual), dtype=bool)
        mask[list(self.meanings)] = True
        return mask


def _first(sense: Sense, answers: Mapping[str, Answer]) -> Answer | None:
    known = next((answers[name] for name in sense.names if name in answers), None)
    return known and known._replace(score=1.0)  # the table says what is meant
