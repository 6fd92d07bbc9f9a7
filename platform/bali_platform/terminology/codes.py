"""Codes of vocabularies: which there are, what a written one stands for, what a concept has."""

from __future__ import annotations

import difflib
from collections import defaultdict
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from contextlib import suppress
from functools import cached_property
from itertools import islice, zip_longest
from typing import Any, TypeVar

from bali_platform.base.errors import (
    AmbiguousError,
    BaliError,
    NotFoundError,
    UsageError,
    did_you_mean,
)
from bali_platform.graph.client import Graph
from bali_platform.graph.names import name_key
from bali_platform.graph.records import History
from bali_platform.terminology.kept import Kept
from bali_platform.terminology.preference import best_atom
from bali_platform.terminology.records import (
    UMLS,
    Basis,
    CodedConcept,
    Resolved,
    Source,
    Validation,
)
from bali_platform.terminology.systems import by_name, by_sab, fold
from bali_platform.terminology.written import Reading, near, readings, tidy

T = TypeVar("T")
Pair = tuple[str, str]
Codings = tuple[CodedConcept, ...]
BATCH = 5_000
EXPLAINED = 20
"""Unknown codes of a batch for which near misses are looked for."""

MAX_SUGGESTIONS = 5
MAX_KEPT = 50_000
"""Written codes whose meaning is remembered, some 50 MB."""

MAX_ABOVE = 200_000
"""Nodes of hierarchies for which what is just above is remembered, some 50 MB."""

_COLUMNS = ("source", "code", "cui", "concept", "semantic_types", "groups", "atoms")


