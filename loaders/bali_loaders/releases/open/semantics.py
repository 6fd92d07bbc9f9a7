"""Semantic types of terms, from the branch of its source's hierarchy that a term is in."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from functools import cache
from importlib.resources import files

from bali_loaders.releases.open.terms import Source, Term, ancestors
from bali_loaders.releases.rrf import read_rows
from bali_loaders.releases.writing import semantic_types


@cache
def _rules() -> Mapping[tuple[str, str], tuple[int, str]]:
    """Map (source, code or MeSH tree number) to (place in the file, semantic type)."""
    resource = files("bali_loaders.releases.open") / "semantic_types.rrf"
    with resource.open("rb") as stream:
        rows = read_rows(stream, ("SAB", "BRANCH", "TUI"), "semantic_types.rrf")
        return {(r["SAB"], r["BRANCH"]): (place, r["TUI"]) for place, r in enumerate(rows)}


def types_of_terms(source: Source) -> dict[str, set[str]]:
    """Return the semantic types of each term of ``source`` that a rule covers.

    In MeSH the longest rule for each tree number counts, elsewhere the first rule of the file that
    names the term or a term above it.
    """
    if source.info.sab == "MSH":
        found = {code: set(_of_heading(term)) for code, term in source.terms.items()}
    else:
        found = {code: set(_of_branch(source, code)) for code in source.terms}
    return {code: types for code, types in found.items() if types}


def _of_heading(term: Term) -> Iterator[str]:
    for name, number in term.attributes:
        while name == "MN" and number:
            if rule := _rules().get(("MSH", number)):
                yield rule[1]
                break
            number = number.rpartition(".")[0] or ("" if len(number) == 1 else number[0])


def _of_branch(source: Source, code: str) -> list[str]:
    above = (_rules().get((source.info.sab, a)) for a in ancestors(source.terms, code))
    return [min(rule for rule in found)[1]] if (found := [r for r in above if r]) else []


def most_specific(types: Iterable[str]) -> list[str]:
    """Drop each type that is above another one in the Semantic Network.

    >>> most_specific({"T033", "T184", "T047"})
    ['T047', 'T184']
    """
    tree = {tui: semantic_types()[tui][0] for tui in types}
    above = {t for t, n in tree.items() if any(m != n and m.startswith(n) for m in tree.values())}
    return sorted(tree.keys() - above)
