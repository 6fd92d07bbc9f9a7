"""Batches in a file: a run's batches recorded once, and replayed where there is no graph.

Layout, little-endian: ``MAGIC``; for each batch a head (epoch, index, rank, CRC-32, length) and the
payload; then an index (JSON: notes, and offsets in order), its length and ``END``. The file gets
its name when it is whole; until then it is called ``<name>.partial``.
"""

from __future__ import annotations

import json
import os
import struct
import time
import zlib
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any, BinaryIO

from bali_platform.base.errors import BaliError
from bali_platform.streaming.keys import BatchKey, BatchSource

_MAGIC = b"BALI batches 1\n\0"
_END = b"BALI end\n"
_HEAD = struct.Struct("<IIIIQ")
_TAIL = struct.Struct("<Q9s")


class Recorder:
    """Passes the batches of ``source`` through and records them at ``path``.

    One call of :meth:`batches`, taken to its end, makes the recording; ``notes`` (JSON values, such
    as the job's spec) are kept in it. An existing recording is never replaced.
    """

    def __init__(
        self, source: BatchSource, path: Path, notes: Mapping[str, Any] | None = None
    ) -> None:
        self._source = source
        self._path = path
        self._notes = dict(notes or {})

    def batches(self, keys: Iterable[BatchKey]) -> Iterator[tuple[BatchKey, bytes]]:
        """Yield the batches of ``keys``, in order, each after it has been written."""
        if self._path.exists():
            raise BaliError(f"{self._path} exists already: remove it or choose another name")
        partial = self._path.with_name(f"{self._path.name}.partial")
        partial.parent.mkdir(parents=True, exist_ok=True)
        with partial.open("wb") as file:
            file.write(_MAGIC)
            offsets = []
            for key, payload in self._source.batches(keys):
                offsets.append([key.epoch, key.index, key.rank, file.tell()])
                _write(file, key, payload)
                yield key, payload
            index = json.dumps({"notes": self._notes, "batches": offsets}).encode()
            file.write(index + _TAIL.pack(len(index), _END))
            file.flush()
            os.fsync(file.fileno())
        partial.replace(self._path)


class ReplaySource:
    """Yields recorded batches.

    A recording that was cut short is refused, unless ``partial`` allows it: then its whole batches
    are used. ``notes`` is what the recorder was given (empty for a partial recording).
    """

    def __init__(self, path: Path, *, partial: bool = False) -> None:
        self._path = path
        self.waited_s = 0.0
        self.notes: dict[str, Any] = {}
        self._offsets: dict[BatchKey, int] = {}
        with self._open() as file:
            index = _read_index(file)
            if index is not None:
                self.notes = index["notes"]
                self._offsets = {BatchKey(*key): offset for *key, offset in index["batches"]}
            elif partial:
                self._offsets = dict(_scan(file))
            else:
                raise BaliError(f"{path} was cut short: record it again, or allow a partial replay")

    @property
    def keys(self) -> list[BatchKey]:
        """The recorded batches, in the order of recording."""
        return list(self._offsets)

    def batches(self, keys: Iterable[BatchKey]) -> Iterator[tuple[BatchKey, bytes]]:
        """Yield the batches of ``keys``, in order; raises :class:`BaliError` for a missing one."""
        with self._open() as file:
            for key in keys:
                started = time.monotonic()
                payload = self._read(file, key)
                self.waited_s += time.monotonic() - started
                yield key, payload

    def _open(self) -> BinaryIO:
        try:
            file = self._path.open("rb")
        except OSError as error:
            raise BaliError(
                f"{self._path}: {error.strerror}; make it with `bali stream record`"
            ) from error
        if file.read(len(_MAGIC)) != _MAGIC:
            file.close()
            raise BaliError(f"{self._path} is not a recording of batches")
        return file

    def _read(self, file: BinaryIO, key: BatchKey) -> bytes:
        if key not in self._offsets:
            raise BaliError(
                f"{self._path} holds no batch of {key}: it was recorded for another run"
            )
        file.seek(self._offsets[key])
        record = _read_record(file)
        if record is None or record[0] != key:
            raise BaliError(f"{self._path}: the batch of {key} is damaged; record it again")
        return record[1]


def _write(file: BinaryIO, key: BatchKey, payload: bytes) -> None:
    checksum = zlib.crc32(payload)
    file.write(_HEAD.pack(key.epoch, key.index, key.rank, checksum, len(payload)))
    file.write(payload)


def _read_record(file: BinaryIO) -> tuple[BatchKey, bytes] | None:
    head = file.read(_HEAD.size)
    if len(head) < _HEAD.size:
        return None
    *key, checksum, length = _HEAD.unpack(head)
    if length > os.fstat(file.fileno()).st_size - file.tell():
        return None
    payload = file.read(length)
    return (BatchKey(*key), payload) if zlib.crc32(payload) == checksum else None


def _read_index(file: BinaryIO) -> Any:
    """Return the index at the end of the file, or None when the file has no end."""
    size = file.seek(0, os.SEEK_END)
    if size < len(_MAGIC) + _TAIL.size:
        return None
    file.seek(size - _TAIL.size)
    length, end = _TAIL.unpack(file.read(_TAIL.size))
    if end != _END or length > size - _TAIL.size - len(_MAGIC):
        return None
    file.seek(size - _TAIL.size - length)
    return json.loads(file.read(length))


def _scan(file: BinaryIO) -> Iterator[tuple[BatchKey, int]]:
    file.seek(len(_MAGIC))
    offset = file.tell()
    while record := _read_record(file):
        yield record[0], offset
        offset = file.tell()