class Codes:
    """The codes of a graph. Cheap to make: it reads the list of vocabularies once, on first use."""

    def __init__(self, graph: Graph) -> None:
        self.graph = graph
        self._bases: dict[str, Basis] = {}
        self._above: Kept[Pair, list[str]] = Kept(MAX_ABOVE)
        self._meant: Kept[tuple[str | None, str], Codings] = Kept(MAX_KEPT)

    @property
    def release(self) -> str:
        """The release that the graph holds."""
        return str(self.graph.release["version"])

    @cached_property
    def sources(self) -> dict[str, Source]:
        """The vocabularies of the graph, by SAB."""
        rows = [row["source"] for row in self.graph.query("code_sources")]
        rows = rows or self.graph.query("code_sources_used")
        return {row["sab"]: _source(row) for row in rows}

    def source(self, name: str) -> str:
        """Return the SAB of a vocabulary by any name that it goes by.

        Raises :class:`UsageError` if the graph does not hold it, or holds several of that name.
        """
        found = self._named(tidy(name))
        if len(found) == 1:
            return found[0]
        if found:
            raise UsageError(f"vocabulary '{name}' may be {' or '.join(found)}: say which")
        known = next(iter(by_name().get(fold(name), ())), None)
        if known:
            raise UsageError(
                f"this graph ({self.release}) does not hold {known}: see `bali code sources`"
            )
        hint = did_you_mean(name.upper(), self.sources)
        raise UsageError(f"no vocabulary '{name}'{hint}: see `bali code sources`")

    def resolve(self, texts: Iterable[str], source: str | None = None) -> list[Resolved]:
        """Return what each written code stands for, in order; see :mod:`.written`.

        ``source`` reads all of them as codes of one vocabulary.
        """
        asked = list(texts)
        sab = self.source(source) if source else None
        found = self._found(asked, sab)
        unknown = [text for text in dict.fromkeys(asked) if text not in found]
        told = {text: self._unknown(text, sab) for text in unknown[:EXPLAINED]}
        return [self._resolved(text, found, told) for text in asked]

    def resolve_code(self, text: str, source: str | None = None) -> CodedConcept:
        """Return the one code that a text stands for.

        Raises :class:`NotFoundError` with near misses, or :class:`AmbiguousError` with the choice.
        """
        return self.resolve_codes([text], source)[0]

    def resolve_codes(self, texts: Iterable[str], source: str | None = None) -> list[CodedConcept]:
        """Return the one code that each text stands for; raises as :meth:`resolve_code`."""
        return unfailed(self.resolve_each(texts, source))

    def resolve_each(
        self, texts: Iterable[str], source: str | None = None
    ) -> list[CodedConcept | BaliError]:
        """Return the one code that each text stands for, or what :meth:`resolve_code` raises."""
        return [_the_one(resolved) for resolved in self.resolve(texts, source)]

    def validate(
        self, texts: Iterable[str], source: str | None = None, displays: Sequence[str] = ()
    ) -> list[Validation]:
        """Tell of each written code whether it is one, and whether its display is a term of it."""
        asked = with_displays(list(texts), displays)
        resolved = self.resolve((text for text, _ in asked), source)
        pairs = [(each, display) for each, (_, display) in zip(resolved, asked, strict=True)]
        found = [each.codes[0] for each, display in pairs if display and each.status == "found"]
        terms = self._terms(found)
        return [_validation(each, display, terms) for each, display in pairs]

    def history(self, text: str) -> History:
        """Return what became of a CUI; raises :class:`NotFoundError` for one never seen."""
        return self.graph.history(text)

    def find_codes(self, pairs: Iterable[Pair]) -> dict[Pair, CodedConcept]:
        """Return what exactly these (SAB, code) pairs stand for; unknown ones are left out."""
        wanted = dict.fromkeys(pairs)
        found = self._concepts([code for sab, code in wanted if sab == UMLS])
        pairs = [pair for pair in wanted if pair[0] != UMLS]
        return found | coded(self.graph.rows("code_find", pairs))

    def codes_of(self, cuis: Iterable[str], sources: Iterable[str]) -> list[CodedConcept]:
        """Return the codes that vocabularies give to concepts, also by less preferred terms."""
        wanted = list(dict.fromkeys(cuis))
        rows = self.graph.rows("code_of_concepts", wanted, sources=list(sources))
        return [_coded([_row(row)]) for row in rows]

    def semantic_types(self) -> list[dict[str, Any]]:
        """Return ``tui``, ``name``, ``group`` and the number of ``concepts`` of each type."""
        return self.graph.query("semantic_types")

    def type_names(self, asked: Collection[str]) -> list[str]:
        """Return semantic types by name or TUI, in any case, as the graph spells their names."""
        known = self._type_names if asked else {}
        for name in asked:
            if name.casefold() not in known:
                raise UsageError(f"no semantic type '{name}'{did_you_mean(name, known.values())}")
        return [known[name.casefold()] for name in asked]

    def _named(self, name: str) -> tuple[str, ...]:
        if name in self.sources:
            return (name,)
        folded = fold(name)
        if folded == fold(UMLS):
            return (UMLS,)
        own = [sab for sab in self.sources if fold(sab) == folded]
        listed = [sab for sab in by_name().get(folded, ()) if sab in self.sources]
        return tuple(own or listed)

    @cached_property
    def _type_names(self) -> dict[str, str]:
        return {
            name.casefold(): row["name"]
            for row in self.semantic_types()
            for name in (row["tui"], row["name"])
        }

    @cached_property
    def _with_codes(self) -> tuple[str, ...]:
        return (UMLS, *(sab for sab, source in self.sources.items() if source.atoms))

    def _meanings(self, text: str, sab: str | None) -> Iterator[list[Pair]]:
        """Yield the pairs that a text may stand for, a list for each meaning, likeliest first."""
        if sab:
            named = (Reading(sab, reading.spellings) for reading in readings(text))
            yield [pair for reading in named for pair in _pairs_of(sab, reading)]
        else:
            yield from map(self._pairs, readings(text))

    def _found(self, texts: Iterable[str], sab: str | None = None) -> dict[str, Codings]:
        """Return what texts stand for by the first of their meanings that is known."""
        asked = ((sab, text) for text in texts)
        known = self._meant.get(asked, lambda new: self._read(sab, [text for _, text in new]))
        return {text: codes for (_, text), codes in known.items()}

    def _read(self, sab: str | None, texts: list[str]) -> dict[tuple[str | None, str], Codings]:
        found: dict[str, Codings] = {}
        meanings = {text: self._meanings(text, sab) for text in texts}
        while meanings:
            tried = {text: pairs for text, more in meanings.items() for pairs in islice(more, 1)}
            found |= self._look_up(tried)
            meanings = {text: meanings[text] for text in tried if text not in found}
        return {(sab, text): codes for text, codes in found.items()}

    def _pairs(self, reading: Reading) -> list[Pair]:
        sabs = self._named(reading.vocabulary) if reading.vocabulary else self._with_codes
        return [pair for sab in sabs for pair in _pairs_of(sab, reading)]

    def _look_up(self, waiting: dict[str, list[Pair]]) -> dict[str, Codings]:
        known = self.find_codes(pair for pairs in waiting.values() for pair in pairs)
        found = {}
        for text, pairs in waiting.items():
            best: dict[str, CodedConcept] = {}
            for pair in pairs:
                if pair in known:
                    best.setdefault(pair[0], known[pair])
            if best:
                found[text] = tuple(best.values())
        return found

    def _concepts(self, cuis: list[str]) -> dict[Pair, CodedConcept]:
        if not cuis:
            return {}
        return {
            (UMLS, asked): CodedConcept(
                UMLS, found.cui, found.name, found.cui, found.name, found.semantic_types,
                found.groups, active=True,
            )
            for asked, found in self.graph.concepts(cuis).items()
        }  # fmt: skip

    def _resolved(
        self, text: str, found: dict[str, Codings], told: dict[str, Resolved]
    ) -> Resolved:
        codes = _without_echoes(found.get(text, ()))
        if len(codes) == 1:
            return Resolved(text, "found", codes, (), self._note(text, codes[0]))
        if codes:
            choice = ", ".join(f"{code} ({code.name})" for code in codes)
            return Resolved(text, "ambiguous", codes, (), f"'{text}' may be {choice}: say which")
        return told.get(text) or Resolved(text, "unknown", (), (), f"no code '{text}'")

    def _note(self, text: str, code: CodedConcept) -> str:
        if code.source == UMLS and code.code not in (spelt := _spelt(text)):
            return next((gone.told for gone in self.graph.histories(spelt).values()), "")
        return "" if code.active else f"{code} is no longer in use: all its terms are suppressed"

    def _unknown(self, text: str, sab: str | None) -> Resolved:
        for gone in self.graph.histories(_spelt(text)).values():
            return Resolved(text, "unknown", (), (), gone.told)
        lacking = self._lacking(text)
        if lacking:
            message = f"'{text}': this graph ({self.release}) does not hold {lacking}"
            return Resolved(text, "unknown", (), (), message)
        suggestions: tuple[str, ...] = ()
        with suppress(BaliError):  # if it takes too long others are not to go without an answer
            suggestions = tuple(map(str, self._suggestions(text, sab)))[:MAX_SUGGESTIONS]
        hint = f": did you mean {', '.join(suggestions)}?" if suggestions else ""
        return Resolved(text, "unknown", (), suggestions, f"no code '{text}'{hint}")

    def _lacking(self, text: str) -> str | None:
        """Return the vocabulary that a text names if it is a known one that the graph lacks."""
        for reading in readings(text):
            known = by_name().get(fold(reading.vocabulary), ()) if reading.vocabulary else ()
            if known and not self._named(reading.vocabulary or ""):
                return known[0]
        return None

    def _suggestions(self, text: str, sab: str | None) -> Iterator[CodedConcept]:
        pairs = next(filter(None, self._meanings(text, sab)), [])
        guesses = [(sab, guess) for sab, code in pairs for guess in near(code)]
        if found := self.find_codes(guesses):
            yield from found.values()
            return
        close: list[Pair] = []
        for code in {code for _, code in pairs if len(code) > 3}:
            sabs = sorted({sab for sab, _ in pairs} - {UMLS})
            rows = self.graph.query("code_near", sources=sabs, start=code[:-2])
            names = {row["code"]: row["source"] for row in rows}
            close += [(names[c], c) for c in difflib.get_close_matches(code, names, 3, 0.8)]
        yield from self.find_codes(close).values()

    def _terms(self, codes: Sequence[CodedConcept]) -> dict[Pair, set[str]]:
        """Return the folded terms of codes; of a concept, its names."""
        pairs = [(code.source, code.code) for code in codes if code.source != UMLS]
        cuis = [code.cui for code in codes if code.source == UMLS]
        concepts = self.graph.concepts(cuis) if cuis else {}
        terms = {(UMLS, cui): set(map(name_key, c.names)) for cui, c in concepts.items()}
        for row in map(_row, self.graph.rows("code_find", pairs)):
            terms.setdefault(_pair(row), set()).update(name_key(atom[0]) for atom in row["atoms"])
        return terms


