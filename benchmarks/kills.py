"""``kill -9`` at random moments: ``python -m benchmarks.kills [KILLS] [SEED]``.

Takes a home of its own (``BALI_HOME``; what is there is not spared) through loads, upgrades and
rollbacks between two editions of a small release, and kills each of them at a random moment: the
whole process group of ``bali``, or the Neo4j that stages the new graph, or the live one during the
switch. After each kill ``bali up`` must serve a whole graph, the old one or the new one, with all
that people added to it, as verification of 200 concepts shows; then the same command must complete.
Writes ``results/kills.json``, and stops at the first kill after which something is amiss.
"""

from __future__ import annotations

import os
import random
import re
import signal
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Callable
from contextlib import suppress
from dataclasses import asdict, dataclass
from pathlib import Path
from threading import Thread

from bali_loaders.releases import Release, synthetic
from bali_loaders.umls import verify
from bali_platform import services
from bali_platform.services import GraphStores
from bali_platform.services.home import Home
from bali_platform.settings import Settings, load_settings
from benchmarks.record import record

CONCEPTS = 200
SAMPLE = 200
LAST_STEP = {"load": "examine the graph", "upgrade": "build your indexes"}
VERSIONS = ("2030AA", "2030AB")
ANNOTATE = """
MATCH (c:Concept)
SET c.my_note = 'of ' + c.cui, c.embedding = [0.5, 0.25, 1.0] SET c:MyChoice
RETURN collect(c.cui) AS cuis
"""
ANNOTATED = """
MATCH (c:MyChoice) WHERE c.my_note STARTS WITH 'of C' AND c.embedding = [0.5, 0.25, 1.0]
RETURN collect(c.cui) AS cuis
"""


class Run:
    """One ``bali`` command in a process group of its own, with the steps that it finished."""

    def __init__(self, *arguments: str) -> None:
        self.steps: list[str] = []
        self.said: list[str] = []
        self.started = time.monotonic()
        self._process = subprocess.Popen(
            [sys.executable, "-m", "bali_platform", *arguments],
            stdout=subprocess.DEVNULL,
            stderr=subprocess.PIPE,
            text=True,
            start_new_session=True,
        )
        self._reader = Thread(target=self._read, daemon=True)
        self._reader.start()

    @property
    def running(self) -> bool:
        """Whether it has not ended."""
        return self._process.poll() is None

    def kill(self) -> None:
        """Kill the whole process group."""
        with suppress(ProcessLookupError):
            os.killpg(self._process.pid, signal.SIGKILL)

    def end(self) -> int:
        """Wait for it and return its exit code."""
        code = self._process.wait()
        self._reader.join(5)
        return code

    def _read(self) -> None:
        for line in self._process.stderr or ():
            self.said.append(line.strip())
            if found := re.match(r"✓ (.*?) *━", line):
                self.steps.append(found[1])


@dataclass
class Kill:
    """One kill, and what was found after it."""

    command: str
    victim: str
    last_step: str
    after_s: float
    exit_code: int
    serving: str


