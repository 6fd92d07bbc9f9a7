"""Search for concepts, and everything about one of them."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Iterator

from bali_platform.base.errors import UsageError, did_you_mean
from bali_platform.graph import search
from bali_platform.graph.records import Records, SearchHit
from bali_platform.graph.semantic_groups import SEMANTIC_GROUPS
from bali_platform.terminology.codes import Codes
from bali_platform.terminology.records import (
    UMLS,
    Atom,
    CodedConcept,
    Definition,
    Details,
    Found,
    Position,
    SemanticType,
)
from bali_platform.terminology.written import tidy

CANDIDATES = 50
FILTERED_CANDIDATES = 5_000
_GROUPS = {
    name.casefold(): group.label
    for group in SEMANTIC_GROUPS
    for name in (group.label, group.abbreviation, group.name)
}


class Findings(Codes):
    """Search for concepts, and everything about one of them."""

    def find(
        self,
        text: str,
        limit: int = 10,
        *,
        types: Collection[str] = (),
        groups: Collection[str] = (),
        sources: Collection[str] = (),
        languages: Collection[str] = (),
    ) -> Found:
        """Find concepts by CUI or code, as people write them, or by words of any of their names.

        Words may be misspelt or, the last one, unfinished. Best hits first. Filters admit concepts
        with any of the given semantic types (names or TUIs), semantic groups, vocabularies, and
        names in any of the given languages.

        Raises :class:`UsageError` for a group, type or vocabulary that the graph does not have.
        """
        if limit < 1:
            raise UsageError(f"a limit must be at least 1, not {limit}")
        filters: search.Filters = {
            "types": self.type_names(types) or None,
            "groups": [group_label(group) for group in groups] or None,
            "sources": [self.source(name) for name in sources] or None,
            "languages": [name.upper() for name in languages] or None,
        }
        tried: list[str] = []
        if not tidy(text):
            return Found(Records(), ("nothing was asked for",))
        for hits in self._attempts(text, limit, filters, tried):
            if hits:
                return Found(Records(hits[:limit]), tuple(tried))
        return Found(Records(), tuple(tried))

    def show(self, what: str) -> Details:
        """Return everything about the concept of a CUI or of a code, as people write it.

        Raises as :meth:`resolve_code`; of a CUI that is gone the error says what became of it.
        """
        (resolved,) = self.resolve([what])
        if resolved.status == "unknown":
            concept, note = self.graph.concept(what), ""
        else:
            code = self.resolve_code(what)
            concept = self.graph.concept(code.cui)
            note = resolved.message or _led_by(code)
        cui = concept.cui
        return Details(
            what,
            note,
            concept,
            self.codes(cui),
            tuple(Definition(**row) for row in self.graph.query("code_definitions", cui=cui)),
            tuple(SemanticType(**row) for row in self.graph.query("code_types", cui=cui)),
            tuple(self._positions(cui)),
        )

    def codes(self, cui: str, sources: Collection[str] = ()) -> tuple[Atom, ...]:
        """Return every term of a concept with its code, of some vocabularies or all."""
        wanted = [self.source(name) for name in sources]
        return tuple(self.terms_of([cui], wanted or None).get(cui, ()))

    def terms_of(
        self, cuis: Collection[str], sources: Collection[str] | None = None
    ) -> dict[str, list[Atom]]:
        """Return the terms of concepts with their codes, of some vocabularies (SABs) or all."""
        found: dict[str, list[Atom]] = defaultdict(list)
        wanted = None if sources is None else list(sources)
        for cui, *atom in self.graph.rows("code_atoms", list(cuis), sources=wanted):
            found[cui].append(Atom(*atom))
        return found

    def _attempts(
        self, text: str, limit: int, filters: search.Filters, tried: list[str]
    ) -> Iterator[list[SearchHit]]:
        marked = _marked(text)
        if marked:
            yield self._by_code(text, filters, tried)
        candidates = FILTERED_CANDIDATES if any(filters.values()) else CANDIDATES
        for told, query in search.lucene_queries(text):
            tried.append(told)
            most = max(CANDIDATES, 2 * limit)
            limits = {"query": query, "limit": max(candidates, most), "most": most}
            rows = self.graph.query("search_names", **limits, **filters)
            yield search.rank(text, rows, strict=bool(filters["languages"]))
            if not marked and len(tidy(text).split()) == 1:  # hardly any code is a mere word
                marked = True
                yield self._by_code(text, filters, tried)
        if marked:
            tried.append(self.resolve([text])[0].message)

    def _by_code(self, text: str, filters: search.Filters, tried: list[str]) -> list[SearchHit]:
        tried.append("as a CUI, and as a code of the vocabularies")
        codes = self._found([text]).get(text, ())
        return [hit for code in codes for hit in self._hits(code, text, filters)]

    def _hits(self, code: CodedConcept, text: str, filters: search.Filters) -> list[SearchHit]:
        concept = self.graph.concept(code.cui)
        wanted = (
            (filters["types"], concept.semantic_types),
            (filters["groups"], concept.groups),
            (filters["sources"], concept.sources),
        )
        if any(asked and not set(asked) & set(held) for asked, held in wanted):
            return []
        matched = tidy(text) if code.source == UMLS else code.name
        return [SearchHit(concept.cui, concept.name, matched, concept.semantic_types, 1.0)]

    def _positions(self, cui: str) -> Iterator[Position]:
        rows = self.graph.query("code_positions", cui=cui)
        joined = {row["source"] for row in rows if row["basis"] == "MRHIER"}
        codes = self.codes_of([cui], {row["source"] for row in rows})
        for code in sorted(codes, key=str):
            for row in rows:
                own = row["source"] == code.source and row["code"] in (None, code.code)
                if own and (row["basis"] == "MRHIER") == (code.source in joined):
                    parents = tuple(row["parents"])
                    yield Position(code.source, code.code, code.name, parents, row["children"])


def group_label(name: str) -> str:
    """Return the label of a semantic group by its label, abbreviation or name, in any case.

    Raises :class:`UsageError` for one that does not exist.
    """
    if name.casefold() not in _GROUPS:
        raise UsageError(f"no semantic group '{name}'{did_you_mean(name, _GROUPS.values())}")
    return _GROUPS[name.casefold()]


def _marked(text: str) -> bool:
    """Whether a text may be a code: a few words with a digit or what parts a vocabulary off."""
    marked = any(mark in text for mark in ":|") or any(c.isdigit() for c in text)
    return marked and len(tidy(text).split()) <= 4


def _led_by(code: CodedConcept) -> str:
    return "" if code.source == UMLS else f"{code} ({code.name}) names it"
