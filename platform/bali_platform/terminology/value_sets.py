"""Value sets written out: every code that an expression means, on the graph that is live."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from functools import reduce
from operator import and_, or_, sub

from bali_platform.base.errors import NotFoundError, TooLargeError, UsageError, did_you_mean
from bali_platform.graph.names import name_key
from bali_platform.graph.records import Records
from bali_platform.terminology.codes import Pair
from bali_platform.terminology.expressions import (
    Codes,
    Expression,
    Filter,
    Filtered,
    Joined,
    Saved,
    parse,
)
from bali_platform.terminology.finding import group_label
from bali_platform.terminology.hierarchy import Direction, Hierarchies, cycles
from bali_platform.terminology.records import UMLS, CodedConcept, Expansion, Member

MAX_CODES = 100_000
"""Codes of a value set that is not asked for in pages, and of a whole vocabulary in one."""

_JOIN = {"AND": and_, "OR": or_, "MINUS": sub}
Pairs = frozenset[Pair]


class ValueSets(Hierarchies):
    """Sets of codes, made of hierarchies, other sets and filters."""

    def expand(
        self,
        expression: str,
        *,
        limit: int | None = None,
        skip: int = 0,
        saved: Mapping[str, str] | None = None,
    ) -> Expansion:
        """Write out a value set; see :mod:`.expressions` for its text.

        Args:
            expression: what it is.
            limit: the codes of a page; None for all.
            skip: codes to pass over.
            saved: the expressions of saved value sets, by name.

        Raises:
            UsageError: the text is no expression, or a code in it is ambiguous.
            NotFoundError: a code, or a saved value set, does not exist.
            TooLargeError: there are more than ``MAX_CODES`` and no ``limit`` was given.
        """
        work = _Work(self, saved or {}, paged=limit is not None)
        pairs = sorted(work.of(parse(expression)))
        if limit is None and len(pairs) > MAX_CODES:
            raise _too_large(expression, len(pairs))
        page = pairs[skip:] if limit is None else pairs[skip : skip + limit]
        members = Records(Member(c.source, c.code, c.name, c.cui) for c in work.details(page))
        return Expansion(
            expression, len(pairs), members, self.release, self.graph.version, tuple(work.cycles)
        )


class _Work:
    """One expansion: what is known of codes so far, and cycles met on the way."""

    def __init__(self, terms: ValueSets, saved: Mapping[str, str], *, paged: bool) -> None:
        self._terms, self._saved, self._paged = terms, saved, paged
        self._known: dict[Pair, CodedConcept] = {}
        self._within: list[str] = []
        self.cycles: dict[tuple[str, ...], None] = {}

    def of(self, expression: Expression) -> Pairs:
        match expression:
            case Joined(word, parts):
                return reduce(_JOIN[word], map(self.of, parts))
            case Filtered(inner, filters):
                return self._filtered(self.of(inner), filters)
            case Saved(name):
                return self._of_saved(name)
            case Codes(operator, code):
                return self._of_codes(operator, code)

    def details(self, pairs: Iterable[Pair]) -> list[CodedConcept]:
        """Return what is known of codes, in their order."""
        wanted = list(pairs)
        self._known |= self._terms.find_codes(pair for pair in wanted if pair not in self._known)
        return [self._known[pair] for pair in wanted if pair in self._known]

    def _of_saved(self, name: str) -> Pairs:
        if name not in self._saved:
            hint = did_you_mean(name, self._saved)
            raise NotFoundError(f"no saved value set '{name}'{hint}: see `bali values list`")
        if name in self._within:
            raise UsageError(f"value set '{name}' is made of itself: {' > '.join(self._within)}")
        self._within.append(name)
        found = self.of(parse(self._saved[name]))
        self._within.pop()
        return found

    def _of_codes(self, operator: str, text: str) -> Pairs:
        if text == "*" or text.endswith(":*"):
            if operator:
                raise UsageError(f"'{operator} {text}': a whole vocabulary has nothing around it")
            return self._everything(text.removesuffix("*").removesuffix(":"))
        code = self._terms.resolve_code(text)
        self._known[code.source, code.code] = code
        own = frozenset([(code.source, code.code)])
        if not operator:
            return own
        if code.source == UMLS:
            raise UsageError(
                f"'{operator} {text}': a concept has a place in many hierarchies; "
                f"name a code, such as one of `bali concept show {code.code}`"
            )
        direction: Direction = "down" if operator[0] == "<" else "up"
        around = self._around(code, direction, 1 if operator.endswith("!") else None)
        return around | own if operator[:2] in ("<<", ">>") else around - own

    def _around(self, code: CodedConcept, direction: Direction, depth: int | None) -> Pairs:
        terms = self._terms
        node = terms.node(code)
        walked = terms.walk(code.source, [node], direction, depth)
        self.cycles |= dict.fromkeys(cycles(walked.edges))
        found = terms.codes_at(code.source, walked.steps.keys() - {node})
        self._known |= {(member.source, member.code): member for member in found}
        return frozenset((member.source, member.code) for member in found)

    def _everything(self, name: str) -> Pairs:
        if not name:
            sizes = (source.atoms for source in self._terms.sources.values())
            raise TooLargeError(
                f"'*' is all of the graph, {sum(sizes):,} terms: name a vocabulary, such as MSH:*"
            )
        sab = self._terms.source(name)
        if not self._paged:
            (row,) = self._terms.graph.query("code_count", source=sab)
            if row["codes"] > MAX_CODES:
                raise _too_large(f"{sab}:*", row["codes"])
        (row,) = self._terms.graph.query("code_all", source=sab)
        return frozenset((sab, code) for code in row["codes"])

    def _filtered(self, pairs: Pairs, filters: tuple[Filter, ...]) -> Pairs:
        tests = [self._test(each) for each in filters]
        return frozenset(
            (code.source, code.code)
            for code in self.details(pairs)
            if all(admits(code) for admits in tests)
        )

    def _test(self, each: Filter) -> Callable[[CodedConcept], bool]:
        held = self._holder(each.field, each.values)
        return lambda code: held(code) == each.equal

    def _holder(self, field: str, values: Sequence[str]) -> Callable[[CodedConcept], bool]:
        """Return what tells whether a code's field has one of the values."""
        if field == "group":
            labels = set(map(group_label, values))
            return lambda code: not labels.isdisjoint(code.groups)
        if field == "type":
            types = set(self._terms.type_names(values))
            return lambda code: not types.isdisjoint(code.semantic_types)
        if field == "source":
            sabs = set(map(self._terms.source, values))
            return lambda code: code.source in sabs
        return lambda code: any(_has_words(code.name, value) for value in values)


def _has_words(name: str, wanted: str) -> bool:
    """Whether each wanted word begins a word of a name."""
    words = name_key(name).split()
    return all(any(w.startswith(part) for w in words) for part in name_key(wanted).split())


def _too_large(what: str, size: int) -> TooLargeError:
    return TooLargeError(
        f"{what}: {size:,} codes, more than {MAX_CODES:,}: narrow it, or ask for pages (a limit)"
    )
