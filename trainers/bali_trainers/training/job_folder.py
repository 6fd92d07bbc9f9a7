"""What a job's folder says is to be done."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from pydantic import ValidationError

from bali_platform.base.errors import BaliError, UsageError
from bali_trainers.batches.spec import DataSpec
from bali_trainers.training.config import Config, parse_config


def read_config(folder: Path) -> Config:
    """Read the configuration of the job in ``folder``."""
    path = folder / "config.json"
    return parse_config(_read_json(path), str(path))


def read_spec(folder: Path) -> DataSpec:
    """Read the recipe of the job's batches."""
    path = folder / "spec.json"
    try:
        return DataSpec.model_validate(_read_json(path))
    except ValidationError as error:
        first = error.errors()[0]
        raise BaliError(f"{path}: {'.'.join(map(str, first['loc']))}: {first['msg']}") from None


def _read_json(path: Path) -> Any:
    try:
        return json.loads(path.read_bytes())
    except FileNotFoundError:
        raise UsageError(f"{path} does not exist: is {path.parent} the folder of a job?") from None
    except ValueError as error:
        raise BaliError(f"{path} is damaged: {error}") from None
