"""Download UMLS releases from NLM's UMLS Terminology Services (UTS).

The API: https://documentation.uts.nlm.nih.gov/automating-downloads.html
"""

from __future__ import annotations

import hashlib
import logging
import ssl
import time
import zipfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import httpx
import truststore
from pydantic import SecretStr

from bali_platform.base.errors import BaliError, UsageError
from bali_platform.base.progress import QUIET, Reporter, Step

UTS = "https://uts-ws.nlm.nih.gov"

KINDS = {
    "full-subset": "umls-metathesaurus-full-subset",
    "level-0": "umls-metathesaurus-level-0-subset",
    "mrconso": "umls-metathesaurus-mrconso-file",
    "full": "umls-full-release",
}
"""What can be asked for, and UTS's names for it."""

ATTEMPTS = 5
TIMEOUT = httpx.Timeout(60, connect=20)


@dataclass(frozen=True, slots=True)
class PublishedRelease:
    """One release as UTS lists it."""

    version: str
    date: str
    file_name: str
    url: str


class Uts:
    """A client of UTS; a context manager.

    The key goes nowhere but into the requests for a file: no message, log or traceback holds it.
    """

    def __init__(self, base: str = UTS, *, pause: float = 1.0) -> None:
        self._base, self._pause = base, pause
        # A proxy's certificate is in the system's store.
        system = truststore.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
        self._client = httpx.Client(timeout=TIMEOUT, follow_redirects=True, verify=system)

    def __enter__(self) -> Uts:
        return self

    def __exit__(self, *_: object) -> None:
        self._client.close()

    def releases(self, kind: str) -> list[PublishedRelease]:
        """List the releases of a kind (see :data:`KINDS`), the newest first; needs no key."""
        try:
            response = self._client.get(
                f"{self._base}/releases", params={"releaseType": KINDS[kind]}
            )
            response.raise_for_status()
            found = [_published(entry) for entry in response.json()]
        except (httpx.HTTPError, ValueError, KeyError, TypeError) as error:
            raise BaliError(f"{self._base}: no list of releases ({error}); try later") from error
        return sorted(found, key=lambda release: release.date, reverse=True)

    def download(
        self,
        release: PublishedRelease,
        folder: Path,
        key: SecretStr,
        *,
        md5: str | None = None,
        reporter: Reporter = QUIET,
    ) -> Path:
        """Download a release to ``folder``, going on where an earlier attempt stopped.

        The zip's own checksums are verified, and ``md5``, the sum that NLM publishes beside the
        file, if it is given. Returns the zip's path. Raises :class:`UsageError` for a key that UTS
        refuses and :class:`BaliError` when the file cannot be had whole.
        """
        target = folder / Path(release.file_name).name
        if not target.exists():
            folder.mkdir(parents=True, exist_ok=True)
            part = _Part(target)
            with reporter.step(f"fetch {target.name}") as step, _no_request_log():
                self._fetch(release, part, key, step)
            _verify(part.path, target.name, md5, reporter)
            part.finish()
        elif md5:
            _verify_md5(target, target.name, md5)
        return target

    def _fetch(self, release: PublishedRelease, part: _Part, key: SecretStr, step: Step) -> None:
        for attempt in range(ATTEMPTS):
            try:
                self._fetch_rest(release, part, key, step)
            except httpx.TransportError as error:
                if attempt == ATTEMPTS - 1:
                    raise BaliError(
                        f"{release.file_name}: the connection fails ({type(error).__name__}); run "
                        "the same command again to go on"
                    ) from None
                time.sleep(self._pause * 2**attempt)
            except OSError as error:
                raise BaliError(f"cannot write {part.path}: {error.strerror}") from None
            else:
                return

    def _fetch_rest(
        self, release: PublishedRelease, part: _Part, key: SecretStr, step: Step
    ) -> None:
        query = {"url": release.url, "apiKey": key.get_secret_value()}
        with self._client.stream(
            "GET", f"{self._base}/download", params=query, headers=part.headers()
        ) as response:
            if response.status_code == httpx.codes.REQUESTED_RANGE_NOT_SATISFIABLE:
                part.discard()
                raise httpx.ReadError("the file changed")
            _check_status(response, release)
            part.accept(response, step)


