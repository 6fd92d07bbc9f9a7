"""Which forms of a name the linker looks for, and which names it leaves alone."""

from __future__ import annotations

import re
from collections.abc import Sequence

from bali_platform.graph.names import name_key

_EVERYDAY_WORDS = """
    a about above after again all also although am among an and any are as at be because been
    before being below best better between both but by can cannot come could day did do does doing
    done down during each early either else end even ever every few first for form found from
    further get give given go good had has have having he her here hers him his how however i if in
    into is it its just kind know known large last late later least less let like likely long look
    made make many may me mean means might more most much must my near need neither never new next
    no nor normal not note now of off often old on once one only or other others our out over own
    part per put rather said same second see seen several shall she should show shown since small
    so some still such take taken than that the their them then there these they thing this those
    three through thus time to together too two under until up upon us use used useful using usual
    various very via was way we well were what when where whether which while who whole whose why
    will with within without would year yes yet you your
"""
_COMMON = frozenset(_EVERYDAY_WORDS.split())
_LONGEST_SHORT_FORM = 6
_INITIAL = re.compile(r"\b[^\W\d_]")
_TAIL = re.compile(r"(?:\s*\([^()]*\)|,?\s+NOS|,?\s+unspecified)\s*$")


def is_linkable(name: str) -> bool:
    """Tell whether a name can be looked for in text at all.

    Single characters, numbers and everyday words are not; everyday words in capitals (*ALL*, *HAS*)
    are taken to be acronyms.
    """
    key = name_key(name)
    everyday = key in _COMMON and not is_acronym(name)
    return len(key) > 1 and not everyday and any(map(str.isalpha, key))


def is_acronym(name: str) -> bool:
    """Tell whether a name must be written exactly so: at most four characters, with capitals.

    >>> [name for name in ("ALL", "Eye", "HbA1", "AIDS", "BRCA1", "IL-6") if is_acronym(name)]
    ['ALL', 'HbA1', 'AIDS', 'IL-6']
    """
    return len(name) <= 4 and sum(map(str.isupper, name)) > 1


def is_short_form(name: str, names: Sequence[str]) -> bool:
    """Tell whether a word of a concept's names is one of its acronyms, in whatever case.

    It is written in capitals only, or spelled by the initials of another name.

    >>> names = ("gastric antral vascular ectasia", "gave", "MARCH")
    >>> [name for name in names if is_short_form(name, names)]
    ['gave', 'MARCH']
    """
    if not 2 < len(name) <= _LONGEST_SHORT_FORM or not name.isalpha():
        return False
    if name.isupper():
        return sum(name.lower() == other.lower() for other in names) == 1
    return name.islower() and any(
        len(other) > 2 * len(name) and name == "".join(_INITIAL.findall(other.lower()))
        for other in names
    )


def name_variants(name: str) -> list[str]:
    """Return other ways to write a name that UMLS sources write for the index, not for the reader.

    Trailing qualifiers go, and inverted names are put in reading order.

    >>> name_variants("Infarction, Myocardial, NOS")
    ['Infarction, Myocardial', 'Myocardial Infarction']
    >>> name_variants("Heart failure (disorder)")
    ['Heart failure']
    """
    bare = _TAIL.sub("", name) if name[-1:] in ")SsDd" else name
    variants = [bare] if bare != name else []
    if ", " in bare:
        variants.append(" ".join(reversed(bare.split(", "))))
    return [variant for variant in variants if is_linkable(variant)]
