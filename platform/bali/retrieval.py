"""Facts of the graph about a question, with citations: what a language model answers from.

The question's concepts are those that it names. Facts about them are their definitions and their
relations; those that join two of them come first, then those with words of the question. Of further
concepts, which a search for the question finds, is told what they are.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import combinations, islice
from math import ceil

from bali.linking import link_each
from bali.quoting import quoted
from bali_loaders.linking import LinkOptions
from bali_platform.graph import Graph, Link
from bali_platform.graph.names import name_key
from bali_platform.subgraphs import explore
from bali_platform.terminology.finding import Findings

CHARACTERS_A_TOKEN = 3
MAX_CONCEPTS = 12
BEARERS = 2
"""Concepts of one name that are taken, where it is ambiguous."""

TOKENS_A_RELATED = 75
"""Of the budget, for each concept that a search for the question finds."""

FANOUT = 48
PAIRS = 6
LONGEST_PATH = 3
LONGEST_DEFINITION = 400
_FUNCTION_WORDS = """
a an and are as at be been by can could do does for from had has have how if in into is it
its may more most no not of on or our should than that the their them there these they
this those to us use used using was we were what when where which who whom why will with
would after all also among any before between both but during each other some such under
"""
FUNCTION_WORDS = frozenset(_FUNCTION_WORDS.split())
_NAMED = LinkOptions(stop_names=FUNCTION_WORDS)
"""A question is short: a word such as *risk*, which says little in an article, is what it asks."""
Count = Callable[[str], int]


def count_tokens(text: str) -> int:
    """Return the tokens that a text takes at most, in plain words and most codes."""
    return ceil(len(text) / CHARACTERS_A_TOKEN)


@dataclass(frozen=True, slots=True)
class Fact:
    """A statement of the graph.

    Attributes:
        number: By which it is cited; 0 before it is chosen.
        cui: The concept that it is about, and its ``name``.
        relation: From this concept to the other; or ``definition``, or ``type``.
        other: The CUI of the other concept, empty where there is none.
        object: The other concept's name, the definition, or the semantic types.
        sources: The vocabularies that assert it.
    """

    number: int
    cui: str
    name: str
    relation: str
    other: str
    object: str
    sources: tuple[str, ...]

    @property
    def cuis(self) -> tuple[str, ...]:
        """The concepts that it is about."""
        return (self.cui, self.other) if self.other else (self.cui,)

    def __str__(self) -> str:
        end = f" ({self.other})" if self.other else ""
        by = ", ".join(self.sources)
        start = f"[{self.number}] {quoted(self.name)} ({self.cui})"
        return f"{start} {self.relation} {quoted(self.object)}{end} | {by}"


@dataclass(frozen=True, slots=True)
class Context:
    """Facts about a question, best first.

    Attributes:
        concepts: CUIs that the question names, in order.
    """

    question: str
    concepts: tuple[str, ...]
    facts: tuple[Fact, ...]
    release: str
    graph_version: str

    @property
    def cuis(self) -> frozenset[str]:
        """Every concept in the context."""
        return frozenset(self.concepts).union(*(fact.cuis for fact in self.facts))

    @property
    def text(self) -> str:
        """The context as a language model is shown it."""
        return "\n".join([_heading(self.release), *map(str, self.facts)])


def retrieve(
    question: str,
    graph: Graph | None = None,
    *,
    max_tokens: int = 2_000,
    max_facts: int = 500,
    count: Count = count_tokens,
) -> Context:
    """Return what the graph knows about a question, within a budget.

    Args:
        question: in plain words.
        graph: the configured one by default.
        max_tokens: of the context's text.
        max_facts: facts at most.
        count: counts a text's tokens; a token has three characters by default.

    Raises:
        BaliError: there is no graph.
    """
    if graph is None:
        with Graph.connect() as own:
            return retrieve(question, own, max_tokens=max_tokens, max_facts=max_facts, count=count)
    concepts = question_concepts(question, graph)
    release = str(graph.release["version"])
    room = max_tokens - count(_heading(release))
    ranked = _ranked(question, graph, concepts, 1 + max_tokens // TOKENS_A_RELATED)
    facts = _within(ranked, room, count)
    return Context(
        question, tuple(concepts), tuple(islice(facts, max_facts)), release, graph.version
    )


def question_concepts(question: str, graph: Graph) -> list[str]:
    """Return the concepts that a question names; where it names none, the best of a search."""
    named = [
        cui
        for mention in next(link_each([question], graph, _NAMED)).mentions
        for cui in mention.candidates[:BEARERS]
    ]
    found = named or [hit.cui for hit in Findings(graph).find(question, 3).hits]
    return list(dict.fromkeys(found))[:MAX_CONCEPTS]


def _ranked(question: str, graph: Graph, concepts: Sequence[str], related: int) -> list[Fact]:
    """Return the facts about concepts, best first, and what some related ones are."""
    if not concepts:
        return []
    words = [word for word in name_key(question).split() if word not in FUNCTION_WORDS]
    alike_in_words = Findings(graph).find(" ".join(words), related).hits
    told = list(dict.fromkeys([*concepts, *(hit.cui for hit in alike_in_words)]))
    facts = dict.fromkeys(
        [*_definitions(graph, told), *_paths(graph, concepts), *_relations(graph, concepts)]
    )
    asked, alike = set(concepts), Counter[tuple[str, str]]()
    scored = []
    for fact in facts:
        kind = fact.cui if fact.cui in asked else fact.other, fact.relation
        scored.append((_score(fact, asked, words) - 0.1 * min(alike[kind], 9), fact))
        alike[kind] += 1
    return [fact for _, fact in sorted(scored, key=lambda pair: (-pair[0], str(pair[1])))]


def _score(fact: Fact, asked: Collection[str], words: Collection[str]) -> float:
    """Return 2 for joining concepts of the question, 1 for saying what one is, 1 for words."""
    joins = 2.0 if len(set(asked) & set(fact.cuis)) > 1 else 0.0
    defines = 0.0 if fact.other else 1.0 if fact.cui in asked else 0.4
    told = set(name_key(f"{fact.name} {fact.object}").split())
    shared = len(told & set(words))
    return joins + defines + min(shared, 5) / 5 + min(len(fact.sources), 4) / 40


def _definitions(graph: Graph, cuis: Sequence[str]) -> Iterator[Fact]:
    """Yield the best definition of each concept, or else what type it is of."""
    for concept in graph.concepts(cuis).values():
        for row in graph.query("code_definitions", cui=concept.cui)[:1]:
            text = _cut(row["text"])
            yield Fact(0, concept.cui, concept.name, "definition", "", text, (row["source"],))
            break
        else:
            types = ", ".join(concept.semantic_types)
            yield Fact(0, concept.cui, concept.name, "type", "", types, concept.sources)


def _relations(graph: Graph, concepts: Sequence[str]) -> Iterator[Fact]:
    around = explore(graph, concepts, hops=1, fanout=FANOUT)
    names = {node.cui: node.name for node in around.nodes}
    for edge in around.edges:
        yield _fact(edge, names)


def _paths(graph: Graph, concepts: Sequence[str]) -> Iterator[Fact]:
    """Yield the steps of what joins concepts of the question."""
    for one, other in islice(combinations(concepts, 2), PAIRS):
        for path in graph.paths(one, other, max_length=LONGEST_PATH):
            names = {node.cui: node.name for node in path.nodes}
            for edge in path.links:
                yield _fact(edge, names)


def _fact(edge: Link, names: Mapping[str, str]) -> Fact:
    source, target = edge.source, edge.target
    return Fact(0, source, names[source], edge.type, target, names[target], edge.sources)


def _within(facts: Sequence[Fact], room: int, count: Count) -> Iterator[Fact]:
    """Yield facts with numbers, as long as there is room."""
    for number, fact in enumerate(facts, 1):
        numbered = replace(fact, number=number)
        room -= count(f"\n{numbered}")
        if room < 0:
            return
        yield numbered


def _heading(release: str) -> str:
    return f"Facts of release {release}, each with the vocabularies that assert it:"


def _cut(text: str) -> str:
    return text if len(text) <= LONGEST_DEFINITION else f"{text[:LONGEST_DEFINITION]}..."