def _published(entry: dict[str, str]) -> PublishedRelease:
    return PublishedRelease(
        version=str(entry["releaseVersion"]),
        date=str(entry["releaseDate"]),
        file_name=str(entry["fileName"]),
        url=str(entry["downloadUrl"]),
    )


def _check_status(response: httpx.Response, release: PublishedRelease) -> None:
    if response.status_code in (httpx.codes.UNAUTHORIZED, httpx.codes.FORBIDDEN):
        raise UsageError("UTS refuses the API key; copy it from your UTS profile")
    if response.is_error:
        raise BaliError(f"{release.file_name}: UTS answers {response.status_code}; try later")
    if "html" in response.headers.get("content-type", ""):
        raise UsageError(
            f"{release.file_name}: UTS sends a web page; accept the licence in your UTS profile"
        )


class _Part:
    """A file that is not whole yet, and the server's mark (ETag) of what it is a part of."""

    def __init__(self, target: Path) -> None:
        self._target = target
        self.path = target.with_name(f"{target.name}.part")
        self._mark = target.with_name(f"{target.name}.part.mark")

    def headers(self) -> dict[str, str]:
        """Ask for the rest only, and only of the same file."""
        headers = {"Accept-Encoding": "identity"}
        mark = self._mark.read_text(encoding="utf-8") if self._mark.exists() else ""
        if mark and self.path.exists() and self.path.stat().st_size:
            headers |= {"Range": f"bytes={self.path.stat().st_size}-", "If-Range": mark}
        return headers

    def accept(self, response: httpx.Response, step: Step) -> None:
        """Write what comes: the rest after a 206, else the file from its start."""
        resumed = response.status_code == httpx.codes.PARTIAL_CONTENT
        had = self.path.stat().st_size if resumed else 0
        length = int(response.headers.get("content-length", 0))
        step.update(total=(had + length) or None)
        step.advance(had)
        mark = response.headers.get("etag") or response.headers.get("last-modified", "")
        self._mark.write_text(mark, encoding="utf-8")
        with self.path.open("ab" if resumed else "wb") as sink:
            for chunk in response.iter_raw():
                sink.write(chunk)
                step.advance(len(chunk))

    def discard(self) -> None:
        """Forget what was fetched."""
        self.path.unlink(missing_ok=True)
        self._mark.unlink(missing_ok=True)

    def finish(self) -> None:
        """Give the whole file its name."""
        self.path.replace(self._target)
        self._mark.unlink(missing_ok=True)


def _verify(path: Path, name: str, md5: str | None, reporter: Reporter) -> None:
    """Check a fetched file, and remove it when it is damaged, so that the next run starts anew."""
    try:
        with reporter.step(f"check {name}"):
            if md5:
                _verify_md5(path, name, md5)
            with zipfile.ZipFile(path) as archive:
                if damaged := archive.testzip():
                    raise BaliError(f"{name}: '{damaged}' is damaged; fetch it again")
    except zipfile.BadZipFile as error:
        path.unlink()
        raise BaliError(f"{name}: not a whole zip ({error}); fetch it again") from error
    except BaliError:
        path.unlink()
        raise


def _verify_md5(path: Path, name: str, md5: str) -> None:
    with path.open("rb") as stream:
        found = hashlib.file_digest(stream, lambda: hashlib.md5(usedforsecurity=False)).hexdigest()
    if found != md5.strip().lower():
        raise BaliError(f"{name}: MD5 is {found}, not {md5}; fetch it again")


@contextmanager
def _no_request_log() -> Iterator[None]:
    """Keep httpx from logging addresses, which hold the key."""
    logger = logging.getLogger("httpx")
    before, logger.disabled = logger.disabled, True
    try:
        yield
    finally:
        logger.disabled = before
