"""The sources as the release describes them: MRSAB rows and the concepts that stand for them."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence

from bali_loaders.releases.identifiers import Numbering
from bali_loaders.releases.open.naming import Atom, AtomMaker
from bali_loaders.releases.open.terms import SourceInfo, Term

OWN_NAMES = SourceInfo(
    "SRC", "Names of the sources of this release", "", "BALI platform", "CC0 1.0", "this release"
)


def _versioned(info: SourceInfo) -> str:
    return f"{info.sab}_{info.version.upper()}".translate(str.maketrans(" .-", "___"))


def _source_cuis(infos: Iterable[SourceInfo]) -> dict[str, tuple[str, str]]:
    """Give each source the numbers of its (versioned, root) concepts, in a range of their own."""
    number = Numbering("C", digits=7, first=9_900_000, size=100_000)
    return {info.sab: (number("V", info.sab), number("R", info.sab)) for info in infos}


def root_and_version_atoms(
    infos: Sequence[SourceInfo], maker: AtomMaker
) -> Iterator[tuple[str, Atom]]:
    """Yield the names of each source and of its version, with their concepts."""
    cuis = _source_cuis(infos)
    for info in infos:
        versioned, root = cuis[info.sab]
        code = f"V-{info.sab}"
        yield root, maker.make("SRC", "RPT", code, info.name)
        yield root, maker.make("SRC", "RAB", code, info.sab)
        code = f"V-{_versioned(info)}"
        yield versioned, maker.make("SRC", "VPT", code, f"{info.name}, {info.version}")
        yield versioned, maker.make("SRC", "VAB", code, _versioned(info))


def sab_rows(
    infos: Sequence[SourceInfo],
    terms: Iterable[Term],
    atoms: Mapping[str, Iterable[Atom]],
    version: str,
) -> Iterator[tuple[str, ...]]:
    """Yield MRSAB: one row a source, with counts of atoms (TFR) and concepts (CFR)."""
    cuis = _source_cuis(infos)
    names: dict[str, list[Atom]] = defaultdict(list)
    concepts: dict[str, set[str]] = defaultdict(set)
    attributes: dict[str, set[str]] = defaultdict(set)
    for cui, group in atoms.items():
        for atom in group:
            names[atom.sab].append(atom)
            concepts[atom.sab].add(cui)
    for term in terms:
        attributes[term.sab].update(name for name, _ in term.attributes)
    for info in sorted((*infos, OWN_NAMES), key=lambda info: info.sab):
        vcui, rcui = cuis.get(info.sab, ("", ""))
        sab, own = info.sab, names[info.sab]
        contexts = "FULL-MULTIPLE" if sab == "MSH" else ""
        yield (
            *(vcui, rcui, _versioned(info) if vcui else sab, sab, info.name, sab),
            *(info.version, "", "", version, "", info.contact, info.contact, "0"),
            *(str(len(own)), str(len(concepts[sab])), contexts),
            ",".join(sorted({atom.tty for atom in own})),
            ",".join(sorted(attributes[sab])),
            *("ENG" if own else "", "UTF-8", "Y", "Y", info.name),
            f"{info.name}, {info.version or version}; {info.origin}. Licence: {info.licence}.",
        )
