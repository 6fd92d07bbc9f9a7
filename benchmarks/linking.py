"""The dictionary linker: ``python -m benchmarks.linking [--record]``.

Needs a running home (``bali up``) with a loaded graph. The text is that of two public corpora in
``--corpora``, ``bc5cdr_dev.pubtator`` and ``medmentions_st21pv_train.jsonl.gz``; without them, the
graph's definitions.

Measures, on one core, with the names of the graph and made ones up to a million, then up to ten,
each in a process of its own: the seconds from its start until a first sentence is matched, the
megabytes of text (UTF-8) that are matched and linked in a second of processor time, and the most
memory that it ever held. Made names have two to six words, drawn evenly from those of the text and
as many that are not in it, a quarter by how often the text has them, so that many begin alike.

With the names of the graph alone, F1 of exact spans and of spans with the right concept, of whole
documents read as literature, on BC5CDR and on every tenth document of MedMentions, by sorted id;
``--codes`` is a table of MeSH and CUI for the former, as for ``bali corpus import``. With
``--quickumls PYTHON``, one that has ``quickumls_simstring``, the same of the algorithm of QuickUMLS
(:mod:`benchmarks.quickumls`) sentence by sentence, and its speed; with ``--metamaplite PYTHON``,
one that has ``pymetamaplite``, of that (:mod:`benchmarks.metamaplite`). Prints JSON.
"""

from __future__ import annotations

import argparse
import gzip
import json
import re
import subprocess
import sys
import tempfile
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from itertools import chain, islice
from pathlib import Path
from time import perf_counter, process_time
from typing import Any

import numpy as np

from bali_loaders.corpora import ImportAnnotations, build_corpus, read_documents
from bali_loaders.linking import (
    PRESETS,
    Linker,
    Matcher,
    TextLinker,
    compile_dictionary,
    compile_facts,
    open_dictionary,
)
from bali_loaders.linking.linker import Unlinked
from bali_loaders.linking.scoring import Score, score_documents
from bali_loaders.linking.words import chunks
from bali_platform.base.settings import load_settings
from bali_platform.graph import Graph
from bali_platform.text.corpus import Sentence, read_sentences
from benchmarks.record import record

SIZES = (1_000_000, 10_000_000)
BC5CDR, MEDMENTIONS = "bc5cdr_dev.pubtator", "medmentions_st21pv_train.jsonl.gz"
HELD_OUT = 10
NAMES_A_CONCEPT = 3
REPEATS = 3
OTHERS = {"quickumls": "quickumls_simstring", "metamaplite": "pymetamaplite"}
MEGABYTE = 1_000_000
Concept = tuple[str, tuple[str, ...]]


def made_names(texts: Sequence[str], count: int, seed: int = 1) -> Iterator[str]:
    """Make ``count`` names of the words of ``texts`` and of others."""
    random = np.random.default_rng(seed)
    counted = Counter(word for text in texts for word in re.findall(r"\w+", text))
    known = np.array(list(counted))
    others = np.array([word[::-1] + word[:2] for word in counted])
    share = np.fromiter(counted.values(), dtype=float) / counted.total()
    for first in range(0, count, 100_000):
        rows = min(100_000, count - first)
        words = np.where(
            random.random((rows, 6)) < 0.25,
            known[random.choice(len(known), (rows, 6), p=share)],
            random.choice(np.concatenate([known, others]), (rows, 6)),
        ).tolist()
        sizes = random.integers(2, 7, rows).tolist()
        yield from (" ".join(row[:size]) for row, size in zip(words, sizes, strict=True))


def padded(concepts: Sequence[Concept], texts: Sequence[str], names: int) -> Iterator[Concept]:
    """Yield the graph's concepts, and others with made names up to so many ``names``."""
    yield from concepts
    made = made_names(texts, max(0, names - sum(len(own) for _, own in concepts)))
    number = 0
    while own := tuple(islice(made, NAMES_A_CONCEPT)):
        number += 1
        yield f"X{number:08d}", own


