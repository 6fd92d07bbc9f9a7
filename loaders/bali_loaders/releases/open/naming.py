"""Names of concepts: atoms, their order (MRRANK) and the flags that follow from it."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

from bali_loaders.releases.identifiers import Numbering
from bali_loaders.releases.open.terms import Term

RANKS = (
    ("HPO", "PT", "N"),
    ("MONDO", "PT", "N"),
    ("MSH", "MH", "N"),
    ("DOID", "PT", "N"),
    ("EFO", "PT", "N"),
    ("HPO", "SY", "N"),
    ("MONDO", "SY", "N"),
    ("DOID", "SY", "N"),
    ("MSH", "ET", "N"),
    ("EFO", "SY", "N"),
    ("HPO", "ET", "N"),
    ("MSH", "PM", "N"),
    ("SRC", "RPT", "N"),
    ("SRC", "VPT", "N"),
    ("SRC", "RAB", "N"),
    ("SRC", "VAB", "N"),
    ("HPO", "AB", "Y"),
    ("HPO", "IS", "O"),
    ("HPO", "OP", "O"),
)
"""(source, term type, suppressibility), the most preferred first."""

TERM_TYPES = {
    "AB": "abbreviation",
    "ET": "entry term, also narrower, broader or related",
    "IS": "obsolete synonym",
    "MH": "main heading",
    "OP": "obsolete preferred name",
    "PM": "machine permutation",
    "PT": "designated preferred name",
    "RAB": "root abbreviation",
    "RPT": "root preferred term",
    "SY": "designated synonym",
    "VAB": "versioned abbreviation",
    "VPT": "versioned preferred term",
}

RANK = {(sab, tty): len(RANKS) - place for place, (sab, tty, _) in enumerate(RANKS)}
SUPPRESS = {(sab, tty): suppress for sab, tty, suppress in RANKS}
PREFERRED = {"MSH": "MH"}
DESCRIPTORS = {"MSH"}


@dataclass(frozen=True, slots=True)
class Atom:
    """One name of one term of one source."""

    aui: str
    lui: str
    sui: str
    sab: str
    tty: str
    code: str
    text: str


class AtomMaker:
    """Makes atoms with stable identifiers."""

    def __init__(self) -> None:
        self._aui = Numbering("A", digits=8)
        self._lui = Numbering("L", digits=8)
        self._sui = Numbering("S", digits=8)

    def of_term(self, term: Term) -> list[Atom]:
        """Return the atoms of a term, preferred name first, equal strings once."""
        names = [(PREFERRED.get(term.sab, "PT"), term.name), *term.synonyms]
        unique = {text: tty for tty, text in reversed(names)}
        return [
            self.make(term.sab, unique.pop(text), term.code, text)
            for _, text in names
            if text in unique
        ]

    def make(self, sab: str, tty: str, code: str, text: str) -> Atom:
        """Make one atom."""
        aui = self._aui(sab, tty, code, text)
        return Atom(aui, self._lui(_normalised(text)), self._sui(text), sab, tty, code, text)


def _normalised(text: str) -> str:
    """Fold case, punctuation and word order: strings with the same outcome are one term (LUI)."""
    return " ".join(sorted(re.findall(r"\w+", text.casefold()))) or text


def conso_rows(cui: str, atoms: Iterable[Atom]) -> Iterator[tuple[str, ...]]:
    """Yield the MRCONSO rows of a concept, the preferred atom first.

    TS, STT and ISPREF follow from the rank, as in the UMLS Reference Manual, section 3.3.4: one
    preferred term, in each term one preferred string, for each string one preferred atom.
    """
    ordered = sorted(atoms, key=lambda atom: (-RANK[atom.sab, atom.tty], atom.aui))
    forms: dict[str, Atom] = {}
    strings: dict[str, Atom] = {}
    for atom in ordered:
        form = forms.setdefault(atom.lui, atom)
        first = strings.setdefault(atom.sui, atom) is atom
        ts = "P" if atom.lui == ordered[0].lui else "S"
        yield _row(cui, atom, ts, _string_type(atom, form), "Y" if first else "N")


def _string_type(atom: Atom, form: Atom) -> str:
    if atom.sui == form.sui:
        return "PF"
    same_case = _words(atom.text, fold=False) == _words(form.text, fold=False)
    if same_case:
        return "VW"
    if atom.text.casefold() == form.text.casefold():
        return "VC"
    return "VCW" if _words(atom.text, fold=True) == _words(form.text, fold=True) else "VO"


def _words(text: str, *, fold: bool) -> list[str]:
    return sorted((text.casefold() if fold else text).split())


def _row(cui: str, atom: Atom, ts: str, stt: str, ispref: str) -> tuple[str, ...]:
    scui, sdui = ("", atom.code) if atom.sab in DESCRIPTORS else (atom.code, "")
    suppress = SUPPRESS[atom.sab, atom.tty]
    source = ("", scui, sdui, atom.sab, atom.tty, atom.code, atom.text, "0", suppress, "")
    return (cui, "ENG", ts, atom.lui, stt, atom.sui, ispref, atom.aui, *source)


def rank_rows() -> Sequence[tuple[str, str, str, str]]:
    """Return the rows of MRRANK."""
    return [
        (f"{len(RANKS) - place:04}", sab, tty, "N" if suppress == "N" else "Y")
        for place, (sab, tty, suppress) in enumerate(RANKS)
    ]
