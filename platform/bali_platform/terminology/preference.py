"""Which of a code's terms stands for it."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import NamedTuple

# UMLS term types that name a code itself, and those that are merely other words for it. What is in
# neither list lies between them.
_NAMING = """
PT MH PN PF FN NM HT LN LC IN BN MIN PIN SCD SBD SCDC SBDC SCDF SBDF GPCK BPCK RPT VPT MTH_PT
MTH_MH MTH_HT PSC HG HS DE CN DN DF DFG SCN USN TQ OPN ACR_PT
"""
_OTHER_WORDS = """
SY ET EP PEP PM AB IS OET MTH_SY MTH_ET SYN RSY SYGB ETAL NA DEV XM SS VAB RAB SSN MTH_OET MTH_IS
OP OAP OAS OAM LLT FSY CSY SB BD TMSY CE XQ
"""
_RANKS = dict.fromkeys(_OTHER_WORDS.split(), 2) | dict.fromkeys(_NAMING.split(), 0)


class NamedAtom(NamedTuple):
    """An atom in the order of preference: the least one is the best."""

    suppressed: bool
    rank: int
    aui: str
    name: str


def best_atom(atoms: Iterable[Sequence[str | None]]) -> NamedAtom:
    """Return the best of ``[name, term type, suppress, AUI]`` atoms.

    >>> best_atom([["MI", "AB", "N", "A1"], ["Myocardial infarction", "PT", "N", "A2"]]).name
    'Myocardial infarction'
    """
    return min(
        NamedAtom((suppress or "N") != "N", _RANKS.get(tty or "", 1), aui or "", name or "")
        for name, tty, suppress, aui in atoms
    )
