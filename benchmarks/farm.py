"""Three machines that train for one Redis and one Neo4j, and what befalls them.

Homes stand for machines: ``one`` and ``two``, and ``twin``, a second machine on the home of two.
Each reaches Redis and Neo4j through proxies of its own, and they share a folder as store. Disks
that get full are small file systems in memory: mounting them takes root (or ``unshare -rm``).
"""

from __future__ import annotations

import json
import os
import random
import shutil
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterable
from contextlib import suppress
from pathlib import Path

import psutil
from redis.exceptions import RedisError

from bali_platform import services
from bali_platform.base.settings import Settings
from bali_platform.jobs import Job
from bali_platform.services.home import Home
from bali_platform.subgraphs import open_cache

LASTS_S = 20.0  # longer than a lease and its grace
DISK_MB = 512
SOURCES = Path(__file__).parents[1]
TRAINER = "bali_trainers.training.start"
SHIM = """
import os, time
from pathlib import Path
_now = time.time
time.time = lambda: _now() + float(Path(os.environ["FARM_CLOCK"]).read_text())
"""


def later(action: Callable[[], object], seconds: float = LASTS_S) -> None:
    """Do something after a while."""
    timer = threading.Timer(seconds, action)
    timer.daemon = True
    timer.start()


class Proxy:
    """Passes on what comes to a port of this machine, unless the network is cut."""

    def __init__(self, port: int) -> None:
        self._target = port
        self._cut_until = 0.0
        self._refuses = False
        self._open: list[socket.socket] = []
        self._listening = socket.create_server(("127.0.0.1", 0))
        self.port: int = self._listening.getsockname()[1]
        threading.Thread(target=self._accept, daemon=True).start()

    def cut(self, *, refuses: bool) -> None:
        """Let nothing through for a while: silently, or by ending and refusing connections."""
        self._refuses, self._cut_until = refuses, time.monotonic() + LASTS_S
        while refuses and self._open:
            _close(self._open.pop())

    def _wait(self) -> None:
        while time.monotonic() < self._cut_until:
            time.sleep(0.05)

    def _accept(self) -> None:
        while True:
            here, _ = self._listening.accept()
            if self._refuses and time.monotonic() < self._cut_until:
                _close(here)
            else:
                threading.Thread(target=self._join, args=(here,), daemon=True).start()

    def _join(self, here: socket.socket) -> None:
        self._wait()
        try:
            there = socket.create_connection(("127.0.0.1", self._target))
        except OSError:
            _close(here)
            return
        self._open += [here, there]
        threading.Thread(target=self._pump, args=(there, here), daemon=True).start()
        self._pump(here, there)

    def _pump(self, source: socket.socket, target: socket.socket) -> None:
        with suppress(OSError):
            while block := source.recv(1 << 16):
                self._wait()
                target.sendall(block)
        _close(source)
        _close(target)


def _close(connection: socket.socket) -> None:
    with suppress(OSError):
        connection.shutdown(socket.SHUT_RDWR)
    connection.close()


class Disk:
    """A small file system, of its own."""

    def __init__(self, folder: Path) -> None:
        self._folder, self._ballast = folder, folder / ".ballast"
        folder.mkdir(parents=True, exist_ok=True)
        options = ("-o", f"size={DISK_MB}m", "bali-soak", str(folder))
        subprocess.run(["/bin/mount", "-t", "tmpfs", *options], check=True)

    def fill(self) -> None:
        """Leave no room on it."""
        with suppress(OSError), self._ballast.open("wb", buffering=0) as file:
            while True:
                file.write(bytes(1 << 20))

    def free(self) -> None:
        """Make room again."""
        self._ballast.unlink(missing_ok=True)

    def close(self) -> None:
        """Let it go."""
        subprocess.run(["/bin/umount", "--lazy", str(self._folder)], check=True)


