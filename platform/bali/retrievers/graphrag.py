"""Facts about a question for a pipeline of ``neo4j-graphrag``."""

from __future__ import annotations

import neo4j
from neo4j_graphrag.retrievers.base import Retriever
from neo4j_graphrag.types import RawSearchResult, RetrieverResultItem

from bali.retrieval import retrieve
from bali_platform.graph import Graph


class FactRetriever(Retriever):
    """Finds facts in a graph, with citations: ``GraphRAG(FactRetriever(graph), llm)``.

    Args:
        graph: where the facts are.
        max_tokens: of all facts of one question.
    """

    VERIFY_NEO4J_VERSION = False

    def __init__(self, graph: Graph, max_tokens: int = 2_000) -> None:
        super().__init__(graph.driver)
        self._graph, self._max_tokens = graph, max_tokens

    def get_search_results(self, query_text: str, top_k: int = 500) -> RawSearchResult:
        """Return facts about a question, ``top_k`` at most, best first."""
        found = retrieve(query_text, self._graph, max_tokens=self._max_tokens, max_facts=top_k)
        facts = [{"fact": str(f), "cuis": f.cuis, "sources": f.sources} for f in found.facts]
        told = {"release": found.release, "graph_version": found.graph_version}
        records = [neo4j.Record(fact) for fact in facts]  # type: ignore[no-untyped-call]
        return RawSearchResult(records=records, metadata=told)

    def default_record_formatter(self, record: neo4j.Record) -> RetrieverResultItem:
        """Return a fact as a pipeline shows it to a model."""
        row = record.data()
        return RetrieverResultItem(content=row.pop("fact"), metadata=row)
