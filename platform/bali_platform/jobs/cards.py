"""Graphics cards: which ones this machine has, and who works on them.

Each card has a file, outside of any home, that whoever trains on the card keeps locked: homes,
containers that share ``/tmp``, and users of a machine share its cards. What a worker without any
card trains on is the machine itself, as one place for each home.
"""

from __future__ import annotations

import fcntl
import json
import os
import socket
from collections.abc import Callable, Iterable, Sequence
from contextlib import ExitStack, suppress
from dataclasses import dataclass
from hashlib import blake2b
from pathlib import Path
from typing import Any

import pynvml
from pydantic import BaseModel, ConfigDict
from redis import Redis

from bali_platform.base.settings import Settings
from bali_platform.jobs.model import Job

LOCKS = Path("/tmp")  # noqa: S108 (TMPDIR may differ between those who share a card)
VISIBLE = "CUDA_VISIBLE_DEVICES"
HOSTS = "bali:cards"
GPU_SENSOR = pynvml.NVML_TEMPERATURE_GPU
READING_KEPT_S = 30


@dataclass(frozen=True)
class Card:
    """A card, or a slice of one, under the name that CUDA knows it by (``GPU-...``, ``MIG-...``).

    ``memory_mb`` is None where nothing tells how much it has.
    """

    uuid: str
    name: str = ""
    memory_mb: int | None = None


def inventory() -> tuple[Card, ...]:
    """Return the cards of this machine that ``CUDA_VISIBLE_DEVICES`` leaves to this process."""
    return visible(_installed(), os.environ.get(VISIBLE))


def visible(cards: Sequence[Card], wanted: str | None) -> tuple[Card, ...]:
    """Choose cards as CUDA does: by number or by the beginning of a name, until one is unknown."""
    if wanted is None:
        return tuple(cards)
    chosen: list[Card] = []
    for word in filter(None, map(str.strip, wanted.split(","))):
        if word.startswith("MIG-"):
            chosen.append(Card(word))
            continue
        numbered = [cards[int(word)]] if word.isdecimal() and int(word) < len(cards) else []
        named = [card for card in cards if word.startswith("GPU-") and card.uuid.startswith(word)]
        if len(found := numbered or named) != 1:
            break
        chosen += found
    return tuple(dict.fromkeys(chosen))


def _installed() -> list[Card]:
    with suppress(pynvml.NVMLError):  # no driver: no card
        pynvml.nvmlInit()
        handles = [pynvml.nvmlDeviceGetHandleByIndex(i) for i in range(pynvml.nvmlDeviceGetCount())]
        return [
            Card(
                pynvml.nvmlDeviceGetUUID(handle),
                pynvml.nvmlDeviceGetName(handle),
                pynvml.nvmlDeviceGetMemoryInfo(handle).total >> 20,
            )
            for handle in handles
        ]
    return []


class CardReading(BaseModel):
    """How a card of a machine was, a few seconds ago; None is what its driver does not tell.

    ``utilisation`` is in per cent, ``temperature`` in degrees Celsius.
    """

    model_config = ConfigDict(frozen=True)

    host: str
    uuid: str
    name: str
    memory_mb: int | None
    used_mb: int | None
    utilisation: int | None
    temperature: int | None


def publish_cards(redis: Redis) -> None:
    """Let others see the cards of this machine, for half a minute."""
    host = socket.gethostname()
    readings = [_reading(host, card).model_dump() for card in inventory()]
    if readings:
        redis.sadd(HOSTS, host)
        redis.set(f"{HOSTS}:{host}", json.dumps(readings), ex=READING_KEPT_S)


def published_cards(redis: Redis) -> list[CardReading]:
    """Return the cards of all machines whose training workers live."""
    hosts: Any = redis.smembers(HOSTS)
    found: Any = redis.mget(sorted(f"{HOSTS}:{host.decode()}" for host in hosts)) if hosts else []
    return [CardReading.model_validate(each) for text in found if text for each in json.loads(text)]


def _reading(host: str, card: Card) -> CardReading:
    def ask(question: Callable[[Any], Any]) -> Any:
        with suppress(pynvml.NVMLError):
            return question(pynvml.nvmlDeviceGetHandleByUUID(card.uuid.encode()))
        return None

    return CardReading(
        host=host,
        uuid=card.uuid,
        name=card.name,
        memory_mb=card.memory_mb,
        used_mb=ask(lambda it: pynvml.nvmlDeviceGetMemoryInfo(it).used >> 20),
        utilisation=ask(lambda it: pynvml.nvmlDeviceGetUtilizationRates(it).gpu),
        temperature=ask(
            lambda it: pynvml.nvmlDeviceGetTemperature(it, pynvml.NVML_TEMPERATURE_GPU)
        ),
    )


class Cards:
    """What a training worker may train on."""

    def __init__(self, cards: Sequence[Card], settings: Settings, locks: Path = LOCKS) -> None:
        self._cards = cards
        self._machine = Card(_place(settings))
        self._locks = locks

    def lack(self, job: Job) -> str:
        """Return why no card that becomes free would help a job, in words; empty if one would."""
        enough = self._fitting(job)
        if len(enough) >= self._wanted(job):
            return ""
        memory = f" with {job.card_memory_mb} MiB" if job.card_memory_mb else ""
        return f"it needs {job.cards} cards{memory}, and there are {len(enough)} here"

    def take(self, job: Job) -> Hold | None:
        """Lock as many free cards as a job wants; None while there are too few."""
        with ExitStack() as stack:
            held: dict[Card, int] = {}
            for card in self._fitting(job):
                if len(held) < self._wanted(job) and (lock := self._lock(card)) is not None:
                    held[card] = lock
                    stack.callback(os.close, lock)
            if len(held) == self._wanted(job):
                return Hold(held, stack.pop_all())
        return None

    def _wanted(self, job: Job) -> int:
        return job.cards if self._cards else 1

    def _fitting(self, job: Job) -> Sequence[Card]:
        if not self._cards:
            return [self._machine]
        least = job.card_memory_mb
        return [card for card in self._cards if card.memory_mb is None or card.memory_mb >= least]

    def _lock(self, card: Card) -> int | None:
        path = self._locks / f"bali-card-{card.uuid}.lock"
        try:
            file = os.open(path, os.O_RDONLY | os.O_NOFOLLOW)  # it may be another user's
        except FileNotFoundError:
            file = os.open(path, os.O_RDONLY | os.O_CREAT | os.O_NOFOLLOW, 0o644)
            os.fchmod(file, 0o644)
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            os.close(file)
            return None
        return file


class Hold:
    """Cards that are locked until they are released, or all who inherited the locks have ended."""

    def __init__(self, locks: dict[Card, int], stack: ExitStack) -> None:
        self.locks: Iterable[int] = tuple(locks.values())
        self._cards = [card for card in locks if card.uuid.startswith(("GPU-", "MIG-"))]
        self._stack = stack

    @property
    def environment(self) -> dict[str, str]:
        """What shows a trainer these cards and no others."""
        return {VISIBLE: ",".join(self.names)} if self._cards else {}

    @property
    def names(self) -> list[str]:
        """Which cards these are."""
        return [card.uuid for card in self._cards]

    def release(self) -> None:
        """Leave the cards to others."""
        self._stack.close()


def _place(settings: Settings) -> str:
    named = f"{settings.home.resolve()}\0{os.environ.get(VISIBLE)}"
    return f"none-{os.getuid()}-{blake2b(named.encode(), digest_size=6).hexdigest()}"
