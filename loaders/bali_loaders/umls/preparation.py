"""What every way of loading begins with: the release opened, its import files made."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from bali_loaders.releases import Release
from bali_loaders.umls.options import LoadOptions
from bali_loaders.umls.report import Report
from bali_loaders.umls.transform import Limits, transform
from bali_platform.base.errors import BaliError
from bali_platform.base.files import new_file
from bali_platform.base.progress import Reporter

REPORT = "report.json"


@contextmanager
def opened(path: Path, scratch: Path, reporter: Reporter) -> Iterator[Release]:
    """Open a release; what must be unpacked goes to a fresh folder ``scratch``."""
    shutil.rmtree(scratch, ignore_errors=True)
    scratch.mkdir(parents=True)
    with Release.open(path, scratch=scratch, reporter=reporter) as release:
        yield release


def transformed(
    release: Release,
    options: LoadOptions,
    folder: Path,
    version: str,
    limits: Limits | None,
    reporter: Reporter,
) -> Report:
    """Return the report of the import files in ``folder``, which are made unless they are whole."""
    saved = folder / REPORT
    if saved.exists():
        reporter.say("going on from the import files of an interrupted load")
        return load_report(saved)
    try:
        report = transform(
            release, options, folder, graph_version=version, limits=limits, reporter=reporter
        )
        save_report(report, saved)
    except OSError as error:
        raise BaliError(
            f"cannot write {error.filename or folder}: {error.strerror}; make room and run again"
        ) from error
    return report


def load_report(path: Path) -> Report:
    """Read a report from its file."""
    return Report.model_validate_json(path.read_text(encoding="utf-8"))


def save_report(report: Report, path: Path) -> None:
    """Write a report to a file, whole or not at all."""
    with new_file(path) as building:
        building.write_text(report.model_dump_json(indent=2), encoding="utf-8")
