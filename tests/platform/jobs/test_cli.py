"""``bali worker | jobs`` as a user types them."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from rich.console import Console

from bali.cli.watch import sparkline, view
from bali_platform.jobs import Event, Job, JobState


def bali(farm: Any, *arguments: str, code: int = 0) -> str:
    command = [sys.executable, "-m", "bali", *arguments]
    ran = subprocess.run(
        command, env=farm.environment | {"COLUMNS": "200"}, capture_output=True, text=True
    )
    assert ran.returncode == code, ran.stderr
    return ran.stderr if code else ran.stdout


@pytest.mark.services
def test_a_job_from_the_command_line(farm: Any) -> None:
    job = farm.submit(steps=30)
    listed = json.loads(bali(farm, "jobs", "list", "--json"))
    assert [(entry["id"], entry["state"]) for entry in listed] == [(job.id, "queued")]
    assert job.id in bali(farm, "jobs", "list")
    assert bali(farm, "jobs", "priority", job.id, "7") == f"job {job.id}: priority 7\n"
    assert "the job has not started" in bali(farm, "jobs", "logs", job.id, code=1)
    assert bali(farm, "jobs", "cancel", job.id[:6]) == f"job {job.id}: cancelled\n"
    assert "has already cancelled" in bali(farm, "jobs", "cancel", job.id, code=2)
    assert bali(farm, "jobs", "resume", job.id) == f"job {job.id}: queued\n"
    farm.start_worker()
    watched = bali(farm, "jobs", "watch", job.id)
    config = farm.home / "gpu.toml"
    config.write_text('name = "x"\n[run]\ndevice = "cuda:99"')
    assert "device 'cuda:99': torch sees" in bali(farm, "train", str(config), code=2)
    config.write_text('name = "x"\n[run]\nprocesses = 99')
    many = bali(farm, "train", str(config), code=2)
    assert re.search("no GPU here: 99 processes would share|processes = 99: torch sees", many)
    assert len(farm.store.ids()) == 1, "what this machine's workers could not do is not queued"
    assert "submitted" in watched
    assert "step 30" in watched
    assert watched.splitlines()[-1].startswith(("succeeded", "step"))
    shown = json.loads(bali(farm, "jobs", "show", job.id, "--json"))
    assert (shown["state"], shown["step"], shown["priority"]) == ("succeeded", 30, 7)
    assert [event["type"] for event in shown["events"]][:2] == ["submitted", "priority"]
    assert shown["metrics"] == {"loss": 1 / 30}
    told = bali(farm, "jobs", "show", job.id)
    for words in ("succeeded", "30 of 30", "0.03333", "attempt 1"):
        assert words in told
    assert "finished_at" not in told
    assert "config {'steps': 30}" in bali(farm, "jobs", "logs", job.id, "--follow")
    compared = json.loads(bali(farm, "jobs", "compare", job.id, job.id[:6], "--json"))
    assert [run["metrics"]["loss"]["step"] for run in compared["jobs"]] == [30, 30]
    assert "best 0.03333 at 30" in bali(farm, "jobs", "compare", job.id)
    moved = farm.home / "moved"
    moved.mkdir()
    (farm.home / "jobs").rename(moved / "jobs")
    farm.environment["BALI_HOME"] = str(moved)
    assert "config {'steps': 30}" in bali(farm, "jobs", "logs", job.id)
    assert bali(farm, "jobs", "prune", "--days", "0") == "forgot 1 jobs\n"
    assert json.loads(bali(farm, "jobs", "list", "--json")) == []


@pytest.mark.services
def test_who_watches_a_job_that_nobody_takes_is_told(farm: Any) -> None:
    job = farm.submit(steps=1)
    command = [sys.executable, "-m", "bali", "jobs", "watch", job.id]
    with subprocess.Popen(
        command, env=farm.environment | {"COLUMNS": "200"}, stderr=subprocess.PIPE, text=True
    ) as watching:
        assert watching.stderr
        told = watching.stderr.readline()
        farm.store.request_cancel(job.id)
        rest = watching.communicate(timeout=60)[1]
    assert told == "no worker trains yet: `bali up --workers` starts one\n"
    assert rest.strip() == f"error: job {job.id} cancelled: as asked"
    assert watching.returncode == 1


@pytest.mark.services
def test_watching_a_job_that_fails_fails(farm: Any) -> None:
    farm.start_worker("gpu")
    job = farm.submit(exit=2, message="no such corpus")
    farm.wait_for(lambda: farm.store.get(job.id).state != JobState.QUEUED)
    error = bali(farm, "jobs", "watch", job.id, code=1)
    assert error.strip() == f"error: job {job.id} failed: no such corpus (exit code 2)"


@pytest.mark.services
def test_mistakes_are_one_clear_line(farm: Any) -> None:
    assert "no job nonsense: `bali jobs list`" in bali(farm, "jobs", "show", "nonsense", code=1)
    error = bali(farm, "worker", "--queues", "subgraph", code=2)
    assert error.strip() == "error: there is no queue 'subgraph' (did you mean 'subgraphs'?)"
    farm.redis.kill()
    assert "Redis does not answer" in bali(farm, "jobs", "list", code=1)
    farm.redis.start()


def test_sparklines() -> None:
    assert sparkline([]) == ""
    assert sparkline([3.0]) == "▁"
    assert sparkline([1.0, 1.0]) == "▁▁"
    assert sparkline(list(range(800)), width=8) == "▁▂▃▄▅▆▇█"
    assert len(sparkline([float(n % 7) for n in range(100)], width=60)) == 60


def test_the_live_view_shows_what_matters(tmp_path: Path) -> None:
    job = Job(
        id="1a2b3c4d",
        kind="train",
        name="demo",
        folder=tmp_path,
        config={},
        spec={},
        code_version="0",
        created_at=0.0,
        state=JobState.RUNNING,
        step=40,
        total=100,
        attempt=2,
        message="[half] a message",
    )
    metrics = [
        {"step": step, "loss": 1 / step, "sentences_s": 512.4, "data_wait": 0.0123}
        for step in range(10, 50, 10)
    ]
    console = Console(width=120, record=True, file=(tmp_path / "screen").open("w"))
    console.print(view(job, metrics, [Event(id="0-1", type="checkpoint", data={"step": 40})]))
    console.file.close()
    text = console.export_text()
    for shown in ("demo", "running", "40/100 steps", "attempt 2", "█▃▂▁", "512", "1.2%"):
        assert shown in text
    assert "[half] a message" in text
    assert "checkpoint" in text