class Machine:
    """A worker with a home, a clock, a network and a copy of the code."""

    def __init__(self, name: str, home: Path, queues: str, settings: Settings) -> None:
        self.name, self.home = name, home
        self._process: subprocess.Popen[bytes] | None = None
        servers, login = Home(settings.home), services.neo4j_login(settings)
        bolt = int(login.neo4j_uri.rpartition(":")[2])
        self.proxies = {"redis": Proxy(servers.ports["redis"]), "neo4j": Proxy(bolt)}
        self._command = ["worker", "--queues", queues, "--concurrency", "1"]
        shim = home / f"shim-{name}"
        shim.mkdir(parents=True, exist_ok=True)
        (shim / "sitecustomize.py").write_text(SHIM, "utf-8")
        self._clock, self._code = shim / "clock", home / "code"
        self.set_clock(0)
        packages = [str(self._code / part) for part in ("platform", "loaders", "trainers")]
        self._environment = os.environ | {
            "PYTHONPATH": os.pathsep.join([str(shim), *packages]),
            "FARM_MACHINE": name,
            "FARM_CLOCK": str(self._clock),
            "CUDA_VISIBLE_DEVICES": f"-1,{name}",
            "BALI_HOME": str(home),
            "BALI_STORE": str(settings.store),
            "BALI_NEO4J_URI": f"bolt://127.0.0.1:{self.proxies['neo4j'].port}",
            "BALI_NEO4J_PASSWORD": login.neo4j_password,
            "BALI_REDIS_HOST": "127.0.0.1",
            "BALI_REDIS_PORT": str(self.proxies["redis"].port),
            "BALI_REDIS_PASSWORD": servers.password("redis"),
        }

    def keep_up(self) -> None:
        """Start the worker if it does not run."""
        if self._process is None or self._process.poll() is not None:
            with (self.home / f"{self.name}.log").open("ab") as log:
                self._process = subprocess.Popen(
                    [sys.executable, "-m", "bali", *self._command],
                    env=self._environment,
                    cwd=self.home,
                    stdout=log,
                    stderr=log,
                )

    def processes(self) -> list[psutil.Process]:
        """Return all that runs on it, its supervisor first."""
        with suppress(psutil.NoSuchProcess):
            if self._process is not None:
                supervisor = psutil.Process(self._process.pid)
                return [supervisor, *supervisor.children(recursive=True)]
        return []

    def freeze(self) -> None:
        """Let everything stand still for a while."""
        stopped = self.processes()
        _signal(stopped, signal.SIGSTOP)
        later(lambda: _signal(stopped, signal.SIGCONT))

    def set_clock(self, seconds: float) -> None:
        """Set Python's clock off by so many seconds."""
        self._clock.write_text(str(seconds), "utf-8")

    def roll_out(self, code: Path) -> None:
        """Give it other code, under its feet."""
        new = self._code.with_name(".code")
        new.symlink_to(code)
        new.replace(self._code)

    def close(self) -> None:
        """Stop the worker."""
        if self._process is not None:
            self._process.terminate()
            self._process.wait()


def _signal(processes: Iterable[psutil.Process], number: int) -> None:
    for process in processes:
        with suppress(psutil.NoSuchProcess):
            process.send_signal(number)


