"""Questions about codes: those about one code that arrive while others are answered go together."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any, TypeVar

from anyio import to_thread

from bali_platform.api.together import Together
from bali_platform.base.errors import BaliError
from bali_platform.terminology import Terminology
from bali_platform.terminology.codes import EXPLAINED, unfailed
from bali_platform.terminology.records import MapRow, Validation

Reply = TypeVar("Reply")
AT_ONCE = 2
APART_S = 0.004
"""Neo4j and its driver take longer for a batch than for some more codes in it."""


@dataclass(frozen=True)
class Question:
    """What a verb is asked about one item; ``same`` are its other arguments."""

    terms: Terminology
    verb: Callable[..., Sequence[Any]]
    item: Any
    same: tuple[Any, ...]


Questions = Together[Question, Any]


def questions() -> Questions:
    """Return what collects questions; of no more codes than a batch explains if all are unknown."""
    return Together(_answer, at_once=AT_ONCE, most=EXPLAINED, apart_s=APART_S)


@dataclass(frozen=True)
class Desk:
    """Answers questions about the codes of one graph; it belongs to the event loop.

    A verb is a function of the terminology, a list of items, and what is the same for all of them,
    which must be hashable. It returns an answer or an error for each item.
    """

    terms: Terminology
    questions: Questions

    @property
    def version(self) -> str:
        """The graph's version."""
        return self.terms.graph.version

    async def each(
        self, verb: Callable[..., Sequence[Reply | BaliError]], items: Sequence[Any], *same: Any
    ) -> list[Reply]:
        """Return a verb's answers, in order; raises the first error among them."""
        if len(items) == 1:
            return [await self.questions.ask(Question(self.terms, verb, items[0], same))]
        return unfailed(await to_thread.run_sync(partial(verb, self.terms, items, *same)))

    async def one(
        self, verb: Callable[..., Sequence[Reply | BaliError]], item: Any, *same: Any
    ) -> Reply:
        """Return a verb's answer about one item, or raise its error."""
        return (await self.each(verb, [item], *same))[0]


def _answer(asked: list[Question]) -> list[Any]:
    alike = defaultdict(list)
    for place, each in enumerate(asked):
        alike[each.terms, each.verb, each.same].append(place)
    replies: list[Any] = [None] * len(asked)
    for (terms, verb, same), places in alike.items():
        try:
            found = verb(terms, [asked[place].item for place in places], *same)
        except Exception as error:
            found = [error] * len(places)
        for place, reply in zip(places, found, strict=True):
            replies[place] = reply
    return replies


def validated(
    terms: Terminology, asked: list[tuple[str, str]], source: str | None
) -> list[Validation]:
    """Return of each code and display whether it is one."""
    texts, displays = zip(*asked, strict=True)
    return terms.validate(texts, source, displays)


def mapped(
    terms: Terminology,
    texts: list[str],
    source: str | None,
    targets: tuple[str, ...],
    rules: bool,
    ancestors: bool,
) -> list[list[MapRow]]:
    """Return the rows of each code."""
    return list(terms.map_each(texts, source, targets, rules=rules, ancestors=ancestors))
