"""Real workers with toy batches and a toy trainer, on a Redis that tests may kill."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import psutil
import pytest

from bali_platform.jobs import Job, JobNotFoundError, JobState, JobStore

HERE = Path(__file__).parent


class Farm:
    """Workers on a Redis of their own."""

    def __init__(self, home: Path, redis: Any) -> None:
        self.redis = redis
        self.home = home
        self.store = JobStore(redis.client())
        self.environment = os.environ | {
            "BALI_HOME": str(home),
            "BALI_REDIS_URL": redis.url,
            "BALI_NEO4J_URI": "bolt://127.0.0.1:1",
            "PYTHONPATH": os.pathsep.join([str(HERE), *sys.path]),
            "OMP_NUM_THREADS": "1",
        }
        self._workers: list[subprocess.Popen[bytes]] = []

    def start_worker(
        self, queues: str = "subgraphs,gpu", device: str = "0", **more: str
    ) -> subprocess.Popen[bytes]:
        environment = self.environment | {"CUDA_VISIBLE_DEVICES": device, **more}
        command = [sys.executable, str(HERE / "toy_worker.py"), "supervise", queues]
        with (self.home / "workers.txt").open("ab") as log:
            worker = subprocess.Popen(command, env=environment, stdout=log, stderr=log)
        self._workers.append(worker)
        return worker

    def start_worker_with_clock(self, queues: str, clock: Path) -> subprocess.Popen[bytes]:
        """Start a worker that, with its children, is so many seconds ahead as a file says."""
        path = os.pathsep.join([str(HERE / "shifted"), self.environment["PYTHONPATH"]])
        return self.start_worker(queues, TOY_CLOCK=str(clock), PYTHONPATH=path)

    def run(self, program: str) -> None:
        """Run some Python with the farm's settings."""
        subprocess.run([sys.executable, "-c", program], env=self.environment, check=True)

    def submit(self, retries: int = 2, cards: int = 1, **config: Any) -> Job:
        folder = self.home / "jobs"
        return self.store.submit("toy", "toy", config, {}, folder, retries=retries, cards=cards)

    @staticmethod
    def wait_for(condition: Callable[[], object], seconds: float = 120) -> None:
        deadline = time.monotonic() + seconds
        while not condition():
            assert time.monotonic() < deadline, f"waited {seconds} s in vain"
            time.sleep(0.05)

    def wait(self, job: Job, *states: JobState, seconds: float = 240) -> Job:
        """Wait until the job is in one of ``states``, or has ended."""
        self.wait_for(lambda: (now := self.now(job)).state.ended or now.state in states, seconds)
        return self.now(job)

    def wait_for_step(self, job: Job, step: int) -> Job:
        self.wait_for(lambda: self.now(job).step >= step)
        return self.now(job)

    def now(self, job: Job) -> Job:
        """Return the job's record; as it was, while Redis has lost it."""
        try:
            return self.store.get(job.id)
        except JobNotFoundError:
            return job

    def events(self, job: Job) -> list[str]:
        return [event.type for event in self.store.events(job.id)]

    def log(self) -> str:
        return (self.home / "workers.txt").read_text()

    def processes(self, *words: str) -> list[psutil.Process]:
        """Return the processes of this farm whose command line holds all of ``words``."""
        found = []
        for process in psutil.process_iter(["cmdline", "environ"]):
            line = " ".join(process.info["cmdline"] or [])
            ours = (process.info["environ"] or {}).get("BALI_HOME") == str(self.home)
            if ours and all(word in line for word in words):
                found.append(process)
        return found

    def close(self) -> None:
        for worker in self._workers:
            worker.kill()
            worker.wait()
        self.wait_for(lambda: not self.processes())


@pytest.fixture
def farm(tmp_path: Path, mortal_redis: Any) -> Iterator[Farm]:
    farm = Farm(tmp_path, mortal_redis)
    yield farm
    farm.close()
