"""How the command line ends: exit codes, without a traceback for Ctrl-C."""

import subprocess
import sys

import pytest

DUCKDB = "duckdb.sql('FROM range(1000000000000) SELECT sum(range)').fetchall()"


def run(work: str) -> subprocess.CompletedProcess[str]:
    program = (
        "import os, signal, threading, time, duckdb\n"
        "from bali.cli.main import app, main\n"
        "@app.command('work')\n"
        "def work():\n"
        "    signal.signal(signal.SIGINT, signal.default_int_handler)\n"
        "    threading.Timer(0.3, os.kill, (os.getpid(), signal.SIGINT)).start()\n"
        f"    {work}\n"
        "main()\n"
    )
    command = [sys.executable, "-c", program, "work"]
    return subprocess.run(command, capture_output=True, text=True, timeout=60)


@pytest.mark.parametrize(
    "work", ["time.sleep(60)", DUCKDB], ids=["in Python", "in a query of DuckDB"]
)
def test_ctrl_c_ends_without_a_traceback(work: str) -> None:
    ended = run(work)
    assert (ended.returncode, ended.stderr) == (130, "")


def test_other_errors_keep_their_traceback() -> None:
    ended = run("raise RuntimeError('odd')")
    assert ended.returncode == 1
    assert "RuntimeError: odd" in ended.stderr


def test_help_imports_nothing_that_takes_long() -> None:
    heavy = "{'duckdb', 'httpx', 'neo4j', 'numpy', 'pyarrow', 'pydantic', 'rich', 'torch'}"
    program = (
        "import atexit, sys\n"
        "from bali.cli import main\n"
        f"atexit.register(lambda: print('heavy:', {heavy} & sys.modules.keys()))\n"
        "main()\n"
    )
    command = [sys.executable, "-c", program, "--help"]
    told = subprocess.run(command, capture_output=True, text=True, check=True).stdout
    assert told.endswith("heavy: set()\n")
    assert "Text:\n  corpus " in told