def with_displays(texts: Sequence[str], displays: Sequence[str]) -> list[tuple[str, str]]:
    """Return each code with its display, which may be missing at the end."""
    if len(displays) > len(texts):
        raise UsageError(f"{len(displays)} displays for {len(texts)} codes: give one a code")
    return list(zip_longest(texts, displays, fillvalue=""))


def unfailed(found: Iterable[T | BaliError]) -> list[T]:
    """Return answers; raise the first error among them."""
    answers = []
    for each in found:
        if isinstance(each, BaliError):
            raise each
        answers.append(each)
    return answers


def _the_one(resolved: Resolved) -> CodedConcept | BaliError:
    match resolved.status:
        case "unknown":
            return NotFoundError(resolved.message)
        case "ambiguous":
            return AmbiguousError(resolved.message)
    return resolved.codes[0]


def _validation(resolved: Resolved, display: str, terms: Mapping[Pair, set[str]]) -> Validation:
    if resolved.status != "found":
        return Validation(resolved.asked, False, None, resolved.message)
    (code,) = resolved.codes
    if display and name_key(display) not in terms[code.source, code.code]:
        message = f"'{display}' is no term of {code}: its best term is '{code.name}'"
        return Validation(resolved.asked, False, code, message)
    return Validation(resolved.asked, True, code, resolved.message)


