"""Which trained linker decides what names mean; no language model is loaded to say so."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from bali_loaders.linking import Decider
from bali_platform.base.errors import BaliError
from bali_platform.base.progress import QUIET, Reporter
from bali_platform.base.settings import Settings


@dataclass(frozen=True)
class TrainedDecider:
    """Makes the decider of a trained linker and the live graph, in whatever process needs it."""

    folder: Path
    settings: Settings
    reporter: Reporter = QUIET

    def __call__(self) -> Decider:
        """Load the linker, and what it knows of all concepts; raises :class:`BaliError`."""
        try:
            from bali.deciding import load_decider
        except ModuleNotFoundError as error:
            raise BaliError(
                f"the linker in {self.folder} needs {error.name}: pip install 'bali[train]'"
            ) from error
        return load_decider(self.folder, self.settings, self.reporter)


def home_linker(settings: Settings) -> Path:
    """Return the folder of the linker that decides wherever no other is named."""
    return settings.home / "linker"


def trained_decider(
    settings: Settings, linker: Path | None = None, reporter: Reporter = QUIET
) -> TrainedDecider | None:
    """Return the decider of ``linker``, or of the home's; None where that is not there, or "none".

    Raises :class:`BaliError` where ``linker`` is no folder.
    """
    if linker is None:
        folder = home_linker(settings)
        return TrainedDecider(folder, settings, reporter) if folder.is_dir() else None
    if linker == Path("none"):
        return None
    if not linker.is_dir():
        raise BaliError(f"there is no linker in {linker}: train one with `bali train linker`")
    return TrainedDecider(linker.resolve(), settings, reporter)
