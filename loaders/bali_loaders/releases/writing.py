"""What both generators share: a release folder that appears only when whole, and MRDOC."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from functools import cache
from importlib.resources import files
from pathlib import Path

from bali_loaders.releases.catalogue import write_catalogue
from bali_loaders.releases.rrf import read_rows, standard_files, write_rows
from bali_platform.base.errors import UsageError
from bali_platform.base.files import new_folder, writing
from bali_platform.base.progress import QUIET, Reporter

REL = {
    "CHD": ("has child relationship in a source", "PAR"),
    "PAR": ("has parent relationship in a source", "CHD"),
    "RB": ("has a broader relationship", "RN"),
    "RN": ("has a narrower relationship", "RB"),
    "RO": ("has a relationship other than synonymous, narrower or broader", "RO"),
    "RQ": ("related and possibly synonymous", "RQ"),
    "SIB": ("has sibling relationship in a source", "SIB"),
    "SY": ("source asserted synonymy", "SY"),
    "DEL": ("deleted concept", ""),
}
OTHER_KEYS = {
    "STT": {
        "PF": "preferred form of the term",
        "VC": "case variant of the preferred form",
        "VW": "word order variant of the preferred form",
        "VCW": "case and word order variant of the preferred form",
        "VO": "other variant of the preferred form",
    },
    "STYPE": {"AUI": "atom", "CUI": "concept", "SCUI": "source concept", "SDUI": "descriptor"},
    "SUPPRESS": {
        "E": "suppressible by an editor",
        "N": "not suppressible",
        "O": "obsolete",
        "Y": "suppressible by source and term type",
    },
    "TS": {"P": "preferred term of the concept", "S": "other term of the concept"},
}


@contextmanager
def new_release(
    folder: Path, *, version: str, date: str, description: str, reporter: Reporter = QUIET
) -> Iterator[Path]:
    """Build a release beside ``folder``; on success complete it and move it there.

    Yields the folder to fill. MRFILES, MRCOLS and release.dat are written last. ``date`` is
    YYYYMMDD. Raises :class:`UsageError` when ``folder`` holds something already.
    """
    if folder.exists() and (not folder.is_dir() or any(folder.iterdir())):
        raise UsageError(f"{folder} exists and is not empty; remove it or name another folder")
    with writing(folder), new_folder(folder) as building:
        yield building
        write_catalogue(building / "META", reporter=reporter)
        lines = {"name": version, "description": description, "date": date}
        text = "".join(f"umls.release.{key}={value}\n" for key, value in lines.items())
        (building / "META" / "release.dat").write_text(text, encoding="utf-8")


def write_file(release: Path, name: str, rows: Iterable[tuple[str, ...]] = ()) -> None:
    """Write the standard file ``name`` (``MRSTY``, ``CHANGE/MERGEDCUI``) of ``release``."""
    width = len(standard_files()[name].columns)
    path = release / name if name.startswith("NET/") else release / "META" / f"{name}.RRF"
    write_rows(path, rows, width)


@cache
def semantic_types() -> Mapping[str, tuple[str, str]]:
    """Map every semantic type to its tree number and name.

    >>> semantic_types()["T047"]
    ('B2.2.1.2.1', 'Disease or Syndrome')
    """
    resource = files("bali_loaders.releases") / "standard" / "semantic_types.rrf"
    with resource.open("rb") as stream:
        rows = read_rows(stream, ("TUI", "STN", "STY"), "semantic_types.rrf")
        return {row["TUI"]: (row["STN"], row["STY"]) for row in rows}


def documentation(
    *,
    version: str,
    inverses: Mapping[str, str],
    term_types: Mapping[str, str],
    attributes: Mapping[str, str],
    languages: Mapping[str, str],
) -> list[tuple[str, str, str, str]]:
    """Return the rows of MRDOC.

    ``inverses`` maps every RELA to its inverse (both directions are written); the others map an
    abbreviation to its meaning.
    """
    rows = {("RELEASE", "umls.release.name", "release_info", version)}
    for rela, inverse in {**inverses, **{b: a for a, b in inverses.items()}, "": ""}.items():
        rows.add(("RELA", rela, "rela_inverse", inverse))
        rows.add(("RELA", rela, "expanded_form", _spoken(rela)))
    for rel, (meaning, inverse) in REL.items():
        rows.add(("REL", rel, "rel_inverse", inverse))
        rows.add(("REL", rel, "expanded_form", meaning))
    explained = {**OTHER_KEYS, "TTY": term_types, "ATN": attributes, "LAT": languages}
    for key, meanings in explained.items():
        rows.update((key, value, "expanded_form", text) for value, text in meanings.items())
    return sorted(rows)


def _spoken(rela: str) -> str:
    return rela.replace("_", " ").capitalize() if rela else "no relationship attribute"
