"""A store of artefacts that machines share: a folder or a bucket, whatever fsspec opens.

``NAME.json`` in it lists the files that are called NAME together, each with its size and digest; a
file lies in ``objects`` under its digest. The list is written when all of its files are there, so
nobody sees half an upload, and what is fetched is compared with it.
"""

from __future__ import annotations

import json
import os
import shutil
import tempfile
import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager, suppress
from functools import cache
from hashlib import blake2b
from pathlib import Path, PurePosixPath
from secrets import token_hex
from typing import TypeVar

import fsspec
from fsspec.implementations.local import LocalFileSystem
from pydantic import BaseModel, ConfigDict, ValidationError

from bali_platform.base.errors import BaliError, UsageError
from bali_platform.base.files import digest_of, new_folder
from bali_platform.base.locks import locked, take_lock
from bali_platform.base.logs import say
from bali_platform.base.settings import Settings

T = TypeVar("T")
SCHEME = "store:"
PATIENCE_S = 600.0
_POLL_S = 2.0
_EXTRAS = {"s3": "pip install 'bali[s3]'", "gs": "pip install gcsfs", "az": "pip install adlfs"}


class StoreError(BaliError):
    """The store cannot be used now; later it may."""


class NotInStoreError(StoreError):
    """The store has nothing whole of this name."""


class _File(BaseModel):
    model_config = ConfigDict(frozen=True)

    bytes: int
    digest: str


class Artefacts:
    """What a store holds, by name. Where the store fails, methods raise :class:`StoreError`."""

    def __init__(self, url: str) -> None:
        self._url = url
        try:
            self._fs, self._root = fsspec.url_to_fs(url, use_listings_cache=False)
        except (ImportError, ValueError) as error:
            hint = _EXTRAS.get(url.partition(":")[0], "see docs/deployment.md")
            raise UsageError(f"BALI_STORE = {url}: {error}: {hint}") from None

    def part(self, name: str) -> Artefacts:
        """Return a part of it that has files of its own."""
        return Artefacts(f"{self._url}/{name}")

    def parts(self) -> list[str]:
        """Return the names of the parts of a store that holds nothing else."""
        with self._telling():
            try:
                found = self._fs.ls(self._root, detail=True)
            except FileNotFoundError:
                return []
        return sorted(PurePosixPath(each["name"]).name for each in found)

    def names(self, folder: str) -> list[str]:
        """Return the names in a folder of them, sorted."""
        with self._telling():
            try:
                found = self._fs.ls(f"{self._root}/{folder}", detail=False)
            except FileNotFoundError:
                return []
        lists = [PurePosixPath(path) for path in found if path.endswith(".json")]
        return sorted(f"{folder}/{path.stem}" for path in lists)

    def has(self, name: str) -> bool:
        """Whether something is called so."""
        with self._telling():
            return bool(self._fs.exists(self._list(name)))

    def offer(self, name: str, files: Mapping[str, Path]) -> None:
        """Do as :meth:`put`, unless something is called so: of names that say what they hold."""
        if not self.has(name):
            self.put(name, files)

    def put(self, name: str, files: Mapping[str, Path]) -> None:
        """Upload files, each by its path within what shall be called ``name``.

        Raises :class:`StoreError` also when a file is changed meanwhile.
        """
        with self._telling():
            listed = {inside: self._upload(path) for inside, path in sorted(files.items())}
            with tempfile.NamedTemporaryFile("w", encoding="utf-8") as file:
                json.dump({inside: each.model_dump() for inside, each in listed.items()}, file)
                file.flush()
                self._place(Path(file.name), self._list(name))

    def get(self, name: str, folder: Path) -> None:
        """Make a folder of what is called ``name``.

        Raises :class:`NotInStoreError` where it is not there, or not what was written.
        """
        listed = self._listed(name)
        with self._telling(), new_folder(folder) as building:
            for inside, file in listed.items():
                path = building / inside
                path.parent.mkdir(parents=True, exist_ok=True)
                self._download(file, path, name)

    def drop(self, name: str, *, kept: Iterable[str]) -> None:
        """Forget a name, and its files that none of those in ``kept`` has, too."""
        mine = {file.digest for file in self._listed(name).values()}
        mine -= {file.digest for other in kept for file in self._listed(other).values()}
        with self._telling():
            self._fs.rm_file(self._list(name))
            for digest in mine:
                with suppress(FileNotFoundError):
                    self._fs.rm_file(self._object(digest))

    def _listed(self, name: str) -> dict[str, _File]:
        with self._telling():
            try:
                content = json.loads(self._fs.cat_file(self._list(name)))
                listed = {inside: _File.model_validate(file) for inside, file in content.items()}
            except FileNotFoundError:
                raise NotInStoreError(f"{self._url} holds no {name}") from None
            except (ValueError, ValidationError, AttributeError):
                raise NotInStoreError(f"{self._list(name)} is damaged: remove it") from None
        for inside in listed:
            parts = PurePosixPath(inside).parts
            if not parts or PurePosixPath(inside).is_absolute() or ".." in parts:
                raise NotInStoreError(f"{self._list(name)} names a file outside: {inside}")
        return listed

    def _upload(self, path: Path) -> _File:
        before = path.stat()
        file = _File(bytes=before.st_size, digest=digest_of(path))
        place = self._object(file.digest)
        with suppress(FileNotFoundError):
            if self._fs.info(place)["size"] == file.bytes:
                return file
        self._place(path, place)
        after = path.stat()
        if (after.st_size, after.st_mtime_ns) != (before.st_size, before.st_mtime_ns):
            self._fs.rm_file(place)
            raise StoreError(f"{path} was changed while it was copied to {self._url}")
        return file

    def _place(self, source: Path, place: str) -> None:
        """Copy a file to the store, whole or not at all, as buckets do by themselves."""
        if not isinstance(self._fs, LocalFileSystem):
            self._fs.put_file(str(source), place)
            return
        building = Path(f"{place}.{token_hex(4)}")
        building.parent.mkdir(parents=True, exist_ok=True)
        try:
            shutil.copyfile(source, building)
            building.replace(place)
        finally:
            building.unlink(missing_ok=True)

    def _download(self, file: _File, path: Path, name: str) -> None:
        place = self._object(file.digest)
        try:
            self._fs.get_file(place, str(path))
        except FileNotFoundError:
            raise NotInStoreError(f"{self._url} lacks a file of {name}: {place}") from None
        if digest_of(path) != file.digest:
            raise NotInStoreError(
                f"{place} is not what was written: remove it, and whoever has it uploads it again"
            )

    def _list(self, name: str) -> str:
        return f"{self._root}/{name}.json"

    def _object(self, digest: str) -> str:
        return f"{self._root}/objects/{digest}"

    @contextmanager
    def _telling(self) -> Iterator[None]:
        """Turn the exceptions of any file system into one line."""
        try:
            yield
        except BaliError:
            raise
        except Exception as error:
            raise StoreError(f"the store {self._url} fails: {error}") from error