def _without_echoes(codes: Codings) -> Codings:
    """Leave out codes that repeat their concept's identifier, as those of `release tables` do."""
    own = tuple(code for code in codes if code.source == UMLS)
    return own if own and len({code.cui for code in codes}) == 1 else codes


def parts(items: Iterable[T]) -> Iterator[list[T]]:
    """Yield lists of at most ``BATCH`` items: as many as a statement takes at once."""
    rest = iter(items)
    while part := list(islice(rest, BATCH)):
        yield part


def coded(rows: Iterable[Sequence[Any]]) -> dict[Pair, CodedConcept]:
    """Return rows of a statement about codes as one record a code."""
    grouped: dict[Pair, list[dict[str, Any]]] = defaultdict(list)
    for row in map(_row, rows):
        grouped[_pair(row)].append(row)
    return {pair: _coded(several) for pair, several in grouped.items()}


def _pairs_of(sab: str, reading: Reading) -> list[Pair]:
    """Return a vocabulary's codes that a text may mean: some are written with their prefix."""
    system = by_sab().get(sab)
    bare = [code for code in reading.spellings if ":" not in code]
    prefixed = [f"{system.prefix}:{code}" for code in bare] if system and reading.vocabulary else []
    return [(sab, code) for code in dict.fromkeys((*reading.spellings, *prefixed))]


def _spelt(text: str) -> list[str]:
    return [spelling for reading in readings(text) for spelling in reading.spellings]


def _coded(rows: list[dict[str, Any]]) -> CodedConcept:
    """Return a code; its concept is the one of its best atom."""
    atom, row = min(((best_atom(row["atoms"]), row) for row in rows), key=lambda found: found[0])
    return CodedConcept(
        row["source"],
        row["code"],
        atom.name,
        row["cui"],
        row["concept"],
        tuple(row["semantic_types"] or ()),
        tuple(row["groups"]),
        active=not atom.suppressed,
        others=tuple(sorted(other["cui"] for other in rows if other is not row)),
        preferred=atom.rank == 0,
    )


def _row(values: Sequence[Any]) -> dict[str, Any]:
    return dict(zip(_COLUMNS, values, strict=True))


def _pair(row: dict[str, Any]) -> Pair:
    return row["source"], row["code"]


def _source(row: dict[str, Any]) -> Source:
    system = by_sab().get(row["sab"])
    numbers = {key: row.get(key) or 0 for key in ("atoms", "concepts", "facts", "definitions")}
    return Source(
        row["sab"],
        row.get("name") or "",
        row.get("version") or "",
        row.get("language") or "",
        row.get("licence_category"),
        **numbers,
        prefix=system.prefix if system else "",
        uri=system.uris[0] if system and system.uris else "",
        fhir=system.fhir if system else "",
        oid=system.oid if system else "",
    )
