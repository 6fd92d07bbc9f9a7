"""A toy trainer, whose weights are a digest of every batch it saw.

It streams, checkpoints, resumes, reports and stops as the real one does, in milliseconds a step.
"""

from __future__ import annotations

import json
import os
import signal
import sys
import time
from hashlib import sha256
from pathlib import Path
from typing import Any

from bali_platform.base import logs
from bali_platform.base.errors import exit_code
from bali_platform.base.files import write_atomically
from bali_platform.jobs import JobReporter, JobStore, connect
from bali_platform.jobs.app import request_batch
from bali_platform.streaming import BatchKey, StreamedSource


def main(folder: Path, job_id: str) -> int:
    stopped: list[int] = []
    signal.signal(signal.SIGTERM, lambda number, frame: stopped.append(number))
    config = json.loads((folder / "config.json").read_text())
    print(f"config {config} on {os.environ.get('CUDA_VISIBLE_DEVICES')}", flush=True)
    if "exit" in config:
        logs.say(f"error: {config['message']}")
        return int(config["exit"])
    with JobReporter(JobStore(connect()), job_id) as reporter:
        try:
            return train(folder, job_id, config, reporter, stopped)
        except OSError as error:
            return exit_code(error)


def train(
    folder: Path, job_id: str, config: dict[str, Any], reporter: JobReporter, stopped: list[int]
) -> int:
    checkpoint = folder / "checkpoints" / "newest.json"
    state = {"step": 0, "weights": ""}
    if checkpoint.exists():
        state = json.loads(checkpoint.read_text())
        reporter.event("resumed", step=state["step"])
    source = StreamedSource(
        connect(), job_id, request_batch(job_id), window=4, resend_after=1.0, say=say
    )
    keys = (BatchKey(0, index) for index in range(state["step"], config["steps"]))
    for key, payload in source.batches(keys):
        state = {
            "step": key.index + 1,
            "weights": sha256(state["weights"].encode() + payload).hexdigest(),
        }
        reporter.metrics(state["step"], config["steps"], {"loss": 1 / state["step"]})
        stop = stopped or reporter.cancelled()
        if stop or state["step"] % 5 == 0:
            write_atomically(checkpoint, json.dumps(state))
        if stop:
            return 3
        if state["step"] == config.get("crash_at"):
            raise RuntimeError("out of toys")
        time.sleep(config.get("pace", 0.02))
    write_atomically(folder / "weights", state["weights"])
    reporter.artefact("weights", folder / "weights")
    return 0


def say(line: str) -> None:
    print(line, flush=True)


if __name__ == "__main__":
    sys.exit(main(Path(sys.argv[1]), sys.argv[3]))
