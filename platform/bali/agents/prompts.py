"""Prompts and resources of the MCP server."""

from __future__ import annotations

from typing import Any

from mcp.server import MCPServer
from mcp_types import TextContent

from bali.agents import codes, concepts
from bali.agents.answers import Table, to_result
from bali.agents.desk import Desk
from bali.quoting import quoted

RESOURCE_TOKENS = 8_000


def register(server: MCPServer[Any], desk: Desk) -> None:
    """Add all of them to ``server``."""
    _add_prompts(server)
    _add_resources(server, desk)


def _add_prompts(server: MCPServer[Any]) -> None:
    @server.prompt()
    def answer_with_citations(question: str) -> str:
        """Answer a question from the graph alone, with a citation for every statement."""
        return (
            f"Question: {quoted(question)}\n"
            "1. Call retrieve_facts with the question; link_text and find_concepts for terms that "
            "it misses.\n"
            "2. Follow up with list_neighbours, find_paths or list_definitions where needed.\n"
            "3. Answer from these facts alone. After each statement cite the CUI or code, the "
            "vocabulary that asserts it, and the release. Say plainly what the graph does not tell."
        )

    @server.prompt()
    def map_local_terms(terms: str, target: str) -> str:
        """Map local terms to codes of a vocabulary, and mark what needs a person's eye."""
        return (
            f"Terms: {quoted(terms)}\nTarget vocabulary: {quoted(target)}\n"
            "For each term call find_concepts, choose the concept whose name and type fit, "
            "then list_codes with the target as source. Give a table of term, CUI, code, name and "
            "why; mark ambiguous and unmapped terms, and never invent a code: validate_codes "
            "checks them all at the end."
        )

    @server.prompt()
    def build_value_set(description: str) -> str:
        """Build a value set from a description, as an expression that can be expanded again."""
        return (
            f"Value set: {quoted(description)}\n"
            "Find the top codes with find_concepts and list_codes, look at walk_hierarchy, write "
            "one expression with <<, AND, OR, MINUS and filters, and test it with "
            "expand_value_set. Report the expression, its size, the release, and what is debatable."
        )


def _add_resources(server: MCPServer[Any], desk: Desk) -> None:
    def text(table: Table) -> str:
        graph = desk.graph
        told = to_result(table, str(graph.release["version"]), graph.version, RESOURCE_TOKENS)
        return "".join(each.text for each in told.content if isinstance(each, TextContent))

    @server.resource("bali://sources", mime_type="text/plain")
    def sources() -> str:
        """List the vocabularies of the graph."""
        return text(codes.list_sources(desk))

    @server.resource("bali://schema", mime_type="text/plain")
    def schema() -> str:
        """Show nodes, families of relationship types, and the most used ones."""
        return text(desk.live.schema.overview())

    @server.resource("bali://concept/{cui}", mime_type="text/plain")
    def concept(cui: str) -> str:
        """Show a concept: names, definition, semantic types, vocabularies."""
        return text(concepts.show_concept(desk, cui))
