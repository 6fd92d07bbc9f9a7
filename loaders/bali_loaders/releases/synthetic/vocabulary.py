"""The closed lists of a synthetic release: words, languages, sources, term types, relations."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache
from itertools import product

WORDS_PER_LANGUAGE = 4096

SCRIPTS = {
    "latin": "ba co di fu gle hy jo ka lu mi nor pe qua ris sto ter",
    "accented": "bà çö dí fü glê hŷ jø kå łu mį ñor pé qûa řis štō ţer",
    "greek": "αβ γε δη ζι θο κυ λω μα νε ξη πι ρο στυ φω χα ψε",
    "cyrillic": "ба во ги ду жэ зы кё лю мя нор пе рис сто тер фу хло",
    "kana": "あ い う エ オ カ き く ケ こ さ 心 臓 病 腎 肺",
    "hangul": "가 나 다 라 마 바 사 아 자 차 카 타 파 하 심 장",
    "han": "心 肝 脾 肺 肾 病 炎 症 瘤 血 管 骨 脑 神 经 胃",
    "arabic": "با تا ثي جو حا خي دو ذا ري زو سا شي صو طا عي غو",
    "hebrew": "בא גו די הא וי זו חא טי יו כא לי מו נא סי עו פא",
    "devanagari": "का खि गु घे चो जा टि डु ते दो ना पि बु मे रो ला",
}
"""Sixteen syllables a script; every three of them make a word."""

LANGUAGES = {
    "ENG": "latin",
    "SPA": "accented",
    "FRE": "accented",
    "GER": "accented",
    "POR": "accented",
    "ITA": "latin",
    "DUT": "latin",
    "CZE": "accented",
    "HUN": "accented",
    "POL": "accented",
    "SWE": "accented",
    "NOR": "accented",
    "DAN": "accented",
    "FIN": "latin",
    "EST": "accented",
    "LAV": "accented",
    "TUR": "accented",
    "GRE": "greek",
    "RUS": "cyrillic",
    "UKR": "cyrillic",
    "JPN": "kana",
    "KOR": "hangul",
    "CHI": "han",
    "ARA": "arabic",
    "HIN": "devanagari",
}

TERM_TYPES = {
    "PN": "preferred name of this release",
    "PT": "designated preferred name",
    "MH": "main heading",
    "SY": "designated synonym",
    "ET": "entry term",
    "AB": "abbreviation",
    "OP": "obsolete preferred name",
    "IS": "obsolete synonym",
}
"""Best first; the last three are suppressible by default."""

SOURCE_COUNT = 180
ENGLISH_SOURCES = 120


@dataclass(frozen=True, slots=True)
class SyntheticSource:
    """A made-up source: how it codes, in which language, under which licence category."""

    sab: str
    language: str
    term_types: tuple[str, ...]
    category: int
    code_prefix: str
    identifies: str
    """Which column carries its code besides CODE: SCUI, SDUI or none."""


@cache
def _words(script: str) -> tuple[str, ...]:
    syllables = SCRIPTS[script].split()
    return tuple("".join(parts) for parts in product(syllables, repeat=3))


WORDS: tuple[str, ...] = tuple(word for script in LANGUAGES.values() for word in _words(script))
"""Words of all languages, ``WORDS_PER_LANGUAGE`` each, in the order of ``LANGUAGES``."""


def _source(place: int) -> SyntheticSource:
    if place == 0:
        return SyntheticSource("MTH", "ENG", ("PN",), 0, "NOCODE", "")
    others = [language for language in LANGUAGES if language != "ENG"]
    english = place < ENGLISH_SOURCES
    language = "ENG" if english else others[place % len(others)]
    suffix = "" if english else language
    kinds = (("PT", "SY"), ("PT", "SY", "OP"), ("MH", "ET", "AB"), ("PT", "ET", "SY", "IS"))
    return SyntheticSource(
        sab=f"VOC{place:03}{suffix}",
        language=language,
        term_types=kinds[place % len(kinds)],
        category=(0, 0, 0, 1, 2, 3, 4, 9)[place % 8],
        code_prefix=("", "D", f"V{place}:", "X-")[place % 4],
        identifies=("SCUI", "SDUI", "")[place % 3],
    )


SOURCES = tuple(_source(place) for place in range(SOURCE_COUNT))
"""Sources, the most used first. The first gives names without codes, as MTH does in the UMLS."""

ODD_RELAS = {
    "has_part(s)": "part(s)_of",
    "re-sects": "re-sected_by",
    "2nd_line_for": "has_2nd_line",
    "maps/to": "maps/from",
    "owner's": "owned's",
    "back`tick": "kcit`kcab",
    'says "yes"': 'told "yes"',
    "has ünïts": "ünïts of",
    "UPPER_Case": "esaC_REPPU",
    "a.b:c,d;e": "e;d,c:b.a",
    "$cost&value": "value&cost$",
    "50%_of": "has_50%",
}
SYMMETRIC_RELAS = ("associated_with", "co-occurs_with", "sib_in_category")


def inverse_relas() -> dict[str, str]:
    """Map about a thousand relations, both directions, to their inverses."""
    stems = _words("latin")
    regular = {f"has_{stem}": f"{stem}_of" for stem in stems[:480]}
    pairs = {"isa": "inverse_isa", **ODD_RELAS, **regular}
    symmetric = {rela: rela for rela in SYMMETRIC_RELAS}
    return {**pairs, **{inverse: rela for rela, inverse in pairs.items()}, **symmetric}


RELAS = ("", *inverse_relas())
"""Every RELA, nothing first."""
