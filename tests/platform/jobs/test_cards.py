"""Cards: which a worker may use, and that nobody else uses one that is taken."""

from __future__ import annotations

import os
import stat
from pathlib import Path

import pytest

from bali_platform.base.settings import Settings
from bali_platform.jobs import Job
from bali_platform.jobs.cards import Card, Cards, visible

SMALL, LARGE, OTHER = Card("GPU-a1", "T4", 16_000), Card("GPU-b2", "H200", 144_000), Card("GPU-b3")
MACHINE = [SMALL, LARGE, OTHER]


def job(cards: int = 1, memory_mb: int = 0) -> Job:
    return Job(
        id="j", kind="toy", name="t", folder=Path(), config={}, spec={}, code_version="",
        created_at=0.0, cards=cards, card_memory_mb=memory_mb,
    )  # fmt: skip


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    return Settings(home=tmp_path / "home")


@pytest.mark.parametrize(
    ("wanted", "chosen"),
    [
        (None, MACHINE),
        ("", []),
        ("-1", []),
        ("2,0", [OTHER, SMALL]),
        ("0,7,1", [SMALL]),
        ("GPU-a", [SMALL]),
        ("GPU-b", []),
        ("MIG-5/1/0", [Card("MIG-5/1/0")]),
    ],
)
def test_cards_are_chosen_as_cuda_does(wanted: str | None, chosen: list[Card]) -> None:
    assert list(visible(MACHINE, wanted)) == chosen


def test_a_card_has_one_job_whatever_the_home(settings: Settings, tmp_path: Path) -> None:
    one = Cards([SMALL, OTHER], settings, tmp_path)
    elsewhere = settings.model_copy(update={"home": tmp_path / "another"})
    two = Cards([SMALL, OTHER], elsewhere, tmp_path)
    first, second = one.take(job()), two.take(job())
    assert first is not None
    assert second is not None
    assert first.environment == {"CUDA_VISIBLE_DEVICES": "GPU-a1"}
    assert second.environment == {"CUDA_VISIBLE_DEVICES": "GPU-b3"}
    assert one.take(job()) is None
    first.release()
    assert one.take(job(cards=2)) is None, "one is still taken"
    second.release()
    both = one.take(job(cards=2))
    assert both is not None
    assert both.names == ["GPU-a1", "GPU-b3"]


def test_a_job_gets_cards_with_the_memory_that_it_wants(settings: Settings, tmp_path: Path) -> None:
    cards = Cards([SMALL, LARGE], settings, tmp_path)
    hold = cards.take(job(memory_mb=80_000))
    assert hold is not None
    assert hold.names == ["GPU-b2"]
    assert cards.take(job(memory_mb=80_000)) is None
    assert cards.lack(job(memory_mb=80_000)) == "", "it will be free again"
    assert cards.lack(job(2, 80_000)) == ("it needs 2 cards with 80000 MiB, and there are 1 here")


def test_a_job_without_a_card_waits_for_none(settings: Settings, tmp_path: Path) -> None:
    cards = Cards([SMALL], settings, tmp_path)
    assert cards.take(job()) is not None
    hold = cards.take(job(cards=0))
    assert hold is not None
    assert hold.environment == {}


def test_a_machine_without_cards_is_one_place_for_each_home(
    settings: Settings, tmp_path: Path
) -> None:
    cards = Cards([], settings, tmp_path)
    assert cards.lack(job(cards=4)) == ""
    hold = cards.take(job(cards=4))
    assert hold is not None
    assert hold.environment == {}
    assert cards.take(job()) is None
    elsewhere = settings.model_copy(update={"home": tmp_path / "another"})
    assert Cards([], elsewhere, tmp_path).take(job()) is not None


def test_a_lock_outlives_its_taker_in_a_child_and_serves_other_users(
    settings: Settings, tmp_path: Path
) -> None:
    cards = Cards([SMALL], settings, tmp_path)
    hold = cards.take(job())
    assert hold is not None
    (lock,) = hold.locks
    inherited = os.dup(lock)
    hold.release()
    assert cards.take(job()) is None
    os.close(inherited)
    assert cards.take(job()) is not None
    (file,) = tmp_path.glob("bali-card-*")
    assert stat.S_IMODE(file.stat().st_mode) == 0o644