def in_own_process(benchmark: str, *paths: Path) -> dict[str, Any]:
    """Let a benchmark measure files in a process of its own; ``start_s`` until its first line."""
    command = [sys.executable, "-m", f"benchmarks.{benchmark}", "--one", *map(str, paths)]
    started = perf_counter()
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        if process.stdout is None:
            raise RuntimeError("no output to read")
        process.stdout.readline()
        ready = perf_counter() - started
        found: dict[str, Any] = json.loads(process.stdout.read())
    return {"start_s": round(ready, 2), **found}


def measure_here(folder: Path, texts: Path) -> None:
    """Print a line after a first sentence, then what matching and linking all texts took."""
    sentences = json.loads(texts.read_text(encoding="utf-8"))
    matcher = Matcher(open_dictionary(folder))
    matcher.match(sentences[:1])
    print("ready", flush=True)
    size = sum(len(sentence.encode()) for sentence in sentences)
    whole = [Unlinked("d", number, text) for number, text in enumerate(sentences)]
    speeds: dict[str, list[float]] = {"match": [], "link": []}
    for _ in range(REPEATS):
        started = process_time()
        names = sum(map(len, map(matcher.match, chunks(sentences, str))))
        speeds["match"].append(size / (process_time() - started))
        started = process_time()
        for _sentence in Linker(matcher.dictionary).link(whole):
            pass
        speeds["link"].append(size / (process_time() - started))
    described = {
        "names": len(matcher.dictionary.concept),
        "text_mb": round(size / MEGABYTE, 2),
        "names_found": names,
        **{f"{kind}_mb_s": round(max(all_) / MEGABYTE, 2) for kind, all_ in speeds.items()},
        "peak_mb": peak_mb(),
    }
    print(json.dumps(described))


def peak_mb() -> int:
    """Return the most memory that this process ever held, mapped files included."""
    status = Path("/proc/self/status").read_text(encoding="utf-8")
    return int(re.findall(r"VmHWM:\s+(\d+) kB", status)[0]) * 1024 // MEGABYTE


def compare(
    name: str,
    python: str,
    concepts: Sequence[Concept],
    gold: dict[str, list[Sentence]],
    folder: Path,
) -> dict[str, Any]:
    """Let another linker find the same names in the same sentences."""
    names, asked, answers = folder / "names.json", folder / "asked.json", folder / "answers.json"
    names.write_text(json.dumps(concepts), encoding="utf-8")
    texts = {corpus: [sentence.text for sentence in own] for corpus, own in gold.items()}
    asked.write_text(json.dumps(texts), encoding="utf-8")
    command = [python, "-m", f"benchmarks.{name}", *map(str, (names, asked, answers))]
    subprocess.run(command, cwd=Path(__file__).parents[1], check=True)
    found = json.loads(answers.read_text(encoding="utf-8"))
    return {
        "mb_s": round(found["bytes"] / found["seconds"] / MEGABYTE, 4),
        "start_s": found["start_s"],
        **{corpus: scored(found["matches"][corpus], own) for corpus, own in gold.items()},
    }


def scored(found: list[list[tuple[int, int, str]]], gold: Sequence[Sentence]) -> dict[str, float]:
    """Return F1 of exact spans and of spans with the right concept."""
    spans, concepts = np.zeros(3, dtype=int), np.zeros(3, dtype=int)
    for matches, sentence in zip(found, gold, strict=True):
        ours = {(start, end, cui) for start, end, cui in matches}
        wanted = {(mention.start, mention.end, mention.cui) for mention in sentence.mentions}
        concepts += (len(ours & wanted), len(ours), len(wanted))
        found_at, wanted_at = {match[:2] for match in ours}, {match[:2] for match in wanted}
        spans += (len(found_at & wanted_at), len(found_at), len(wanted_at))
    return both(Score(*spans.tolist()), Score(*concepts.tolist()))


def both(spans: Score, concepts: Score) -> dict[str, float]:
    """Name the two scores."""
    return {"span_f1": round(spans.f1, 4), "concept_f1": round(concepts.f1, 4)}


def gold_sentences(
    corpora: Path, codes: Path | None, folder: Path, graph_version: str
) -> dict[str, list[Sentence]]:
    """Import the marked corpora as ``bali corpus import`` does."""
    convert = ImportAnnotations(load_settings(), codes)
    files = {
        "BC5CDR dev": corpora / BC5CDR,
        "MedMentions held out": held_out(corpora / MEDMENTIONS, folder / "held_out.jsonl"),
    }
    for name, file in files.items():
        build_corpus([file], folder / name, convert, graph_version=graph_version, details={})
    return {name: list(read_sentences(folder / name)) for name in files}


