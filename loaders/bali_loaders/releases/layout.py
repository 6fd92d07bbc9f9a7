"""Work out what a release holds: which files, their columns, what is claimed of them."""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path, PurePosixPath
from typing import IO

from bali_loaders.releases.members import Member, damage_named, open_joined
from bali_loaders.releases.rrf import read_rows, standard_files
from bali_platform.base.errors import BaliError, UsageError

FILE_NAME = re.compile(r"(?P<stem>[A-Z0-9_]+)\.RRF(?P<part>\.[a-z]{2})?(\.gz)?")


@dataclass(frozen=True, slots=True)
class ReleaseFile:
    """One file of a release: its columns in order, what the release claims of it, its parts.

    ``rows_claimed`` and ``bytes_claimed`` are ``None`` where no MRFILES (SRFIL) speaks of it.
    """

    name: str
    columns: tuple[str, ...]
    rows_claimed: int | None
    bytes_claimed: int | None
    parts: tuple[Member, ...] = field(repr=False)

    @property
    def label(self) -> str:
        """What to call the file in a message."""
        return str(self.parts[0].name)

    @property
    def compressed(self) -> bool:
        """Whether the parts are gzip."""
        return self.parts[0].name.suffix == ".gz"

    @property
    def size(self) -> int:
        """Bytes of text; of the compressed parts where the text's are not known."""
        stored = sum(part.size for part in self.parts)
        return self.bytes_claimed or stored if self.compressed else stored

    @property
    def readable_path(self) -> Path | None:
        """Where DuckDB can read the whole file as it lies, if it can."""
        return self.parts[0].path if len(self.parts) == 1 else None

    def open(self) -> IO[bytes]:
        """Open the text of all parts as one stream of bytes."""
        return open_joined(self.parts, compressed=self.compressed)


@dataclass(frozen=True, slots=True)
class Layout:
    """Every known file by name, the claimed files that are absent, and the release's version."""

    files: Mapping[str, ReleaseFile]
    missing: tuple[str, ...]
    version: str


def read_layout(members: Iterable[Member], path: Path) -> Layout:
    """Sort the ``members`` found at ``path`` into RRF files.

    Raises :class:`UsageError` when they are no release, :class:`BaliError` when it is damaged.
    """
    members = sorted(members, key=lambda member: member.name)
    groups = _by_file(members, path)
    claims = _claims(groups)
    known = {*claims, *standard_files()}
    files = {n: _describe(n, parts, claims) for n, parts in groups.items() if n in known}
    if not files["MRCONSO"].size:
        raise BaliError(f"{files['MRCONSO'].label} holds no rows: the release is empty")
    missing = tuple(sorted(n for n, claim in claims.items() if claim.rows and n not in files))
    return Layout(files, missing, _version(members, files, path))


@dataclass(frozen=True, slots=True)
class _Claim:
    columns: tuple[str, ...]
    rows: int
    bytes: int


def _by_file(members: list[Member], path: Path) -> dict[str, list[Member]]:
    roots = {member.name.parent for member in members if _stem(member.name) == "MRCONSO"}
    if not roots:
        raise UsageError(f"{path}: no MRCONSO.RRF in it; give a folder or zip of RRF files")
    if len(roots) > 1:
        names = ", ".join(sorted(str(root) for root in roots))
        raise UsageError(f"{path}: holds several releases ({names}); give one of them")
    root = roots.pop()
    groups: dict[str, list[Member]] = defaultdict(list)
    for member in members:
        if name := _file_name(member.name, root):
            groups[name].append(member)
    for parts in groups.values():
        _refuse_doubles(parts)
    return groups


def _refuse_doubles(parts: list[Member]) -> None:
    split = all(m and m["part"] for m in (FILE_NAME.fullmatch(part.name.name) for part in parts))
    if len(parts) > 1 and not split:
        raise UsageError(f"{parts[0].name} and {parts[1].name} are the same file; remove one")


def _file_name(path: PurePosixPath, root: PurePosixPath) -> str | None:
    if path.parent in (root / "NET", root.parent / "NET"):
        name = f"NET/{path.name.removesuffix('.gz')}"
        return name if name in standard_files() else None
    stem = _stem(path)
    return str(path.parent.relative_to(root) / stem) if stem and root in path.parents else None


def _stem(path: PurePosixPath) -> str | None:
    match = FILE_NAME.fullmatch(path.name)
    return match["stem"] if match else None


def _claims(groups: Mapping[str, list[Member]]) -> dict[str, _Claim]:
    claims: dict[str, _Claim] = {}
    for catalogue, prefix in (("MRFILES", ""), ("NET/SRFIL", "NET/")):
        if parts := groups.get(catalogue):
            file = _describe(catalogue, parts, {})
            number = 0
            with damage_named(file.label), file.open() as stream:
                for number, row in enumerate(read_rows(stream, file.columns, file.label), 1):
                    name = prefix + row["FIL"].removesuffix(".RRF")
                    claims[name] = _claim(row, f"{file.label}, line {number}")
            _check_own_rows(file.label, number, claims.get(catalogue))
    return claims


def _check_own_rows(label: str, rows: int, claim: _Claim | None) -> None:
    if claim and claim.rows != rows:
        raise BaliError(
            f"{label} has {rows} rows and says itself that they are {claim.rows}; "
            "copy it from the release again"
        )


def _claim(row: Mapping[str, str], where: str) -> _Claim:
    columns = tuple(_distinct(row["FMT"].replace("/", "_").split(",")))
    if not (row["CLS"].isdigit() and row["RWS"].isdigit() and row["BTS"].isdigit()):
        raise BaliError(f"{where}: CLS, RWS and BTS must be numbers; fetch or make the file again")
    if int(row["CLS"]) != len(columns):
        raise BaliError(f"{where}: {len(columns)} columns named, {row['CLS']} counted; fix CLS")
    return _Claim(columns, int(row["RWS"]), int(row["BTS"]))


def _distinct(columns: list[str]) -> Iterator[str]:
    """Make ``UI,UI`` into ``UI1,UI2``."""
    for position, column in enumerate(columns):
        seen = columns[:position].count(column)
        yield f"{column}{seen + 1}" if columns.count(column) > 1 else column


def _describe(name: str, parts: Iterable[Member], claims: Mapping[str, _Claim]) -> ReleaseFile:
    claim = claims.get(name)
    if claim:
        return ReleaseFile(name, claim.columns, claim.rows, claim.bytes, tuple(parts))
    return ReleaseFile(name, standard_files()[name].columns, None, None, tuple(parts))


def _version(members: Iterable[Member], files: Mapping[str, ReleaseFile], path: Path) -> str:
    for member in members:
        if member.name.name == "release.dat":
            with damage_named(str(member.name)), member.open() as stream:
                text = stream.read().decode(errors="replace")
            if match := re.search(r"^umls\.release\.name=(\S+)", text, re.MULTILINE):
                return match[1]
    if documentation := files.get("MRDOC"):
        with damage_named(documentation.label), documentation.open() as stream:
            for row in read_rows(stream, documentation.columns, documentation.label):
                if row["DOCKEY"] == "RELEASE" and row["VALUE"] == "umls.release.name":
                    return row["EXPL"]
    folder = path.resolve()
    return folder.parent.name if folder.name == "META" else folder.stem