class Trial:
    """A home, two editions of a release, and the graph that is live."""

    def __init__(self, settings: Settings, seed: int) -> None:
        self._settings, self._home = settings, Home(settings.home)
        self._stores = GraphStores(settings)
        self._random = random.Random(seed)  # noqa: S311
        self._paths = [self._release(edition) for edition in (0, 1)]
        self._cuis: list[set[str]] = [set(), set()]
        self._typical_s: dict[str, float] = {"rollback": 8.0}
        self._live = 1
        for edition in (0, 1):
            self._typical_s["load"] = complete("load", str(self._paths[edition]))
            complete("up")
            self._cuis[edition] = self._ask(ANNOTATE)
        self._typical_s["upgrade"] = 1.5 * self._typical_s["load"]

    def kill(self) -> Kill | None:
        """Kill a command, examine what serves, let the command complete; None if it was faster."""
        name = self._random.choice(("upgrade", "upgrade", "upgrade", "load", "rollback"))
        victims = ("bali", "bali", "bali", "live", "live" if name == "rollback" else "staging")
        victim = self._random.choice(victims)
        old, new = self._live, 1 - self._live
        arguments = ("load", "--rollback") if name == "rollback" else (name, str(self._paths[new]))
        run = Run(*arguments)
        struck = self._strike(run, name, victim)
        after_s, code = time.monotonic() - run.started, run.end()
        if code not in (0, 1, -signal.SIGKILL) or any("Traceback" in line for line in run.said):
            raise RuntimeError("\n".join(run.said))
        complete("up")
        serving = self._examine(name, old)
        if serving == old:
            self._typical_s[name] = complete(*arguments)
            if self._examine(name, old) != new:
                raise RuntimeError(f"{name} completed, and the old graph serves")
        elif name != "rollback":
            complete(*arguments)  # finds that it is live already
        self._live = new
        self._ask(ANNOTATE)
        last_step = run.steps[-1] if run.steps else "start"
        kill = Kill(
            name, victim, last_step, round(after_s, 1), code, "new" if serving == new else "old"
        )
        return kill if struck else None

    def _release(self, edition: int) -> Path:
        path = self._settings.home / "editions" / str(edition)
        if not path.exists():
            synthetic.write(path, concepts=CONCEPTS, edition=edition)
        return path

    def _strike(self, run: Run, name: str, victim: str) -> bool:
        """Kill the victim at a random moment; False where the command ended before that."""
        if victim == "bali" and self._random.random() < 0.5:
            wait(run, lambda: False, self._random.uniform(0, self._typical_s[name]))
        elif victim == "staging":
            wait(run, lambda: self._pid("staging") is not None)
            wait(run, lambda: False, self._random.uniform(0, 6))
        else:
            wait(run, lambda: name == "rollback" or run.steps[-1:] == [LAST_STEP[name]])
            wait(run, lambda: False, self._random.uniform(0, 8))
        if not run.running:
            return False
        pid = None if victim == "bali" else self._pid("neo4j" if victim == "live" else victim)
        if victim == "bali":
            run.kill()
        elif pid is not None:
            os.kill(pid, signal.SIGKILL)
        return victim == "bali" or pid is not None

    def _pid(self, process: str) -> int | None:
        return self._home.process(process).pid

    def _examine(self, name: str, old: int) -> int:
        """Return the edition that serves; raises where it is not whole or lacks additions."""
        found = services.status(self._settings).graph
        edition = next(n for n in (0, 1) if found.release == VERSIONS[n])
        with (
            self._stores.server().driver() as driver,
            Release.open(self._paths[edition]) as release,
        ):
            verification = verify(driver, release, sample=SAMPLE)
        if not verification.passed:
            raise RuntimeError(str(verification.problems[:5]))
        wanted = self._cuis[edition] & self._cuis[old] if name == "upgrade" else self._cuis[edition]
        if lost := wanted - self._ask(ANNOTATED) if edition == old or name != "load" else set():
            raise RuntimeError(f"additions lost: {sorted(lost)[:5]}")
        return edition

    def _ask(self, statement: str) -> set[str]:
        with self._stores.server().driver() as driver:
            return set(driver.execute_query(statement).records[0]["cuis"])


def wait(run: Run, condition: Callable[[], bool], seconds: float = 600) -> None:
    """Wait until the condition holds, the time is over or the command ended."""
    until = time.monotonic() + seconds
    while run.running and not condition() and time.monotonic() < until:
        time.sleep(0.02)


def complete(*arguments: str) -> float:
    """Run a ``bali`` command to its end and return the seconds; raises unless it succeeds."""
    run = Run(*arguments)
    if run.end():
        raise RuntimeError(f"bali {' '.join(arguments)}: " + " ".join(run.said[-3:]))
    return time.monotonic() - run.started


def main() -> None:
    """Kill so many times, and write the results."""
    count = int(sys.argv[1]) if len(sys.argv) > 1 else 50
    seed = int(sys.argv[2]) if len(sys.argv) > 2 else 0
    settings = load_settings()
    kills: list[Kill] = []
    try:
        trial = Trial(settings, seed)
        while len(kills) < count:
            if kill := trial.kill():
                kills.append(kill)
                print(len(kills), *asdict(kill).values(), flush=True)
    finally:
        services.down(settings)
    summary = {
        "kills": len(kills),
        "seed": seed,
        "always": "a whole graph served, and the same command then completed",
        **{
            key: dict(Counter(getattr(kill, key) for kill in kills).most_common())
            for key in ("command", "victim", "last_step", "serving")
        },
    }
    print(record("kills", summary | {"each": [asdict(kill) for kill in kills]}))


if __name__ == "__main__":
    main()
