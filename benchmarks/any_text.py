"""Linking of notes, and of text that is none: ``python -m benchmarks.any_text [--record]``.

Needs a running home (``bali up``) with a loaded graph, and takes some three minutes. Notes are made
of the graph's names; the preset is ``clinical``. Measures on one core, with the names of the graph
and with made ones up to a million, each in a process of its own: the seconds from its start until a
first note is linked, and the megabytes of notes (UTF-8) linked in a second of processor time. Then,
with the names of the graph, the same of single documents of 10 kB and of 10 MB: notes, and texts
that have slowed linkers down. Prints JSON.
"""

from __future__ import annotations

import argparse
import json
import tempfile
from base64 import b64encode
from collections.abc import Callable, Sequence
from pathlib import Path
from time import process_time
from typing import Any

import numpy as np

from bali_loaders.linking import PRESETS, TextLinker, open_dictionary, open_facts
from bali_loaders.linking.linker import graph_dictionary, graph_facts
from bali_platform.base.settings import load_settings
from bali_platform.graph import Graph
from benchmarks.linking import compiled, in_own_process, padded, peak_mb
from benchmarks.record import record

MADE_NAMES = 1_000_000
NOTES_MB = 5
SMALL, LARGE = 10_000, 10_000_000
MEGABYTE = 1_000_000
_LINES = (
    "CC: {0}",
    "HPI: 71 y/o M with h/o {0}, {1} and {2} who presents with {3} x 3 days. Denies {4} or {5}.",
    "PMH: {0}, {1} (2015), {2}",
    "MEDS: {0} 40 mg daily, {1}, {2} BID",
    "FAMILY HX: mother with {0}, brother died of {1}.",
    "PE: T 38.1 HR 104 BP 118/70 RR 18, SpO2 98% RA. Lungs clear. No {0}.",
    "- {0}: likely {1}, r/o {2}. Start {3}.",
    "# {0} - improving on {1}; repeat labs in the morning and call the team with the results.",
    "The patient was seen by the consulting team, who agreed with the plan as it stands.",
    "Return if {0} or {1}.",
)


def made_notes(names: Sequence[str], size: int) -> list[str]:
    """Make notes of some names, of about so many characters in all."""
    random, pool = np.random.default_rng(1), np.array(names)
    notes: list[str] = []
    while size > 0:
        rows = random.choice(pool, (12, 6)).tolist()
        lines = random.choice(_LINES, 12).tolist()
        notes.append("\n".join(line.format(*row) for line, row in zip(lines, rows, strict=True)))
        size -= len(notes[-1])
    return notes


def _repeated(unit: str) -> Callable[[int], str]:
    return lambda size: (unit * (size // len(unit.encode()) + 1))[:size]


def _base64(size: int) -> str:
    return b64encode(np.random.default_rng(1).bytes(size * 3 // 4)).decode()


def _cjk(size: int) -> str:
    codes = np.random.default_rng(1).integers(0x4E00, 0x9FFF, size // 3)
    return "".join(map(chr, codes.tolist()))


TEXTS: dict[str, Callable[[int], str]] = {
    "brackets": _repeated("(a (b) [c] heart attack (HA)) (("),
    "no spaces": _repeated("heartattackfever"),
    "one long line": _repeated("patient with fever and chest pain, "),
    "CJK": _cjk,
    "base64": _base64,
    "short lines": _repeated("a\n"),
    "broken words": _repeated("can-\ncer "),
    "abbreviations": _repeated("heart attack (HA) and rheumatoid arthritis (RA), RA "),
}


def speed(linker: TextLinker, texts: Sequence[str], repeats: int = 1) -> float:
    """Return the megabytes of UTF-8 linked in a second of processor time, the best of several."""
    size, seconds = sum(len(text.encode()) for text in texts), float("inf")
    for _ in range(repeats):
        started = process_time()
        linker.link_all(texts)
        seconds = min(seconds, process_time() - started)
    return round(size / seconds / MEGABYTE, 2)


def measure_here(dictionary: Path, facts: Path, notes_file: Path) -> None:
    """Print a line after a first note, then how fast all are linked."""
    notes = json.loads(notes_file.read_text(encoding="utf-8"))
    linker = TextLinker(open_dictionary(dictionary), open_facts(facts), PRESETS["clinical"])
    linker.link(notes[0])
    print("ready", flush=True)
    found = {
        "names": len(linker.dictionary.concept),
        "mb_s": speed(linker, notes, repeats=3),
        "peak_mb": peak_mb(),
    }
    print(json.dumps(found))


def run() -> dict[str, Any]:
    """Measure, and return the numbers by name."""
    cache = load_settings().home / "cache"
    with Graph.connect() as graph, tempfile.TemporaryDirectory() as temporary:
        folder, version = Path(temporary), graph.version
        concepts = list(graph.names())
        dictionary, facts = graph_dictionary(graph, cache), graph_facts(graph, cache)
        short = [own[0] for _, own in concepts if len(own[0]) < 30]
        notes = made_notes(short, NOTES_MB * MEGABYTE)
        (folder / "notes.json").write_text(json.dumps(notes), encoding="utf-8")
        big = compiled(padded(concepts, notes, MADE_NAMES), folder / "dictionary")
        results: dict[str, Any] = {
            "graph_version": version,
            "names of the graph": in_own_process(
                "any_text", dictionary.folder, facts, folder / "notes.json"
            ),
            f"{MADE_NAMES} names": in_own_process("any_text", big, facts, folder / "notes.json"),
        }
        linker = TextLinker(dictionary, open_facts(facts), PRESETS["clinical"])
        kinds = {"notes": _repeated("\n\n".join(notes[:100]) + "\n\n"), **TEXTS}
        results["one document, MB/s"] = {
            kind: {
                "10 kB": speed(linker, [made(SMALL)], repeats=5),
                "10 MB": speed(linker, [made(LARGE)]),
            }
            for kind, made in kinds.items()
        }
        return results


if __name__ == "__main__":
    parser = argparse.ArgumentParser(prog="python -m benchmarks.any_text")
    parser.add_argument("--record", action="store_true", help="keep it in benchmarks/results")
    parser.add_argument("--one", type=Path, nargs=3, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.one:
        measure_here(*options.one)
    else:
        found = run()
        if options.record:
            record("any_text", found)
        print(json.dumps(found, indent=2))
