"""What is to be read: files, and those in folders and zips."""

from __future__ import annotations

import shutil
from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, replace
from hashlib import blake2b
from pathlib import Path, PurePosixPath

from bali_loaders.corpora.formats import READERS, format_of, require_reader
from bali_loaders.corpora.sources import UNREAD, Notes
from bali_loaders.releases.members import damage_named, find_members
from bali_platform.base.errors import BaliError, UsageError
from bali_platform.base.files import new_folder

_OTHERS = """
    .7z .bak .dcm .doc .docx .gif .gz .htm .html .jpeg .jpg .log .md .md5 .mp3 .odt .pdf .png .rtf
    .sha256 .tar .tif .tiff .wav .zip
"""
"""Endings of files that may lie beside a text and do not mark what is in it."""


@dataclass(frozen=True, slots=True)
class Input:
    """A file to read, and what its document is called if it has no id: its path in its folder."""

    path: Path
    name: str


def find_inputs(paths: Iterable[Path], scratch: Path, notes: Notes | None) -> list[Input]:
    """List the files to read, those of folders and zips in the order of their names.

    Of a folder, files of unknown formats and hidden ones are passed by; those that seem to hold the
    marks of a text, as its name with another ending, are put down in ``notes``. Zips, also those in
    folders, are unpacked below ``scratch``, once; a damaged one is put down in ``notes``, or raises
    :class:`BaliError` without. Raises :class:`UsageError` for what is not there or holds nothing to
    read.
    """
    found: list[Input] = []
    paths = list(paths)
    _tell_of_neighbours([path for path in paths if path.suffix == ".txt"], notes)
    for path in paths:
        for one in _in_folder(path, path, notes) if path.is_dir() else [_given(path)]:
            found += _in_zip(one, scratch, notes) if _is_zip(one.path) else [one]
    return found


def _given(path: Path) -> Input:
    if _is_zip(path):
        return Input(path, "")
    require_reader(path)
    return Input(path, path.name)


def _is_zip(path: Path) -> bool:
    return path.suffix.lower() == ".zip"


def _in_zip(archive: Input, scratch: Path, notes: Notes | None) -> list[Input]:
    """List what is in a zip, below the name that it has in its folder."""
    place = blake2b(str(archive.path.absolute()).encode(), digest_size=8).hexdigest()
    try:
        folder = _unpacked(archive.path, scratch / f"zip-{place}")
        members = _in_folder(folder, archive.path, notes)
    except BaliError as error:
        if notes is None:
            raise
        notes.fault(str(error), UNREAD)
        return []
    return [replace(one, name=str(PurePosixPath(archive.name, one.name))) for one in members]


def _in_folder(folder: Path, shown: Path, notes: Notes | None) -> list[Input]:
    """List the files of known formats in a folder, and its zips, which may hold some."""
    wanted = {*READERS, ".zip"}
    there = sorted(_names_in(folder))
    _tell_of_marks(shown, there, notes)
    names = [name for name in there if format_of(Path(name)) in wanted]
    texts = set(names)
    # The marks beside a text come with it.
    kept = [
        name
        for name in names
        if not (name.endswith(".ann") and f"{name.removesuffix('.ann')}.txt" in texts)
    ]
    if not kept:
        known = ", ".join(READERS)
        raise UsageError(f"{shown}: no file of a known format in it: one of {known} (.gz)")
    return [Input(folder / name, name) for name in kept]


def _tell_of_neighbours(texts: Sequence[Path], notes: Notes | None) -> None:
    """Do :func:`_tell_of_marks` for texts that are given one by one."""
    given: dict[Path, set[str]] = defaultdict(set)
    for text in filter(Path.is_file, texts):
        given[text.parent].add(text.stem)
    for folder, stems in given.items():
        beside = (one.name for one in folder.iterdir() if one.stem in stems and one.is_file())
        _tell_of_marks(folder, sorted(beside), notes)


def _tell_of_marks(shown: Path, names: Sequence[str], notes: Notes | None) -> None:
    """Put down the files that are called as a text is and may hold its marks, a line an ending.

    They may be in another folder than the text, as i2b2's ``concept/record-1.con`` is.
    """
    paths = [PurePosixPath(name) for name in names]
    texts = {path.stem for path in paths if path.suffix == ".txt"}
    known = {"", *READERS, *_OTHERS.split()}
    found: dict[str, list[PurePosixPath]] = defaultdict(list)
    for path in paths:
        if path.suffix.lower() not in known and path.stem.removesuffix(".txt") in texts:
            found[path.suffix].append(path)
    for ending, own in sorted(found.items()):
        more = f" and {len(own) - 1} more" if len(own) > 1 else ""
        line = (
            f"{shown}: {own[0]}{more}: marks of an unknown format ('{ending}') beside texts; write "
            "them as brat's .ann or as JSON, or move them away"
        )
        if notes is None:
            raise BaliError(line)
        notes.fault(line, "kinds of marks beside texts that were not read")


def _names_in(folder: Path) -> Iterator[str]:
    for path in folder.rglob("*"):
        parts = path.relative_to(folder).parts
        if not any(part.startswith((".", "__MACOSX")) for part in parts) and path.is_file():
            yield "/".join(parts)


def _unpacked(archive: Path, folder: Path) -> Path:
    if folder.is_dir():
        return folder
    if not archive.is_file():
        raise UsageError(f"no file {archive}")
    with new_folder(folder) as building, ExitStack() as stack:
        for member in find_members(archive, stack):
            target = building / member.name
            target.parent.mkdir(parents=True, exist_ok=True)
            try:
                with damage_named(archive.name), member.open() as packed, target.open("wb") as out:
                    shutil.copyfileobj(packed, out)
            except OSError as error:
                raise BaliError(f"{archive}: cannot be unpacked ({error.strerror})") from None
    return folder
