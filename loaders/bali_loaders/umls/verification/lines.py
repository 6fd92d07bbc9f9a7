"""The lines of RRF files in plain Python: counted, searched and drawn from, on every core.

Large files are cut into pieces, which processes work through. Shares no code with DuckDB's reading.
"""

from __future__ import annotations

import gzip
import os
from collections import Counter
from collections.abc import Callable, Collection, Iterator, Sequence, Set
from concurrent.futures import Executor, ProcessPoolExecutor
from contextlib import ExitStack
from dataclasses import dataclass
from functools import cached_property, partial
from heapq import nsmallest
from itertools import chain, repeat
from multiprocessing import get_context, parent_process
from operator import itemgetter
from pathlib import Path
from threading import Thread
from typing import IO, Self, TypeVar
from zlib import crc32

import numpy as np
import numpy.typing as npt

from bali_loaders.releases import Release
from bali_loaders.releases.members import damage_named
from bali_platform.base.mixing import GOLDEN, mix

Row = dict[str, str]

BLOCK = 1 << 23
LARGE = 1 << 27
PIECES_PER_CORE = 4
NEWLINE = ord("\n")

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Piece:
    """The lines of a file that begin behind byte ``start`` and not behind ``stop``.

    The first piece also has the line at byte 0; of a gzip file there is one piece, the whole.
    """

    path: Path
    start: int = 0
    stop: int | None = None

    def blocks(self) -> Iterator[bytes]:
        """Yield some lines at a time; each ends with its newline, the file's last one may not."""
        return (block for _, block in self.placed_blocks())

    def placed_blocks(self) -> Iterator[tuple[int, bytes]]:
        """Yield what :meth:`blocks` does, each with the byte of the file's text where it begins."""
        with gzip.open(self.path) if self.stop is None else self.path.open("rb") as stream:
            if self.start:
                stream.seek(self.start)
                stream.readline()
            room = BLOCK
            while self.stop is None or (room := self.stop - stream.tell()) >= 0:
                place = stream.tell()
                block = stream.read(min(BLOCK, room)) + stream.readline()
                if not block:
                    return
                yield place, block

    def lines(self) -> Iterator[list[bytes]]:
        """Yield some lines at a time, without their ends."""
        for block in self.blocks():
            yield block.removesuffix(b"\n").split(b"\n")


class Lines:
    """The lines of the files of ``release``; a context manager that ends its processes.

    They are started for files of ``large`` bytes or more, as :mod:`multiprocessing` spawns them:
    a script that comes here needs its ``if __name__ == "__main__":``.
    """

    def __init__(self, release: Release, *, large: int = LARGE) -> None:
        self._release, self._large = release, large
        self._cores = os.cpu_count() or 1
        self._stack = ExitStack()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exception: object) -> None:
        self._stack.close()

    def count(self, file: str, *, alone: bool = False) -> int:
        """Count the lines of ``file``; one without a newline at the end of the file is one too.

        ``alone`` says that nothing else is wanted of the file, which is not worth unpacking then.
        """
        packed = self._release.files[file]
        if alone and packed.readable_path is None:
            with damage_named(packed.label), packed.open() as stream:
                return _count_stream(stream)
        return sum(self._each_piece(file, _count))

    def find(self, file: str, columns: Sequence[str], wanted: Collection[str]) -> Iterator[Row]:
        """Yield the rows in which any of ``columns`` has a ``wanted`` value."""
        if file not in self._release.files or not wanted:
            return
        names = self._release.files[file].columns
        places = tuple(names.index(column) for column in columns)
        keys = frozenset(key.encode() for key in wanted)
        for lines in self._each_piece(file, partial(_find, places=places, keys=keys)):
            for line in lines:
                yield _row(names, line)

    def having(
        self, file: str, column: str, wanted: Collection[str], accept: Callable[[Row], bool]
    ) -> set[str]:
        """Return which of the ``wanted`` values of a column are in a row that ``accept`` takes."""
        if file not in self._release.files or not wanted:
            return set()
        names = self._release.files[file].columns
        keys = frozenset(key.encode() for key in wanted)
        place = names.index(column)
        work = partial(_having, names=names, place=place, keys=keys, accept=accept)
        return set(chain.from_iterable(self._each_piece(file, work)))

    def repeated(self, file: str, column: str) -> set[str]:
        """Return the values of a column that several rows have; none of them is empty."""
        place = self._release.files[file].columns.index(column)
        sums = np.sort(np.concatenate([*self._each_piece(file, partial(_sums, place=place))]))
        keys = frozenset(sums[1:][sums[1:] == sums[:-1]].tolist())
        suspects = self._each_piece(file, partial(_summing, place=place, keys=keys))
        rows = Counter(chain.from_iterable(suspects))
        return {value.decode() for value, count in rows.items() if count > 1 and value}

    def draw(
        self, file: str, column: str, count: int, seed: int, *, by_row: bool = False
    ) -> set[str]:
        """Draw ``count`` values of a column uniformly, by least checksum.

        ``by_row`` draws rows instead, by where they begin: a value comes as often as it has rows,
        so that of the values that are drawn, fewer may be distinct.
        """
        if file not in self._release.files or not count:
            return set()
        place = self._release.files[file].columns.index(column)
        draw = partial(_draw_rows if by_row else _draw, place=place, count=count, seed=seed)
        least = nsmallest(count, set(chain.from_iterable(self._each_piece(file, draw))))
        return {value.decode() for _, value in least}

    def _each_piece(self, file: str, work: Callable[[Piece], T]) -> Iterator[T]:
        """Do ``work`` on every piece, in the order of the file."""
        (path,) = self._release.local(file)
        try:
            if path.suffix == ".gz":
                yield work(Piece(path))
            elif (size := path.stat().st_size) < self._large:
                yield work(Piece(path, 0, size))
            else:
                yield from self._processes.map(work, _pieces(path, size, self._cores))
        except IndexError:
            self._release.check(file)
            raise

    @cached_property
    def _processes(self) -> Executor:
        return self._stack.enter_context(
            ProcessPoolExecutor(
                self._cores, mp_context=get_context("spawn"), initializer=_end_with_parent
            )
        )


