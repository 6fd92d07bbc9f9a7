"""The algorithm of QuickUMLS, for comparison: ``python -m benchmarks.quickumls NAMES TEXTS OUT``.

Soldaini and Goharian, QuickUMLS: a fast, unsupervised approach for medical concept extraction,
MedIR at SIGIR 2016: every run of up to five words that begins and ends with a word that means
something is looked up with SimString (approximate matching by character trigrams, Jaccard of 0.7 at
least), the concept with the most similar name is taken, a preferred name first, and of overlapping
matches the most similar, then longest. Written anew from that description, with the package's own
SimString (``quickumls_simstring``) and its defaults. Unlike the package, it cuts words by a regular
expression where that runs spaCy's tagger, keeps the names' concepts in memory where that asks
LevelDB, and remembers the answers for words that come again: all of which make it faster.
Files: see :func:`benchmarks.others.answer`.
"""

import re
import unicodedata
from collections import defaultdict
from collections.abc import Iterable, Iterator
from functools import lru_cache
from pathlib import Path

from quickumls_simstring import simstring

from benchmarks.others import Concept, Match, answer

WINDOW, SHORTEST, THRESHOLD = 5, 3, 0.7
WORD = re.compile(r"\w+|[^\w\s]")
_STOP = """
    a about above after again against all am an and any are as at be because been before being
    below between both but by can could did do does doing down during each few for from further had
    has have having he her here hers him his how i if in into is it its itself just me more most my
    no nor not now of off on once only or other our ours out over own same she should so some such
    than that the their theirs them then there these they this those through to too under until up
    very was we were what when where which while who whom why will with you your yours
"""
STOP = frozenset(_STOP.split())


class Names:
    """The names of concepts in a SimString database."""

    def __init__(self, concepts: Iterable[Concept], folder: Path) -> None:
        self.concepts: defaultdict[str, dict[str, bool]] = defaultdict(dict)
        for cui, names in concepts:
            for place, name in enumerate(names):
                preferred = self.concepts[plain(name)].get(cui, False) or place == 0
                self.concepts[plain(name)][cui] = preferred
        path = str(folder / "names.simstring")
        writer = simstring.writer(path, 3, False, True)
        for name in self.concepts:
            writer.insert(name)
        writer.close()
        self.database = simstring.reader(path)
        self.database.measure = simstring.jaccard
        self.database.threshold = THRESHOLD
        self.best = lru_cache(maxsize=1_000_000)(self._best)

    def _best(self, text: str) -> tuple[float, str] | None:
        """Return the similarity and concept of the best name, or None."""
        found: list[tuple[float, float, str]] = []
        for name in self.database.retrieve(text):
            alike = similarity(text, name)
            found += [
                (alike + preferred, alike, cui) for cui, preferred in self.concepts[name].items()
            ]
        return max(found)[1:] if found else None


def plain(text: str) -> str:
    """Take case and what is no ASCII away."""
    return unicodedata.normalize("NFKD", text).encode("ascii", "ignore").decode().lower()


def similarity(one: str, other: str) -> float:
    """Return the Jaccard similarity of character trigrams."""
    ours, theirs = (
        {text[i : i + 3] for i in range(max(1, len(text) - 2))} for text in (one, other)
    )
    return len(ours & theirs) / len(ours | theirs)


def candidates(text: str) -> Iterator[tuple[int, int]]:
    """Yield (start, end) of every run of words that may be a name."""
    words = [(m.start(), m.end(), m.group()) for m in WORD.finditer(text)]
    for i, (start, _, first) in enumerate(words):
        if not first[0].isalnum() or first.isdigit() or first.lower() in STOP:
            continue
        for _, end, last in words[i : i + WINDOW]:
            if last in ".,;:!?":
                break
            if last[-1].isalnum() and last.lower() not in STOP and end - start >= SHORTEST:
                yield start, end


def match(names: Names, text: str) -> list[Match]:
    """Return (start, end, concept) of what is found in a sentence."""
    found = []
    for start, end in candidates(text):
        best = names.best(plain(text[start:end]))
        if best:
            found.append((best[0], end - start, start, end, best[1]))
    chosen: list[Match] = []
    for _, _, start, end, cui in sorted(found, reverse=True):
        if all(end <= low or high <= start for low, high, _ in chosen):
            chosen.append((start, end, cui))
    return sorted(chosen)


if __name__ == "__main__":
    answer(Names, match)
