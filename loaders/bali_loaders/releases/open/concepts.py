"""Group the terms of all sources into concepts.

A concept holds at most one term of each source and one UMLS identifier. Identifiers come first:
terms claim the UMLS concepts that their source cross-references, those first whose name another
source gives the same concept. Then terms are joined by cross
reference, those that also share a name before the others, then by an equal preferred name, as long
as the rule is kept. What is left without a UMLS identifier gets one made up.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass

from bali_loaders.releases.identifiers import Numbering
from bali_loaders.releases.open.terms import Key, Source, Term
from bali_platform.graph.names import name_key


@dataclass(frozen=True, slots=True)
class Grouping:
    """Every term's concept; also-known-as identifiers by concept; links that did not join."""

    cui: Mapping[Key, str]
    aliases: Mapping[str, str]
    related: tuple[tuple[Key, Key], ...]


class _Groups:
    """Disjoint sets of terms, at most one a source, at most one UMLS identifier a set."""

    def __init__(self) -> None:
        self.members: dict[Key, dict[str, Key]] = {}
        self.cui: dict[int, str] = {}
        self._by_cui: dict[str, dict[str, Key]] = {}

    def add(self, key: Key, cui: str | None) -> bool:
        """Put a term into the group of ``cui``; false when its source is there already."""
        group = self._by_cui.setdefault(cui, {}) if cui else {}
        if key[0] in group:
            return False
        group[key[0]] = key
        self.members[key] = group
        if cui:
            self.cui[id(group)] = cui
        return True

    def join(self, one: Key, other: Key) -> bool:
        """Merge two groups if the rule allows it; true when both are now the same group."""
        left, right = self.members[one], self.members[other]
        if left is right:
            return True
        both_identified = id(left) in self.cui and id(right) in self.cui
        if both_identified or left.keys() & right.keys():
            return False
        if id(right) in self.cui:
            left, right = right, left
        left.update(right)
        for key in right.values():
            self.members[key] = left
        return True


def group_terms(sources: Iterable[Source], numbering: Numbering) -> Grouping:
    """Group the terms of ``sources``, which are given in order of authority."""
    sources = list(sources)
    terms = {term.key: term for source in sources for term in source.terms.values()}
    groups = _Groups()
    _claim_identifiers(sources, groups)
    links = sorted(_links(terms), key=lambda link: _trust(terms, link))
    related = tuple(link for link in links if not groups.join(*link))
    for one, other in _equal_names(terms):
        groups.join(one, other)
    cui = {key: _identifier(groups, key, numbering) for key in terms}
    return Grouping(cui, _aliases(terms, cui), related)


def _claim_identifiers(sources: Iterable[Source], groups: _Groups) -> None:
    """Serve the claims that a name supports first, then the least ambiguous; the rest get none."""
    claims = sorted(_claims(list(sources)))
    for *_, cui, key in claims:
        if key not in groups.members:
            groups.add(key, cui)
    for source in sources:
        for term in source.terms.values():
            if term.key not in groups.members:
                groups.add(term.key, None)


def _claims(sources: Sequence[Source]) -> Iterator[tuple[bool, int, int, str, Key]]:
    names: dict[str, dict[str, set[str]]] = defaultdict(lambda: defaultdict(set))
    rivals: Counter[tuple[str, str]] = Counter()
    for source in sources:
        for term in source.terms.values():
            for cui in set(term.concept_xrefs):
                names[cui][term.sab] |= _all_names(term)
                rivals[cui, term.sab] += 1
    for place, source in enumerate(sources):
        for term in source.terms.values():
            own = _all_names(term)
            for cui in set(term.concept_xrefs):
                others = (found for sab, found in names[cui].items() if sab != term.sab)
                alone = all(own.isdisjoint(found) for found in others)
                yield alone, place, rivals[cui, term.sab], cui, term.key


def _links(terms: Mapping[Key, Term]) -> Iterator[tuple[Key, Key]]:
    seen = set()
    for key, term in terms.items():
        for target in term.xrefs:
            pair = frozenset((key, target))
            if target in terms and pair not in seen:
                seen.add(pair)
                yield key, target


def _trust(terms: Mapping[Key, Term], link: tuple[Key, Key]) -> tuple[bool, Key, Key]:
    names = [_all_names(terms[key]) for key in link]
    return names[0].isdisjoint(names[1]), *link


def _all_names(term: Term) -> set[str]:
    return {name_key(term.name), *(name_key(text) for _, text in term.synonyms)}


def _equal_names(terms: Mapping[Key, Term]) -> Iterator[tuple[Key, Key]]:
    by_name: dict[str, list[Key]] = defaultdict(list)
    for key, term in terms.items():
        by_name[name_key(term.name)].append(key)
    for keys in by_name.values():
        for position, key in enumerate(keys):
            for other in keys[position + 1 :]:
                yield key, other


def _identifier(groups: _Groups, key: Key, numbering: Numbering) -> str:
    group = groups.members[key]
    known = groups.cui.get(id(group))
    return known or numbering(*min(group.values()))


def _aliases(terms: Mapping[Key, Term], cui: Mapping[Key, str]) -> dict[str, str]:
    """Find the further identifiers that a source gives a term, and that are no concept here."""
    live = set(cui.values())
    aliases: dict[str, str] = {}
    for key, term in terms.items():
        for other in term.concept_xrefs:
            if other not in live:
                aliases.setdefault(other, cui[key])
    return aliases
