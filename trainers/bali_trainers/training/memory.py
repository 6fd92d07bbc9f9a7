"""Memory that did not suffice, in one line."""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import contextmanager

import torch

from bali_platform.base.errors import BaliError

_ASKED = re.compile(r"tried to allocate ([\d.]+ ?\w+)", re.IGNORECASE)


@contextmanager
def memory_errors(batch_size: int) -> Iterator[None]:
    """Turn torch's report of too little memory into a line that says what to lower."""
    try:
        yield
    except RuntimeError as error:
        asked = _ASKED.search(str(error))
        if asked is None and not isinstance(error, torch.OutOfMemoryError):
            raise
        more = f" ({asked[1]} more were asked for)" if asked else ""
        raise BaliError(
            f"out of memory{more}: lower [data] batch_size = {batch_size}, or set [run] chunk to "
            "encode so many sentences at a time; checkpoints are intact"
        ) from None
