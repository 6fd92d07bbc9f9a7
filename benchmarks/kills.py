"""``kill -9`` at random moments: ``python -m benchmarks.kills [ROUNDS] [SEED]``.

Takes a home of its own (``BALI_HOME``; what is there is not spared) through loads, upgrades and
rollbacks between two editions of a tiny release. Each round kills one of them at a random moment of
a random stage: ``bali`` with its whole process group, the import tool, the Neo4j that stages the
new graph, or the live one during the switch. Then ``bali up`` must serve a whole graph, the old one
or the new one, with all that people added to it, as verification shows; and the same command must
complete. Writes ``results/kills.json`` with every round, and stops at the first one after which
something is amiss. How long the stages last is measured on the way, so that the moments fit the
machine, busy or not.
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
from bali_platform.base.errors import BaliError
from bali_platform.base.settings import Settings, load_settings
from bali_platform.services import GraphStores
from bali_platform.services.home import Home
from benchmarks.record import record

CONCEPTS = 200
MEMORY_MB = 256
PATIENCE_S = 1800
LAST_STEP = {"load": "examine the graph", "upgrade": "build your indexes"}
VERSIONS = ("2030AA", "2030AB")
COMMANDS = ("upgrade", "upgrade", "upgrade", "load", "rollback", "rollback")
TARGETS = (
    *[("bali", "anywhere")] * 3,
    *[("bali", "switch")] * 2,
    ("neo4j-admin", "import"),
    ("staging", "staging"),
    ("neo4j", "switch"),
)
"""What is killed, and at which stage of a command."""

ANNOTATE = """
MATCH (c:Concept)
SET c.my_note = 'of ' + c.cui, c.embedding = [0.5, 0.25, 1.0] SET c:MyChoice
RETURN collect(c.cui) AS cuis
"""
ANNOTATED = """
MATCH (c:MyChoice) WHERE c.my_note STARTS WITH 'of C' AND c.embedding = [0.5, 0.25, 1.0]
RETURN collect(c.cui) AS cuis
"""


class AmissError(Exception):
    """What must not be."""


class Run:
    """One ``bali`` command in a process group of its own, with when each of its steps ended."""

    def __init__(self, *arguments: str) -> None:
        self.steps: list[tuple[str, float]] = [("start", 0.0)]
        self.said: list[str] = []
        self._started = time.monotonic()
        self._process = subprocess.Popen(
            [sys.executable, "-m", "bali", *arguments],
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

    @property
    def seconds(self) -> float:
        """For how long it has run."""
        return time.monotonic() - self._started

    @property
    def last_step(self) -> str:
        """The step that it finished last."""
        return self.steps[-1][0]

    def kill(self) -> None:
        """Kill the whole process group."""
        with suppress(ProcessLookupError):
            os.killpg(self._process.pid, signal.SIGKILL)

    def end(self) -> int:
        """Wait for it and return its exit code."""
        code = self._process.wait()
        self._reader.join(5)
        self.steps.append(("end", self.seconds))
        return code

    def wait(self, condition: Callable[[], bool], seconds: float = PATIENCE_S) -> None:
        """Wait until the condition holds, the time is over or the command ended."""
        until = time.monotonic() + seconds
        while self.running and not condition() and time.monotonic() < until:
            time.sleep(0.02)

    def _read(self) -> None:
        for line in self._process.stderr or ():
            self.said.append(line.strip())
            if found := re.match(r"✓ (.*?) *━", line):
                self.steps.append((found[1], self.seconds))


@dataclass
class Kill:
    """One round: what was killed and when, what served after it, and how it went on."""

    command: str
    victim: str
    stage: str
    last_step: str
    after_s: float
    exit_code: int
    serving: str = ""
    outcome: str = ""
    round_s: float = 0.0


class Trial:
    """A home, two editions of a release, and the graph that is live."""

    def __init__(self, settings: Settings, seed: int) -> None:
        self._settings, self._home = settings, Home(settings.home)
        self._stores = GraphStores(settings)
        self._random = random.Random(seed)
        self._paths = [self._release(edition) for edition in (0, 1)]
        self._cuis: list[set[str]] = [set(), set()]
        self._lasts: dict[tuple[str, str], float] = {}
        self._live = 0
        for edition, name in enumerate(("load", "upgrade")):
            self._complete(name, edition)
            serve(settings)
            self._live = edition
            self._cuis[edition] = self._ask(ANNOTATE)
        self._complete("rollback", 0)
        self._live = 0

    def round(self) -> Kill | None:
        """Kill a command, examine what serves, let the command complete; None if it was faster."""
        started = time.monotonic()
        name = self._random.choice(COMMANDS)
        targets = [t for t in TARGETS if name != "rollback" or t[1] in ("anywhere", "switch")]
        victim, stage = self._random.choice(targets)
        old, new = self._live, 1 - self._live
        run = Run(*self._arguments(name, new))
        struck = self._strike(run, name, victim, stage)
        kill = Kill(name, victim, stage, run.last_step, round(run.seconds, 1), run.end())
        try:
            self._check_end(kill, run)
            serve(self._settings)
            serving = self._examine(name, old)
            kill.serving = "new" if serving == new else "old"
            kill.outcome = self._go_on(name, serving, old)
        except Exception as error:
            kill.outcome = f"amiss: {error}"
        self._live = new
        kill.round_s = round(time.monotonic() - started, 1)
        return kill if struck or kill.outcome.startswith("amiss") else None

    def _go_on(self, name: str, serving: int, old: int) -> str:
        """Run the same command again, to its end; a rollback that is done would go back again."""
        new = 1 - old
        if serving == new and name == "rollback":
            return "was complete"
        self._complete(name, new)
        if serving == old and self._examine(name, old) != new:
            raise AmissError(f"{name} completed, and the old graph serves")
        self._ask(ANNOTATE)
        return "completed" if serving == old else "was complete"

    def _release(self, edition: int) -> Path:
        path = self._settings.home / "editions" / str(edition)
        if not path.exists():
            synthetic.write(path, concepts=CONCEPTS, edition=edition)
        return path

    def _arguments(self, name: str, edition: int) -> tuple[str, ...]:
        if name == "rollback":
            return "load", "--rollback"
        return name, str(self._paths[edition])

    def _complete(self, name: str, edition: int) -> None:
        """Run a command to its end, and note how long its stages last."""
        run = Run(*self._arguments(name, edition))
        if run.end():
            raise AmissError(f"{name} does not complete: " + " ".join(run.said[-3:]))
        ends = dict(run.steps)
        if LAST_STEP.get(name) in ends:
            before_import = max(end for end in ends.values() if end < ends["import"])
            self._lasts[name, "import"] = ends["import"] - before_import
            self._lasts[name, "staging"] = ends[LAST_STEP[name]] - ends["import"]
            self._lasts[name, "switch"] = ends["end"] - ends[LAST_STEP[name]]
            self._lasts[name, "anywhere"] = ends["end"]
        elif name == "rollback":
            self._lasts[name, "switch"] = self._lasts[name, "anywhere"] = ends["end"]

    def _strike(self, run: Run, name: str, victim: str, stage: str) -> bool:
        """Kill the victim at a random moment of a stage; False where that was over before."""
        run.wait(lambda: self._begun(run, name, stage))
        lasts = self._lasts.get((name, stage)) or self._lasts["upgrade", stage]
        run.wait(lambda: False, self._random.uniform(0, lasts))
        pid = None if victim == "bali" else self._home.process(victim).pid
        if not run.running or (victim != "bali" and pid is None):
            return False
        if pid is None:
            run.kill()
        else:
            with suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
        return True

    def _begun(self, run: Run, name: str, stage: str) -> bool:
        if stage == "import":
            return self._home.process("neo4j-admin").pid is not None
        if stage == "staging":
            return self._home.process("staging").pid is not None
        return stage == "anywhere" or run.last_step == LAST_STEP.get(name, run.last_step)

    @staticmethod
    def _check_end(kill: Kill, run: Run) -> None:
        traced = any("Traceback" in line for line in run.said)
        if traced or kill.exit_code not in (0, 1, -signal.SIGKILL):
            raise AmissError(f"exit code {kill.exit_code}: " + " ".join(run.said[-3:]))

    def _examine(self, name: str, old: int) -> int:
        """Return the edition that serves; raises where it is not whole or lacks additions."""
        found = services.status(self._settings).graph
        if found.release not in VERSIONS:
            raise AmissError(f"no graph serves: {found}")
        edition = VERSIONS.index(found.release)
        with (
            self._stores.server().driver() as driver,
            Release.open(self._paths[edition]) as release,
        ):
            verification = verify(driver, release, sample=CONCEPTS)
        if not verification.passed:
            raise AmissError(str(verification.problems[:5]))
        wanted = self._cuis[edition] & self._cuis[old] if name == "upgrade" else self._cuis[edition]
        if lost := wanted - self._ask(ANNOTATED) if edition == old or name != "load" else set():
            raise AmissError(f"additions lost: {sorted(lost)[:5]}")
        return edition

    def _ask(self, statement: str) -> set[str]:
        with self._stores.server().driver() as driver:
            return set(driver.execute_query(statement).records[0]["cuis"])


def serve(settings: Settings) -> None:
    """Do what ``bali up`` does; on a busy machine a server may be too slow for the first time."""
    try:
        services.up(settings)
    except BaliError:
        services.up(settings)


def main() -> None:
    """Kill so many times, and write the results."""
    count = int(sys.argv[1]) if len(sys.argv) > 1 else 50
    seed = int(sys.argv[2]) if len(sys.argv) > 2 else 0
    os.environ.setdefault("BALI_NEO4J_MEMORY_MB", str(MEMORY_MB))
    settings = load_settings()
    started = time.monotonic()
    kills: list[Kill] = []
    try:
        trial = Trial(settings, seed)
        while len(kills) < count:
            if kill := trial.round():
                kills.append(kill)
                print(len(kills), *asdict(kill).values(), flush=True)
                if kill.outcome.startswith("amiss"):
                    break
    finally:
        services.down(settings)
    amiss = [kill for kill in kills if kill.outcome.startswith("amiss")]
    summary = {
        "rounds": len(kills),
        "seed": seed,
        "minutes": round((time.monotonic() - started) / 60, 1),
        "amiss": len(amiss),
        **{
            key: dict(Counter(getattr(kill, key) for kill in kills).most_common())
            for key in ("command", "victim", "stage", "last_step", "serving", "outcome")
        },
    }
    print(record("kills", summary | {"each": [asdict(kill) for kill in kills]}))
    sys.exit(bool(amiss))


if __name__ == "__main__":
    main()