def held_out(file: Path, target: Path) -> Path:
    """Write every tenth document, by sorted id, of MedMentions to ``target``."""
    with gzip.open(file, "rt", encoding="utf-8") as lines:
        rows = [(str(json.loads(line)["pmid"]), line) for line in lines]
    chosen = set(sorted({pmid for pmid, _ in rows})[::HELD_OUT])
    target.write_text("".join(line for pmid, line in rows if pmid in chosen), encoding="utf-8")
    return target


def read_texts(corpora: Path | None, graph: Graph) -> list[str]:
    """Return the documents of both corpora, or the definitions of the graph."""
    if corpora is None:
        return [row["text"] for row in graph.stream("definitions")]
    files = (corpora / BC5CDR, corpora / MEDMENTIONS)
    return [document.text for document in chain.from_iterable(map(read_documents, files))]


def compiled(concepts: Iterable[Concept], folder: Path) -> Path:
    """Compile names as for a graph, in place of what is there."""
    return compile_dictionary(concepts, folder, graph_version="benchmark").folder


def side_by_side(
    graph: Graph,
    concepts: Sequence[Concept],
    gold: dict[str, list[Sentence]],
    others: dict[str, str],
    folder: Path,
) -> dict[str, Any]:
    """Compare with the names of the graph alone, on the documents of the marked corpora."""
    whole = compiled(concepts, folder / "dictionary")
    texts = [sentence.text for own in gold.values() for sentence in own]
    (folder / "texts.json").write_text(json.dumps(texts), encoding="utf-8")
    ours = in_own_process("linking", whole, folder / "texts.json")
    facts = compile_facts(graph.stream("concept_facts"), folder / "facts")
    linker = TextLinker(open_dictionary(whole), facts, PRESETS["literature"])
    for corpus, sentences in gold.items():
        ours[corpus] = both(*score_documents(linker, sentences))
    found = {"bali": ours}
    for name, python in others.items():
        theirs = compare(name, python, concepts, gold, folder)
        found[name] = theirs | {"times_faster": round(ours["link_mb_s"] / theirs["mb_s"], 1)}
    return found


def run(
    corpora: Path | None, codes: Path | None, others: dict[str, str], sizes: Sequence[int]
) -> dict[str, Any]:
    """Measure, and return the numbers by name."""
    with Graph.connect() as graph, tempfile.TemporaryDirectory() as temporary:
        folder, version = Path(temporary), graph.version
        concepts, texts = list(graph.names()), read_texts(corpora, graph)
        results: dict[str, Any] = {"graph_version": version}
        (folder / "texts.json").write_text(json.dumps(texts), encoding="utf-8")
        for size in sizes:
            whole = compiled(padded(concepts, texts, size), folder / "dictionary")
            results[f"{size} names"] = in_own_process("linking", whole, folder / "texts.json")
        if corpora is not None:
            gold = gold_sentences(corpora, codes, folder, version)
            results["side by side"] = side_by_side(graph, concepts, gold, others, folder)
        return results


if __name__ == "__main__":
    parser = argparse.ArgumentParser(prog="python -m benchmarks.linking")
    parser.add_argument("--corpora", type=Path, help="folder with the two corpora")
    parser.add_argument("--codes", type=Path, help="table of MeSH, tab, CUI")
    for name, needed in OTHERS.items():
        parser.add_argument(f"--{name}", metavar="PYTHON", help=f"a Python with {needed}")
    parser.add_argument("--names", type=int, nargs="*", default=SIZES, help="dictionary sizes")
    parser.add_argument("--record", action="store_true", help="keep it in benchmarks/results")
    parser.add_argument("--one", type=Path, nargs=2, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.one:
        measure_here(*options.one)
    else:
        pythons = {name: getattr(options, name) for name in OTHERS}
        others = {name: python for name, python in pythons.items() if python}
        found = run(options.corpora, options.codes, others, options.names)
        if options.record:
            record("linking", found)
        print(json.dumps(found, indent=2))
