"""What people decide about mentions that the linker was unsure of: a table, and gold made of it."""

from __future__ import annotations

import csv
from collections import Counter
from collections.abc import Iterator
from dataclasses import replace
from itertools import chain
from pathlib import Path
from typing import NamedTuple

from bali_loaders.releases.quoting import quoting_of
from bali_platform.base.errors import BaliError
from bali_platform.base.files import new_file, writing
from bali_platform.text.corpus import Mention, Sentence, read_sentences

NOTHING = "-"
"""The decision that a mention names no concept."""

COLUMNS = ("document", "sentence", "start", "end", "mention", "candidates", "decision", "context")
_AROUND = 80


class Place(NamedTuple):
    """Where a mention is: characters of a document's sentence."""

    document: str
    sentence: int
    start: int
    end: int


class Doubt(NamedTuple):
    """A mention to decide about, its likelier candidates first, and how sure the linker was."""

    place: Place
    mention: str
    candidates: tuple[str, ...]
    score: float
    context: str

    @property
    def told(self) -> dict[str, object]:
        """What a person is told of it, beside its place."""
        return dict(zip(self._fields[1:], self[1:], strict=True))


class Review:
    """Doubts about the mentions of a corpus, the greatest first, and what was decided.

    Decisions are kept in a table, a line each, which may also be written by hand: a later line
    about a mention takes the place of an earlier one.

    Args:
        corpus: a linked corpus.
        table: tab-separated :data:`COLUMNS`; may be missing.
        below: mentions of a lower score are doubtful, and so is every name of several concepts.

    Raises:
        BaliError: the table is no such table, or decides about another corpus.
    """

    def __init__(self, corpus: Path, table: Path, below: float) -> None:
        self._corpus, self._table = corpus, table
        found = chain.from_iterable(map(_doubts, read_sentences(corpus)))
        sure = (doubt for doubt in found if doubt.score < below or len(doubt.candidates) > 1)
        self.doubts = sorted(sure, key=lambda doubt: doubt.score)
        self.decisions: dict[Place, str] = {}
        if table.exists():
            self._read({doubt.place for doubt in self.doubts})
        self.save()

    @property
    def open(self) -> list[Doubt]:
        """The doubts that nothing is decided about."""
        return [doubt for doubt in self.doubts if doubt.place not in self.decisions]

    def decide(self, doubt: Doubt, decision: str) -> None:
        """Take a decision, a CUI or :data:`NOTHING`, and keep it at once."""
        self.decisions[doubt.place] = decision
        with writing(self._table), self._table.open("a", encoding="utf-8", newline="") as file:
            csv.writer(file, delimiter="\t").writerow(self._row(doubt))

    def save(self) -> None:
        """Write the table anew, a line for each doubt."""
        with (
            writing(self._table),
            new_file(self._table) as building,
            building.open("w", encoding="utf-8", newline="") as file,
        ):
            rows = csv.writer(file, delimiter="\t")
            rows.writerow(COLUMNS)
            rows.writerows(map(self._row, self.doubts))

    def gold(self, counts: Counter[str]) -> Iterator[Sentence]:
        """Yield the sentences without an open doubt, as decided."""
        undecided = {doubt.place[:2] for doubt in self.open}
        for sentence in read_sentences(self._corpus):
            if (sentence.document, sentence.sentence) in undecided:
                counts["sentences with an open doubt"] += 1
            else:
                yield self._decided(sentence)

    def _decided(self, sentence: Sentence) -> Sentence:
        decided = {
            doubt.place[2:]: decision
            for doubt in _doubts(sentence)
            if (decision := self.decisions.get(doubt.place))
        }
        spans = {(m.start, m.end) for m in sentence.mentions}
        added = [Mention(*span, cui) for span, cui in decided.items() if span not in spans]
        chosen = (
            _with_decision(m, decided.get((m.start, m.end))) for m in (*sentence.mentions, *added)
        )
        mentions = sorted((m for m in chosen if m.cui != NOTHING), key=lambda m: (m.start, m.end))
        return replace(sentence, mentions=tuple(dict.fromkeys(mentions)), omitted=())

    def _row(self, doubt: Doubt) -> tuple[object, ...]:
        decision = self.decisions.get(doubt.place, "")
        candidates = " ".join(doubt.candidates)
        return (*doubt.place, doubt.mention, candidates, decision, doubt.context)

    def _read(self, known: set[Place]) -> None:
        try:
            with self._table.open(encoding="utf-8-sig", newline="") as file:
                quoting = quoting_of(file, "\t")
                file.seek(0)
                rows = csv.DictReader(file, delimiter="\t", quoting=quoting)
                for row in rows:
                    if decision := row["decision"].strip():
                        place = Place(row["document"], *(int(row[at]) for at in COLUMNS[1:4]))
                        self._take(place, decision, known, rows.line_num)
        except (OSError, ValueError, KeyError, TypeError, AttributeError, csv.Error) as error:
            raise BaliError(
                f"{self._table} is no table of decisions ({error!r}): its columns are "
                f"{', '.join(COLUMNS)}, parted by tabs"
            ) from None

    def _take(self, place: Place, decision: str, known: set[Place], line: int) -> None:
        if place not in known:
            raise BaliError(
                f"{self._table}, line {line}: nothing is to be decided there in {self._corpus}: is "
                "the table another corpus's, or made with another --below?"
            )
        self.decisions[place] = decision


def _with_decision(mention: Mention, decision: str | None) -> Mention:
    return replace(mention, cui=decision, score=1.0, alternatives=()) if decision else mention


def _doubts(sentence: Sentence) -> Iterator[Doubt]:
    """Yield every name in a sentence, with its candidates."""
    for m in sentence.mentions:
        yield _doubt(sentence, m.start, m.end, (m.cui, *m.alternatives), m.score)
    for left in sentence.omitted:
        yield _doubt(sentence, left.start, left.end, left.candidates, 0.0)


def _doubt(
    sentence: Sentence, start: int, end: int, candidates: tuple[str, ...], score: float
) -> Doubt:
    text = sentence.text
    before, after = text[max(0, start - _AROUND) : start], text[end : end + _AROUND]
    context = " ".join(f"{before}[[{text[start:end]}]]{after}".split())
    place = Place(sentence.document, sentence.sentence, start, end)
    return Doubt(place, " ".join(text[start:end].split()), candidates, score, context)
