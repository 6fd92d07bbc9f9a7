"""What is to be read: files, and those in folders and zips."""

from __future__ import annotations

import shutil
from collections.abc import Iterable, Iterator
from contextlib import ExitStack
from dataclasses import dataclass, replace
from hashlib import blake2b
from pathlib import Path, PurePosixPath

from bali_loaders.corpora.formats import READERS, format_of, require_reader
from bali_loaders.corpora.sources import UNREAD, Notes
from bali_loaders.releases.members import damage_named, find_members
from bali_platform.base.errors import BaliError, UsageError
from bali_platform.base.files import new_folder


@dataclass(frozen=True, slots=True)
class Input:
    """A file to read, and what its document is called if it has no id: its path in its folder."""

    path: Path
    name: str


def find_inputs(paths: Iterable[Path], scratch: Path, notes: Notes | None) -> list[Input]:
    """List the files to read, those of folders and zips in the order of their names.

    Of a folder, files of unknown formats and hidden ones are passed by. Zips, also those in
    folders, are unpacked below ``scratch``, once; a damaged one is put down in ``notes``, or raises
    :class:`BaliError` without. Raises :class:`UsageError` for what is not there or holds nothing to
    read.
    """
    found: list[Input] = []
    for path in paths:
        for one in _in_folder(path, path) if path.is_dir() else [_given(path)]:
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
        members = _in_folder(_unpacked(archive.path, scratch / f"zip-{place}"), archive.path)
    except BaliError as error:
        if notes is None:
            raise
        notes.fault(str(error), UNREAD)
        return []
    return [replace(one, name=str(PurePosixPath(archive.name, one.name))) for one in members]


def _in_folder(folder: Path, shown: Path) -> list[Input]:
    """List the files of known formats in a folder, and its zips, which may hold some."""
    wanted = {*READERS, ".zip"}
    names = sorted(name for name in _names_in(folder) if format_of(Path(name)) in wanted)
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
