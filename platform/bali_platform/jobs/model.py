"""The record of a job."""

from __future__ import annotations

import os
from enum import StrEnum
from pathlib import Path
from typing import Any

from pydantic import BaseModel, ConfigDict

from bali_platform.base.logs import said


class JobState(StrEnum):
    """Where a job stands."""

    QUEUED = "queued"
    RUNNING = "running"
    SUCCEEDED = "succeeded"
    FAILED = "failed"
    CANCELLED = "cancelled"

    @property
    def ended(self) -> bool:
        """Whether nothing more happens unless somebody resumes the job."""
        return self not in (JobState.QUEUED, JobState.RUNNING)


class Job(BaseModel):
    """Everything known of a job, as of the moment it was read.

    ``attempt`` counts how often the job was started, and ``holder`` is the random name of the one
    who started it last: nobody else may write while it runs; ``place`` says where. It wants
    ``cards`` graphics cards of at least ``card_memory_mb`` MiB each. ``installation`` names the
    Redis that the job was queued in, ``request`` the one to the API that queued it, and ``trace``
    the ``traceparent`` that it is a part of.
    ``stalls`` counts the attempts in a row that got no further than ``mark``, the step reached
    before them; after ``retries`` of these the job fails. ``waits`` counts those in a row that
    found no room on a disk, which are no faults.
    Times are seconds since the epoch. Fields that a newer version has added are kept as they are.
    """

    model_config = ConfigDict(frozen=True, extra="allow")

    id: str
    kind: str
    name: str
    folder: Path
    config: dict[str, Any]
    spec: dict[str, Any]
    code_version: str
    created_at: float
    priority: int = 0
    retries: int = 5
    cards: int = 1
    card_memory_mb: int = 0
    installation: str = ""
    request: str = ""
    trace: str = ""

    state: JobState = JobState.QUEUED
    cancel_requested: bool = False
    message: str = ""
    attempt: int = 0
    holder: str = ""
    place: str = ""
    stalls: int = 0
    waits: int = 0
    mark: int = 0
    started_at: float | None = None
    finished_at: float | None = None

    step: int = 0
    total: int = 0
    metrics: dict[str, float] = {}
    artefacts: dict[str, str] = {}

    @property
    def claim(self) -> dict[str, Any]:
        """What a record says for as long as this is the job's state, and this its holder."""
        return {"state": self.state, "attempt": self.attempt, "holder": self.holder}

    @property
    def log(self) -> Path:
        """The file that holds what the trainer printed."""
        return self.folder / "log.txt"

    def log_tail(self, lines: int) -> list[str]:
        """Return its last lines; none where this machine has no such file."""
        try:
            with self.log.open("rb") as file:
                file.seek(max(0, file.seek(0, os.SEEK_END) - 4096 - 512 * lines))
                text = file.read().decode(errors="replace")
        except OSError:
            return []
        return [said(line.strip()) for line in text.split("\n") if line.strip()][-lines:]


class Event(BaseModel):
    """Something that happened to a job: written once, never changed."""

    model_config = ConfigDict(frozen=True)

    id: str
    type: str
    data: dict[str, Any]

    @property
    def time(self) -> float:
        """When Redis noted it, seconds since the epoch."""
        return int(self.id.split("-")[0]) / 1000

    @property
    def told(self) -> list[str]:
        """What there is to say about it, in words; when it was says ``time``."""
        return [
            f"{name} {_told(value)}"
            for name, value in self.data.items()
            if value and not name.endswith("_at")
        ]


def _told(value: Any) -> str:
    return f"{value:.4g}" if isinstance(value, float) else str(value)
