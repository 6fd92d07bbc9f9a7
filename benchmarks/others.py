"""Linkers of others, each run in a Python of its own, without BALI."""

import json
import sys
import tempfile
from collections.abc import Callable, Sequence
from pathlib import Path
from time import perf_counter, process_time
from typing import TypeVar

T = TypeVar("T")
Concept = tuple[str, Sequence[str]]
Match = tuple[int, int, str]


def answer(
    prepare: Callable[[list[Concept], Path], T], match: Callable[[T, str], list[Match]]
) -> None:
    """Find names in texts, and write what was found and how long it took.

    The command line names three JSON files: names of concepts, ``[[CUI, [NAME, ...]], ...]``;
    texts of corpora, ``{CORPUS: [TEXT, ...]}``; and the one to write.

    Args:
        prepare: makes the linker of the concepts, in a folder.
        match: returns (start, end, concept) of what a linker finds in a text.
    """
    names, asked, target = map(Path, sys.argv[1:])
    concepts = json.loads(names.read_text(encoding="utf-8"))
    texts = json.loads(asked.read_text(encoding="utf-8"))
    with tempfile.TemporaryDirectory() as folder:
        started = perf_counter()
        linker = prepare(concepts, Path(folder))
        ready, working = perf_counter(), process_time()
        matches = {corpus: [match(linker, text) for text in own] for corpus, own in texts.items()}
        worked = process_time() - working
    found = {
        "start_s": round(ready - started, 2),
        "seconds": worked,
        "bytes": sum(len(text.encode()) for own in texts.values() for text in own),
        "matches": matches,
    }
    target.write_text(json.dumps(found), encoding="utf-8")