def patiently(action: Callable[[], T]) -> T:
    """Return what an action does as soon as the store lets it, and give up after ten minutes."""
    until = time.monotonic() + PATIENCE_S
    while True:
        try:
            return action()
        except NotInStoreError:
            raise
        except StoreError as error:
            if time.monotonic() > until:
                raise
            say(f"waiting for the store: {error}")
            time.sleep(_POLL_S)


def open_store(settings: Settings, *within: str) -> Artefacts | None:
    """Return the configured store, or a part of it that has files of its own; None without one."""
    return Artefacts("/".join([settings.store.rstrip("/"), *within])) if settings.store else None


def shared(store: Artefacts, kind: str, path: Path) -> str:
    """Upload a file or folder and return the name, ``store:...``, that :func:`here` finds it by."""
    files = {f"{path.name}/{inside}": each for inside, each in files_of(path).items()}
    if path.is_file():
        files = {path.name: path}
    digests = [(inside, digest_of(each)) for inside, each in sorted(files.items())]
    name = f"{kind}/{blake2b(json.dumps(digests).encode(), digest_size=16).hexdigest()}"
    store.offer(name, files)
    return f"{SCHEME}{name}/{path.name}"


def files_of(folder: Path) -> dict[str, Path]:
    """Return the files in a folder by their paths within, but for hidden ones."""
    found = {path.relative_to(folder): path for path in folder.rglob("*") if path.is_file()}
    return {
        inside.as_posix(): path
        for inside, path in found.items()
        if not any(part.startswith(".") for part in inside.parts)
    }


def here(named: str, settings: Settings) -> str:
    """Return where this machine has a file or folder: what is in the store is fetched first."""
    if not named.startswith(SCHEME):
        return named
    name, _, inside = named.removeprefix(SCHEME).rpartition("/")
    return str(fetched(name, settings) / inside)


def fetched(name: str, settings: Settings) -> Path:
    """Return this machine's copy of what the store calls ``name``, for as long as it is needed.

    Copies lie in the home's cache. When they take more than ``store_cache_gb``, those that were
    asked for least recently go, but none that a living process has asked for.
    """
    store = open_store(settings)
    if store is None:
        raise UsageError(f"{name} is in a store: set BALI_STORE to the one that it was put into")
    place = settings.home / "cache" / "store" / name.replace("/", "-")
    place.parent.mkdir(parents=True, exist_ok=True)
    _keep(place)
    with locked(place.with_name(f".{place.name}.fetched")):
        if not place.is_dir():
            store.get(name, place)
            _trim(place.parent, settings.store_cache_gb * 2**30)
    os.utime(place)
    return place


@cache
def _keep(place: Path) -> int:
    """Let nobody remove a copy while this process lives."""
    return take_lock(_use_of(place), shared=True)


def _use_of(place: Path) -> Path:
    return place.with_name(f".{place.name}.used")


def _trim(folder: Path, most: float) -> None:
    copies = [path for path in folder.iterdir() if path.is_dir() and path.name[0] != "."]
    sizes = {path: sum(f.stat().st_size for f in files_of(path).values()) for path in copies}
    total = sum(sizes.values())
    for path in sorted(copies, key=lambda path: path.stat().st_mtime):
        if total <= most:
            return
        used = BlockingIOError()
        with suppress(BlockingIOError), locked(_use_of(path), used):
            shutil.rmtree(path)
            total -= sizes[path]