class Farm:
    """The servers and the machines, started again whenever they die."""

    def __init__(self, settings: Settings, dice: random.Random) -> None:
        self.settings, self._dice = settings, dice
        self._redis, self._kept = settings.home / "redis", settings.home / "redis.kept"
        self._code = [settings.home / "code" / version for version in ("old", "new")]
        self._copy_code()
        homes = [settings.home / name for name in ("one", "two")]
        self._store = Disk(Path(str(settings.store)))
        self._disks = {home: Disk(home / "jobs") for home in homes}
        self._machines = {
            name: Machine(name, home, queues, settings)
            for name, home, queues in (
                ("one", homes[0], "subgraphs,gpu"),
                ("two", homes[1], "subgraphs,gpu"),
                ("twin", homes[1], "gpu"),
            )
        }
        for machine in self._machines.values():
            machine.roll_out(self._code[0])

    def strike(self, fault: str, job: Job) -> None:
        """Let one of :data:`FAULTS` befall a job."""
        FAULTS[fault](self, job)

    def repair(self) -> None:
        """Start whatever does not run."""
        if not services.running(self.settings) >= {"redis", "neo4j"}:
            services.up(self.settings)
        for machine in self._machines.values():
            machine.keep_up()

    def snapshot(self) -> None:
        """Copy Redis' files as they are; it reads them as after a crash."""
        shutil.rmtree(self._kept, ignore_errors=True)
        with suppress(OSError):  # it may write them anew at this moment
            shutil.copytree(self._redis, self._kept)

    def trainers(self, job: Job) -> list[psutil.Process]:
        """Return the processes that train a job, but for those that stand still."""
        found = []
        for process in psutil.process_iter(["cmdline", "status"]):
            words = process.info["cmdline"] or []
            tethers = any(word.endswith("/tether.py") for word in words)
            if TRAINER in words and job.id in words and not tethers:
                found += [process] if process.info["status"] != psutil.STATUS_STOPPED else []
        return found

    def close(self) -> None:
        """Stop everything."""
        for machine in self._machines.values():
            machine.close()
        services.down(self.settings)
        for disk in (*self._disks.values(), self._store):
            disk.close()

    def _copy_code(self) -> None:
        for code in self._code:
            shutil.rmtree(code, ignore_errors=True)
            for part in ("platform", "loaders", "trainers"):
                shutil.copytree(SOURCES / part, code / part)
        with (self._code[1] / "trainers/bali_trainers/training/loop.py").open("a") as file:
            file.write("\n_NEWER = True\n")

    def _kill_worker(self, job: Job) -> None:
        self._kill(self._where(job).processes()[:1])

    def _kill_process(self, job: Job) -> None:
        self._kill(self._any(self._where(job).processes()[1:]))

    def _kill_trainer(self, job: Job) -> None:
        self._kill(self.trainers(job))

    def _kill_rank(self, job: Job) -> None:
        self._kill(self._any(self.trainers(job)[1:]))

    def _freeze(self, job: Job) -> None:
        self._where(job).freeze()

    def _fill_disk(self, job: Job) -> None:
        self._fill(self._disks[self._where(job).home])

    def _fill_store(self, _: Job) -> None:
        self._fill(self._store)

    def _fill(self, disk: Disk) -> None:
        disk.fill()
        later(disk.free)

    def _where(self, job: Job) -> Machine:
        """Return the machine that trains a job; any one while none does."""
        for trainer in self.trainers(job):
            with suppress(psutil.Error):
                return self._machines[trainer.environ()["FARM_MACHINE"]]
        return self._dice.choice([*self._machines.values()])

    def _any(self, processes: list[psutil.Process]) -> list[psutil.Process]:
        return [self._dice.choice(processes)] if processes else []

    def _kill(self, processes: Iterable[psutil.Process]) -> None:
        _signal(processes, signal.SIGKILL)

    def _server(self, name: str) -> psutil.Process:
        record = json.loads((self.settings.home / "run" / f"{name}.json").read_text("utf-8"))
        return psutil.Process(record["pid"])

    def _set_back_a_second(self, job: Job) -> None:
        self.snapshot()
        time.sleep(1)
        self._set_back(job)

    def _set_back(self, _: Job) -> None:
        """Kill Redis and give it the files of the last snapshot."""
        redis = self._server("redis")
        redis.kill()
        redis.wait()
        shutil.rmtree(self._redis)
        shutil.copytree(self._kept, self._redis)

    def _kill_neo4j(self, _: Job) -> None:
        with suppress(RedisError):  # or nobody would ask it
            open_cache(self.settings).clear()
        self._kill([self._server("neo4j")])

    def _cut(self, job: Job) -> None:
        proxies = self._where(job).proxies
        for name in self._dice.choice((["redis"], ["neo4j"], ["redis", "neo4j"])):
            proxies[name].cut(refuses=self._dice.random() < 0.5)

    def _shift_clock(self, job: Job) -> None:
        machine = self._where(job)
        machine.set_clock(self._dice.choice((-3600, 3600)))
        later(lambda: machine.set_clock(0))

    def _roll_out(self, job: Job) -> None:
        machine = self._where(job)
        machine.roll_out(self._code[1])
        later(lambda: machine.roll_out(self._code[0]))


FAULTS: dict[str, Callable[[Farm, Job], None]] = {
    "worker killed": Farm._kill_worker,
    "process killed": Farm._kill_process,
    "trainer killed": Farm._kill_trainer,
    "rank killed": Farm._kill_rank,
    "machine frozen": Farm._freeze,
    "clock an hour off": Farm._shift_clock,
    "redis a second ago": Farm._set_back_a_second,
    "redis as it was": Farm._set_back,
    "neo4j killed": Farm._kill_neo4j,
    "network cut": Farm._cut,
    "disk full": Farm._fill_disk,
    "store full": Farm._fill_store,
    "rollout": Farm._roll_out,
}
"""What may befall the farm while a job runs, by name."""
