"""What all who watch the platform share."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from bali_platform.api.backend import Backend
from bali_platform.base.settings import Settings


def test_many_dashboards_ask_the_services_once(tmp_path: Path) -> None:
    backend = Backend(Settings(home=tmp_path))
    looks: list[int] = []

    def look() -> str:
        looks.append(1)
        return f"look {len(looks)}"

    with ThreadPoolExecutor(20) as dashboards:
        seen = set(dashboards.map(lambda _: backend.glance(look), range(20)))
    assert seen == {"look 1"}
