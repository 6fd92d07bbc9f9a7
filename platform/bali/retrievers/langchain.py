"""Facts about a question as LangChain's documents."""

from __future__ import annotations

from langchain_core.callbacks import CallbackManagerForRetrieverRun
from langchain_core.documents import Document
from langchain_core.retrievers import BaseRetriever
from pydantic import ConfigDict

from bali.retrieval import retrieve
from bali_platform.graph import Graph


class FactRetriever(BaseRetriever):
    """Finds facts in a graph, with citations: ``FactRetriever(graph=graph).invoke(question)``.

    Attributes:
        graph: Where the facts are.
        max_tokens: Of all facts of one question.
    """

    model_config = ConfigDict(arbitrary_types_allowed=True)

    graph: Graph
    max_tokens: int = 2_000

    def _get_relevant_documents(
        self, query: str, *, run_manager: CallbackManagerForRetrieverRun
    ) -> list[Document]:
        found = retrieve(query, self.graph, max_tokens=self.max_tokens)
        told = {"release": found.release, "graph_version": found.graph_version}
        return [
            Document(str(fact), metadata={"cuis": fact.cuis, "sources": fact.sources, **told})
            for fact in found.facts
        ]
