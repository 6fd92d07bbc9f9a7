"""The RRF files of a release as DuckDB views, with their columns found by name."""

from __future__ import annotations

from collections.abc import Mapping

from bali_loaders.releases import Release, ReleaseFile
from bali_loaders.releases.rrf import scan_sql, standard_files
from bali_loaders.umls.options import PRESETS, LoadOptions
from bali_platform.base.errors import BaliError

# What a load may read, and the columns it cannot do without. A file marked None may be missing.
READ: Mapping[str, str | None] = {
    "MRSAB": "RSAB SRL LAT",
    "MRRANK": "RANK SAB TTY",
    "MRDOC": "VALUE TYPE EXPL",
    "MRCONSO": "CUI LAT AUI SAB TTY STR SUPPRESS",
    "MRSTY": "CUI TUI STY",
    "MRREL": "CUI1 REL CUI2 RELA SAB SUPPRESS",
    "MRDEF": None,
    "MRCUI": None,
    "CHANGE/DELETEDCUI": None,
    "CHANGE/MERGEDCUI": None,
    "NET/SRDEF": None,
    "NET/SRSTRE1": None,
    "MRSAT": None,
    "MRHIER": None,
    "MRMAP": None,
}

DELETE_CATALOGUE = "delete MRFILES.RRF if you filtered the files yourself"


def files_read(options: LoadOptions) -> frozenset[str]:
    """Return the names of the files that a load reads."""
    extras = {"MRSAT": options.attributes, "MRHIER": options.hierarchies, "MRMAP": options.maps}
    return frozenset(name for name in READ if extras.get(name, True))


def check_complete(release: Release, options: LoadOptions) -> None:
    """Refuse a release that lacks files or columns that the graph cannot be right without."""
    read = sorted(files_read(options))
    claimed = [name for name in read if name in release.missing]
    needed = [name for name in read if READ[name] and name not in release.files]
    if claimed:
        lean = files_read(PRESETS["lean"])
        ways = ["copy from the release what is missing"]
        ways += [] if needed else [DELETE_CATALOGUE]
        ways += ["load without by --preset lean"] if lean.isdisjoint(claimed) else []
        raise BaliError(
            f"{release.path}: MRFILES.RRF counts rows of {', '.join(claimed)}, which "
            f"{'is' if len(claimed) == 1 else 'are'} missing; {', or '.join(ways)}"
        )
    if needed:
        files = ", ".join(f"{name}.RRF" for name in needed)
        raise BaliError(f"{release.path}: no {files}; make the subset again with what is missing")
    for name in read:
        _check_columns(release.files.get(name), (READ[name] or "").split())


def _check_columns(file: ReleaseFile | None, needed: list[str]) -> None:
    if file and (lacking := sorted(set(needed) - set(file.columns))):
        raise BaliError(
            f"{file.label}: no column {', '.join(lacking)} by MRFILES.RRF; "
            "make the subset again with all columns"
        )


def view_sql(release: Release, name: str, *, empty: bool = False) -> str:
    """Return the statement that makes a view of a file, with all columns of the standard.

    ``CHANGE/MERGEDCUI`` becomes change_mergedcui. Empty fields, and columns that the release lacks,
    are null; an ``empty`` view, or one of a file that the release lacks, has no rows. A line with
    too few or too many fields is an error.
    """
    file = None if empty else release.files.get(name)
    present = file.columns if file else ()
    columns = ", ".join(
        f"{column if column in present else 'NULL::VARCHAR'} AS {column}"
        for column in standard_files()[name].columns
    )
    rows = scan_sql(release.local(name), present) if file else "range(0)"
    return f"CREATE VIEW {name.replace('/', '_').lower()} AS FROM {rows} SELECT {columns}"
