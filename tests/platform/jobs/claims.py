"""Claims without cards to wait for."""

from __future__ import annotations

from collections.abc import Container
from pathlib import Path
from tempfile import TemporaryDirectory

from bali_platform.base.settings import Settings
from bali_platform.jobs import JobStore
from bali_platform.jobs.cards import Card, Cards
from bali_platform.jobs.lease import Lease, claim_next


def claim(store: JobStore, left: Container[str] = ()) -> Lease | None:
    """Claim the next job as a machine would of which the only card is free."""
    with TemporaryDirectory() as locks:
        cards = Cards([Card("GPU-0")], Settings(home=Path(locks)), Path(locks))
        claimed = claim_next(store, cards, left)
        if claimed is None:
            return None
        lease, hold = claimed
        hold.release()
        return lease
