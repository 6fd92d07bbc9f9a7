"""The trainer beside another checkout of it: ``python -m benchmarks.beside CHECKOUT [--steps N]``.

Both train MiniLM and a relational GATv2, without dropout, on the same drawn batches of 32 sentences
and in turns, each time in a process of its own, so that a busy machine slows down both. Needs no
services. The medians are recorded as ``beside``, and how far the losses lie apart.
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import subprocess
import sys
import tempfile
from importlib import import_module
from pathlib import Path
from typing import Any

import numpy as np

BATCH = 32
WORDS = 30522
HERE = Path(__file__).parents[1]


def turn(checkout: Path, folder: Path) -> dict[str, Any]:
    """Train on the batches in ``folder`` with the code of a checkout."""
    rooms = [checkout, *(checkout / name for name in ("platform", "loaders", "trainers"))]
    done = subprocess.run(
        [sys.executable, __file__, "--train", str(folder)],
        env={**os.environ, "PYTHONPATH": os.pathsep.join(map(str, rooms))},
        stdout=subprocess.PIPE,
        check=True,
        text=True,
    )
    found: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])
    return found


def train(folder: Path) -> dict[str, Any]:
    """Train with whatever code this process finds; all names are those of its own benchmark."""
    training: Any = import_module("benchmarks.training")
    payloads = [path.read_bytes() for path in sorted(folder.glob("*.batch"))]
    config = training.parse_config(
        {
            "name": "beside",
            "data": {"batch_size": BATCH},
            "run": {"device": "cpu", "precision": "fp32", "max_steps": len(payloads)},
        },
        "benchmark",
    )
    run = training.train(
        training.settings_of(config, log_every=1, checkpoint_every=10**6),
        200,
        training.InlineSource(lambda key: payloads[key.index]),
        folder,
    )
    return {"sentences_s": run.sentences_s, "losses": run.losses}


def measure(other: Path, steps: int, turns: int) -> dict[str, Any]:
    """Let both take turns, and return the numbers by name."""
    from bali_platform.streaming import encode
    from benchmarks.drawn import draw_batch

    ours, theirs = [], []
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        for number in range(steps):
            arrays = draw_batch(np.random.default_rng(number), BATCH, WORDS)
            (folder / f"{number:03d}.batch").write_bytes(encode(arrays))
        for _ in range(turns):
            theirs.append(turn(other.absolute(), folder))
            ours.append(turn(HERE, folder))
    speeds = [statistics.median(one["sentences_s"] for one in side) for side in (ours, theirs)]
    pairs = zip(ours[0]["losses"], theirs[0]["losses"], strict=True)
    return {
        "steps": steps,
        "turns": turns,
        "sentences_s": round(speeds[0], 2),
        "before_sentences_s": round(speeds[1], 2),
        "speed_up": round(speeds[0] / speeds[1], 3),
        "loss_differs_by": max(abs(one - other) for one, other in pairs),
    }


def main() -> None:
    """Measure, and write down."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.beside")
    parser.add_argument("checkout", type=Path, nargs="?", help="a folder with other code")
    parser.add_argument("--steps", type=int, default=10, help="steps of each turn")
    parser.add_argument("--turns", type=int, default=3, help="turns of each checkout")
    parser.add_argument("--train", type=Path, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.train:
        print(json.dumps(train(options.train)))
        return
    if options.checkout is None:
        parser.error("name a checkout to compare with, made by `git worktree add`")
    from benchmarks.record import record

    found = measure(options.checkout, options.steps, options.turns)
    record("beside", found)
    print(json.dumps(found, indent=2))


if __name__ == "__main__":
    main()