def _end_with_parent() -> None:
    """Make this process end when the one that started it is killed: none else would tell it."""
    parent = parent_process()

    def follow() -> None:
        if parent:
            parent.join()
            os._exit(1)

    Thread(target=follow, daemon=True).start()


def _pieces(path: Path, size: int, cores: int) -> Iterator[Piece]:
    width = size // (PIECES_PER_CORE * cores) + 1
    for start in range(0, size, width):
        yield Piece(path, start, min(start + width, size))


def _count(piece: Piece) -> int:
    return sum(block.count(b"\n") + (not block.endswith(b"\n")) for block in piece.blocks())


def _count_stream(stream: IO[bytes]) -> int:
    lines, last = 0, b"\n"
    while block := stream.read(BLOCK):
        lines += block.count(b"\n")
        last = block
    return lines + (not last.endswith(b"\n"))


def _find(piece: Piece, places: Sequence[int], keys: Set[bytes]) -> list[bytes]:
    """Return the lines that have one of ``keys`` at one of ``places``."""
    found: list[bytes] = []
    cut = max(places) + 1
    for lines in piece.lines():
        if len(places) == 1:
            found += [line for line in lines if line.split(b"|", cut)[places[0]] in keys]
        else:
            pick = itemgetter(*places)
            found += [x for x in lines if not keys.isdisjoint(pick(x.split(b"|", cut)))]
    return found


def _having(
    piece: Piece,
    names: Sequence[str],
    place: int,
    keys: Set[bytes],
    accept: Callable[[Row], bool],
) -> set[str]:
    """Return the values at ``place``, being one of ``keys``, of the rows that are accepted."""
    column = names[place]
    rows = (_row(names, line) for line in _find(piece, (place,), keys))
    return {row[column] for row in rows if accept(row)}


def _sums(piece: Piece, place: int) -> npt.NDArray[np.uint32]:
    """Return the checksum of every value at ``place``."""
    return np.fromiter((crc32(value) for value in _values(piece, place)), dtype=np.uint32)


def _summing(piece: Piece, place: int, keys: Set[int]) -> list[bytes]:
    """Return the values at ``place`` whose checksum is one of ``keys``."""
    return [value for value in _values(piece, place) if crc32(value) in keys]


def _values(piece: Piece, place: int) -> Iterator[bytes]:
    for lines in piece.lines():
        for line in lines:
            yield line.split(b"|", place + 1)[place]


def _row(names: Sequence[str], line: bytes) -> Row:
    return dict(zip(names, line.decode().rstrip("\r").split("|"), strict=False))


def _draw(piece: Piece, place: int, count: int, seed: int) -> list[tuple[int, bytes]]:
    """Return the least checksums and the values at ``place``, none of them empty."""
    least: set[tuple[int, bytes]] = set()
    for lines in piece.lines():
        values = {line.split(b"|", place + 1)[place] for line in lines}
        sums = list(zip(map(crc32, values, repeat(seed)), values, strict=False))
        least = {*nsmallest(count, least | {pair for pair in sums if pair[1]})}
    return list(least)


def _draw_rows(piece: Piece, place: int, count: int, seed: int) -> list[tuple[int, bytes]]:
    """Return the least checksums of rows and their values at ``place``, none of them empty."""
    least: list[tuple[int, bytes]] = []
    for start, block in piece.placed_blocks():
        ends = np.flatnonzero(np.frombuffer(block, dtype=np.uint8) == NEWLINE)
        begins = np.append(0, ends + 1)[: len(ends) + (not block.endswith(b"\n"))]
        sums = _mixed(begins + start, seed)
        for row in np.argsort(sums)[:count]:
            line = block[begins[row] : ends[row] if row < len(ends) else None]
            if value := line.split(b"|", place + 1)[place]:
                least.append((int(sums[row]), value))
        least = nsmallest(count, least)
    return least


def _mixed(numbers: npt.NDArray[np.int64], seed: int) -> npt.NDArray[np.uint64]:
    """Return a checksum of each number."""
    step = np.uint64((GOLDEN + 2 * seed) % 2**64)
    return mix((numbers.astype(np.uint64) + np.uint64(1)) * step - np.uint64(GOLDEN))
