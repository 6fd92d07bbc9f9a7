"""Hold what the graph says of one concept against the evidence; say each difference in one line."""

from __future__ import annotations

from collections.abc import Hashable, Iterable, Iterator, Mapping, Sequence
from hashlib import md5
from typing import Any

from bali_loaders.umls.own import is_own_label
from bali_loaders.umls.transform.relations import type_name
from bali_loaders.umls.verification.evidence import Evidence, Fact, Retired
from bali_platform.graph.semantic_groups import group_of

HUB = 64


def compare_concept(evidence: Evidence, found: Mapping[str, Any], version: str) -> Iterator[str]:
    """Compare a concept with its row of ``evidence.cypher``; ``version`` is the graph's."""
    properties = found["properties"]
    if properties is None or not evidence.loaded:
        if evidence.loaded:
            yield f"{evidence.cui} is missing"
        elif properties is not None:
            yield f"{evidence.cui} must not be loaded under these filters"
        return
    labels = [label for label in found["labels"] if not is_own_label(label)]
    problems = (
        *_compare_properties(evidence, properties),
        *_compare_sets("label", _labels(evidence), labels),
        *_compare_sets("semantic type", evidence.types, found["types"]),
        *_compare_sets("atom", evidence.atoms, map(tuple, found["atoms"])),
        *_compare_sets("definition", evidence.definitions, map(tuple, found["definitions"])),
        *_compare_sets("fact", evidence.facts, map(_fact, found["edges"])),
        *_misnamed(found["edges"]),
        *_compare_sample(evidence.cui, found["edges"], properties.get("sampled_edges"), version),
    )
    yield from (f"{evidence.cui}: {problem}" for problem in problems)


def compare_retired(retired: Retired, found: Mapping[str, Any]) -> Iterator[str]:
    """Compare a retired concept with its row of ``retired.cypher``."""
    if found["reason"] != retired.reason:
        yield f"retired {retired.cui}: reason is {found['reason']}, not {retired.reason}"
    replacements = map(tuple, found["replacements"])
    for problem in _compare_sets("replacement", set(retired.replacements.items()), replacements):
        yield f"retired {retired.cui}: {problem}"


def _compare_properties(evidence: Evidence, properties: Mapping[str, Any]) -> Iterator[str]:
    expected = {
        "name": evidence.names[0],
        "names": evidence.names,
        "definition": evidence.definition,
        "sources": sorted({sab for _, sab, _ in evidence.atoms}),
        "suppressed": True if evidence.suppressed else None,
    }
    for key, value in expected.items():
        if properties.get(key) != value:
            yield f"{key} is {properties.get(key)!r}, not {value!r}"


def _labels(evidence: Evidence) -> set[str]:
    groups = map(group_of, evidence.types)
    return {"Concept", *(group.label for group in groups if group)}


def _compare_sets(kind: str, wanted: set[Any], found: Iterable[Hashable]) -> Iterator[str]:
    there = list(found)
    for missing in sorted(wanted.difference(there)):
        yield f"{kind} missing: {missing}"
    for wrong in sorted({str(item) for item in there if item not in wanted}):
        yield f"{kind} wrong: {wrong}"
    if len(there) > len(set(there)):
        yield f"{kind} repeated: {len(there)} found, {len(set(there))} distinct"


def _fact(edge: Sequence[Any]) -> Fact:
    outgoing, _, neighbour, rel, rela, sabs = edge
    return Fact(outgoing, rela or rel, bool(rela), neighbour, rel, tuple(sabs))


def _misnamed(edges: Iterable[Sequence[Any]]) -> Iterator[str]:
    for _, type_, neighbour, rel, rela, _ in edges:
        plain = type_name(rela or rel)
        if type_ != plain and not type_.startswith(f"{plain}_"):
            yield f"{rela or rel} with {neighbour} is stored as {type_}"


def _compare_sample(
    cui: str, edges: Iterable[Sequence[Any]], sampled: list[str] | None, version: str
) -> Iterator[str]:
    entries = [f"{'>' if out else '<'}{type_}|{other}" for out, type_, other, *_ in edges]
    if len(entries) <= HUB:
        if sampled is not None:
            yield "sampled_edges on a concept that is no hub"
        return
    lowest = sorted(entries, key=lambda entry: _hash(f"{version}|{cui}|{entry}"))
    if sampled != sorted(lowest[:HUB]):
        yield "sampled_edges are not the ones that the graph version gives"


def _hash(text: str) -> bytes:
    return md5(text.encode(), usedforsecurity=False).digest()
