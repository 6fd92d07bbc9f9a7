"""Facts for questions: ``python -m benchmarks.retrieval QUESTIONS.json [--record]``.

Needs a running home (``bali up``) with a graph that holds MeSH. QUESTIONS.json is PubMedQA's
labelled set (``QUESTION`` and ``MESHES`` by id). The gold concepts of a question are those of its
article's MeSH headings, less check tags such as Humans, as far as the graph has them; the gold
facts are the graph's edges between two of them. Measured is whether they are in the context, for
some budgets, beside plain full-text retrieval: what a search for the question finds, each concept
with its definition.
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from itertools import islice
from pathlib import Path
from statistics import fmean, median
from time import perf_counter
from typing import Any

from bali.retrieval import count_tokens, retrieve
from bali_platform.graph import Graph
from bali_platform.graph.cypher import run_cypher
from bali_platform.subgraphs import induced
from bali_platform.terminology import Terminology
from benchmarks.record import record

BUDGETS = (500, 1_000, 2_000)
FOUND = 100
_CHECK_TAGS = """Humans|Male|Female|Animals|Adult|Aged|Middle Aged|Adolescent|Child|Infant|Mice
Young Adult|Child, Preschool|Infant, Newborn|Aged, 80 and over|Pregnancy|Rats"""
CHECK_TAGS = frozenset(_CHECK_TAGS.replace("\n", "|").split("|"))
HEADINGS = (
    "MATCH (concept:Concept)-[:HAS_ATOM]->(atom:Atom {sab: 'MSH'}) WHERE concept.name IN $names "
    "OR any(name IN concept.names WHERE name IN $names) "
    "RETURN DISTINCT atom.name AS name, concept.cui AS cui"
)
Pairs = frozenset[frozenset[str]]


@dataclass(frozen=True)
class Asked:
    """A question, and what its context should hold."""

    text: str
    concepts: frozenset[str]
    facts: Pairs


@dataclass(frozen=True)
class Held:
    """What a context holds."""

    concepts: frozenset[str]
    facts: Pairs = frozenset()


@dataclass
class Tally:
    """Shares, a number a question."""

    concepts: list[float] = field(default_factory=list)
    any_concept: list[float] = field(default_factory=list)
    facts: list[float] = field(default_factory=list)
    seconds: list[float] = field(default_factory=list)

    def add(self, asked: Asked, held: Held, seconds: float) -> None:
        """Count one context."""
        found = asked.concepts & held.concepts
        self.concepts.append(len(found) / len(asked.concepts))
        self.any_concept.append(float(bool(found)))
        self.seconds.append(seconds)
        if asked.facts:
            self.facts.append(len(asked.facts & held.facts) / len(asked.facts))

    def summary(self) -> dict[str, float]:
        """Return the means, and the median time."""
        return {
            "gold_concepts": round(fmean(self.concepts), 4),
            "questions_with_one": round(fmean(self.any_concept), 4),
            "gold_facts": round(fmean(self.facts), 4) if self.facts else 0.0,
            "median_ms": round(1000 * median(self.seconds), 1),
        }


def read_questions(graph: Graph, file: Path, count: int) -> list[Asked]:
    """Return questions of which the graph has some gold concept."""
    rows = list(json.loads(file.read_text(encoding="utf-8")).values())
    wanted = {heading for row in rows for heading in row["MESHES"]} - CHECK_TAGS
    found = run_cypher(
        graph, HEADINGS, {"names": sorted(wanted)}, limit=100_000, timeout_s=120
    ).rows
    cuis = {name: cui for name, cui in found if name in wanted}
    asked = (_asked(graph, row, cuis) for row in rows)
    return list(islice((one for one in asked if one.concepts), count))


def _asked(graph: Graph, row: dict[str, Any], cuis: dict[str, str]) -> Asked:
    gold = frozenset(cuis[heading] for heading in row["MESHES"] if heading in cuis)
    edges = induced(graph, sorted(gold)).edges if len(gold) > 1 else ()
    return Asked(row["QUESTION"], gold, frozenset(frozenset((e.source, e.target)) for e in edges))


def facts_of(graph: Graph) -> Callable[[str, int], Held]:
    """Return retrieval of facts."""

    def held(question: str, budget: int) -> Held:
        context = retrieve(question, graph, max_tokens=budget)
        facts = frozenset(frozenset(fact.cuis) for fact in context.facts if fact.other)
        return Held(frozenset().union(*(fact.cuis for fact in context.facts)), facts)

    return held


def full_text_of(graph: Graph) -> Callable[[str, int], Held]:
    """Return plain full-text retrieval."""
    terms = Terminology(graph)

    def held(question: str, budget: int) -> Held:
        hits = terms.find(question, FOUND).hits
        concepts = graph.concepts([hit.cui for hit in hits])
        kept = []
        for hit in hits:
            budget -= count_tokens(f"{hit.name} ({hit.cui}): {concepts[hit.cui].definition}\n")
            if budget < 0:
                break
            kept.append(hit.cui)
        return Held(frozenset(kept))

    return held


def measure(ask: Callable[[str, int], Held], questions: Sequence[Asked]) -> dict[str, Any]:
    """Return the shares for each budget."""
    ask(questions[0].text, BUDGETS[0])  # opens what is opened once
    results = {}
    for budget in BUDGETS:
        tally = Tally()
        for asked in questions:
            started = perf_counter()
            held = ask(asked.text, budget)
            tally.add(asked, held, perf_counter() - started)
        results[str(budget)] = tally.summary()
    return results


def main() -> None:
    """Measure, print, and record if asked to."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("file", type=Path)
    parser.add_argument("--questions", type=int, default=500)
    parser.add_argument("--record", action="store_true")
    options = parser.parse_args()
    with Graph.connect() as graph:
        questions = read_questions(graph, options.file, options.questions)
        results = {
            "release": graph.release["version"],
            "questions": len(questions),
            "questions_with_gold_facts": sum(bool(one.facts) for one in questions),
            "gold_concepts_a_question": round(fmean(len(one.concepts) for one in questions), 2),
            "facts": measure(facts_of(graph), questions),
            "full_text": measure(full_text_of(graph), questions),
        }
    print(json.dumps(results, indent=2))
    if options.record:
        print(record("retrieval", results))


if __name__ == "__main__":
    main()
