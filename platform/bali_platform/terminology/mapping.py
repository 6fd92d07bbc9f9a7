"""From one vocabulary's codes to another's: by shared concept, by map sets, by hierarchy."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from itertools import chain
from typing import Any

from bali_platform.terminology.codes import Pair, parts
from bali_platform.terminology.hierarchy import Hierarchies
from bali_platform.terminology.records import UMLS, CodedConcept, MapRow, Resolved, Status

RELATIONS = {
    "SY": "skos:exactMatch",
    "RQ": "skos:closeMatch",
    "RB": "skos:narrowMatch",
    "RN": "skos:broadMatch",
}
"""SSSOM's predicates for a map set's REL, which says what the target is to the source."""

_RULE = ("source", "code", "cui", "concept", "mapping")


@dataclass(frozen=True, slots=True)
class Match:
    """A target of a code, and why."""

    target: CodedConcept
    relation: str
    method: str
    cui: str = ""
    concept: str = ""
    steps: int = 0
    map_set: str = ""
    group: str = ""
    rank: str = ""
    rule: str = ""
    advice: str = ""


Matches = dict[Pair, list[Match]]


class Mappings(Hierarchies):
    """Maps between vocabularies."""

    def map_codes(
        self,
        texts: Iterable[str],
        source: str | None,
        targets: Sequence[str],
        *,
        rules: bool = True,
        ancestors: bool = False,
    ) -> Iterator[MapRow]:
        """Return what each written code is in other vocabularies, a row a target, in order.

        A code without a target has a row all the same. Codes are read some thousands at a time.

        Args:
            texts: codes as people write them.
            source: their vocabulary; None to take it from each.
            targets: vocabularies to map to.
            rules: take what map sets say (MRMAP), before what shared concepts say.
            ancestors: where nothing else is found, map the nearest code above.

        Raises:
            UsageError: the graph does not hold a vocabulary.
        """
        each = self.map_each(texts, source, targets, rules=rules, ancestors=ancestors)
        return chain.from_iterable(each)

    def map_each(
        self,
        texts: Iterable[str],
        source: str | None,
        targets: Sequence[str],
        *,
        rules: bool = True,
        ancestors: bool = False,
    ) -> Iterator[list[MapRow]]:
        """Return the rows of each written code, as :meth:`map_codes`."""
        wanted = [self.source(target) for target in targets]
        sab = self.source(source) if source else None
        return self._map_parts(texts, sab, wanted, rules, ancestors)

    def _map_parts(
        self,
        texts: Iterable[str],
        sab: str | None,
        wanted: list[str],
        rules: bool,
        ancestors: bool,
    ) -> Iterator[list[MapRow]]:
        for part in parts(texts):
            resolved = self.resolve(part, sab)
            matches = self._matches(resolved, wanted, rules, ancestors)
            for each in resolved:
                yield list(self._rows(each, matches))

    @cached_property
    def _has_rules(self) -> bool:
        (counted,) = self.graph.query("map_count")
        return bool(counted["rules"])

    def _matches(
        self, resolved: Sequence[Resolved], targets: list[str], rules: bool, ancestors: bool
    ) -> Matches:
        codes = {_pair(code): code for each in resolved for code in each.codes}
        found = self._by_rule(codes, targets) if rules and self._has_rules else {}
        left = {pair: code for pair, code in codes.items() if pair not in found}
        found |= self._by_concept(left, targets)
        if ancestors:
            left = {pair: code for pair, code in left.items() if pair not in found}
            found |= self._by_ancestor(left, targets)
        return found

    def _by_concept(self, codes: Mapping[Pair, CodedConcept], targets: Sequence[str]) -> Matches:
        cuis = {cui for code in codes.values() for cui in (code.cui, *code.others)}
        there = defaultdict(list)
        held = self.codes_of(cuis, [name for name in targets if name != UMLS])
        for target in sorted(held, key=lambda code: (targets.index(code.source), code.code)):
            there[target.cui].append(target)
        if UMLS in targets:
            for (_, cui), concept in self.find_codes((UMLS, cui) for cui in cuis).items():
                there[cui].append(concept)
        found: Matches = {}
        for pair, code in codes.items():
            matches = [
                _shared(code, target)
                for cui in (code.cui, *code.others)
                for target in there.get(cui, ())
                if _pair(target) != pair
            ]
            if matches:
                found[pair] = _best(matches)
        return found

    def _by_rule(self, codes: Mapping[Pair, CodedConcept], targets: Sequence[str]) -> Matches:
        pairs = [list(pair) for pair in codes if pair[0] != UMLS]
        rows = [dict(zip(_RULE, row, strict=True)) for row in self.graph.rows("map_rules", pairs)]
        known = self.find_codes((sab, row["mapping"]["to"]) for row in rows for sab in targets)
        found: Matches = defaultdict(list)
        for row in sorted(rows, key=_priority):
            for sab in targets:
                if target := known.get((sab, row["mapping"]["to"])):
                    found[_pair(row)].append(_ruled(row, target))
        return {pair: list(dict.fromkeys(matches)) for pair, matches in found.items()}

    def _by_ancestor(self, codes: Mapping[Pair, CodedConcept], targets: Sequence[str]) -> Matches:
        by_source: dict[str, list[CodedConcept]] = defaultdict(list)
        for code in codes.values():
            if code.source != UMLS:
                by_source[code.source].append(code)
        found: Matches = {}
        for sab, own in by_source.items():
            walked = self.walk(sab, map(self.node, own), "up")
            above = {_pair(code): code for code in self.codes_at(sab, walked.steps)}
            mapped = self._by_concept(above, targets)
            at: dict[str, list[Match]] = defaultdict(list)
            for pair, matches in mapped.items():
                at[self.node(above[pair])] += [_above(match, above[pair]) for match in matches]
            for code in own:
                if matches := _nearest(self.node(code), walked.edges, at):
                    found[_pair(code)] = list(dict.fromkeys(matches))
        return found

    def _rows(self, resolved: Resolved, matches: Matches) -> Iterator[MapRow]:
        if not resolved.codes:
            yield self._row(resolved, None, None, "unknown")
        for code in resolved.codes:
            found = matches.get(_pair(code), [])
            several = len({_pair(match.target) for match in found}) > 1
            status: Status = "ambiguous" if several or len(resolved.codes) > 1 else "mapped"
            for match in found:
                yield self._row(resolved, code, match, status)
            if not found:
                yield self._row(resolved, code, None, "unmapped")

    def _row(
        self, resolved: Resolved, code: CodedConcept | None, match: Match | None, status: Status
    ) -> MapRow:
        target = match.target if match else None
        return MapRow(
            asked=resolved.asked,
            source=code.source if code else "",
            code=code.code if code else "",
            name=code.name if code else "",
            status=status,
            target=target.source if target else "",
            target_code=target.code if target else "",
            target_name=target.name if target else "",
            relation=match.relation if match else "",
            method=match.method if match else "",
            steps=match.steps if match else 0,
            cui=(match.cui if match else "") or (code.cui if code else ""),
            concept=(match.concept if match else "") or (code.concept if code else ""),
            map_set=match.map_set if match else "",
            group=match.group if match else "",
            rank=match.rank if match else "",
            rule=match.rule if match else "",
            advice=match.advice if match else "",
            note=resolved.message,
            release=self.release,
        )


def _pair(row: Any) -> Pair:
    return (row["source"], row["code"]) if isinstance(row, dict) else (row.source, row.code)


def _priority(row: dict[str, Any]) -> tuple[str, int]:
    return row["mapping"].get("group") or "", row["mapping"].get("rank") or 0


def _shared(code: CodedConcept, target: CodedConcept) -> Match:
    exact = code.preferred and target.preferred and code.cui == target.cui
    relation = "skos:exactMatch" if exact else "skos:closeMatch"
    return Match(target, relation, "concept", target.cui, target.concept)


def _ruled(row: dict[str, Any], target: CodedConcept) -> Match:
    mapping = row["mapping"]
    return Match(
        target,
        RELATIONS.get(mapping.get("rel") or "", "skos:relatedMatch"),
        "rule",
        row["cui"],
        row["concept"],
        map_set=mapping.get("map_set") or "",
        group=mapping.get("group") or "",
        rank=str(mapping.get("rank") or ""),
        rule=mapping.get("rule") or "",
        advice=mapping.get("advice") or "",
    )


def _above(match: Match, code: CodedConcept) -> Match:
    return replace(match, relation="skos:broadMatch", method="ancestor", rule=f"by {code}")


def _best(matches: Iterable[Match]) -> list[Match]:
    """Return the exact matches into each vocabulary, or where it has none, the close ones."""
    by_target: dict[str, dict[Pair, Match]] = defaultdict(dict)
    for match in sorted(matches, key=lambda match: match.relation != "skos:exactMatch"):
        by_target[match.target.source].setdefault(_pair(match.target), match)
    best = []
    for several in by_target.values():
        exact = [m for m in several.values() if m.relation == "skos:exactMatch"]
        best += exact or list(several.values())
    return best


def _nearest(
    start: str, edges: Mapping[str, Sequence[str]], at: Mapping[str, Sequence[Match]]
) -> list[Match]:
    """Return what is at the nearest nodes above ``start`` that anything is at."""
    seen, level, steps = {start}, [start], 0
    while level:
        steps += 1
        level = [
            n for n in dict.fromkeys(n for m in level for n in edges.get(m, ())) if n not in seen
        ]
        seen.update(level)
        if found := [replace(match, steps=steps) for node in level for match in at.get(node, ())]:
            return found
    return []
