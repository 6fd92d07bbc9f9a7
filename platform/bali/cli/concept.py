"""``bali concept``: search and show concepts."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict
from enum import StrEnum
from typing import TYPE_CHECKING, Annotated

import typer

from bali.cli.common import CommandGroup, JsonOption, err, fields, out, print_json, table

if TYPE_CHECKING:
    from rich.tree import Tree

    from bali_platform.graph import Graph
    from bali_platform.graph.records import Path as ConceptPath
    from bali_platform.subgraphs import Subgraph
    from bali_platform.terminology.records import Details


class Direction(StrEnum):
    """Which edges of a concept to follow."""

    OUT = "out"
    IN = "in"
    BOTH = "both"

    @property
    def outgoing(self) -> bool | None:
        """The direction as the library has it."""
        return {"out": True, "in": False}.get(self.value)


CuiArgument = Annotated[str, typer.Argument(help="A CUI, for example C0027051.")]
LimitOption = Annotated[int, typer.Option("--limit", "-n", min=1, help="How many at most.")]
TypesOption = Annotated[
    list[str] | None, typer.Option("--type", help="Only this relationship type (repeatable).")
]
SourcesOption = Annotated[
    list[str] | None,
    typer.Option("--source", help="Only edges that this vocabulary asserts (repeatable)."),
]
GroupsOption = Annotated[
    list[str] | None,
    typer.Option("--group", help="Only neighbours of this semantic group (repeatable)."),
]
DirectionOption = Annotated[Direction, typer.Option(help="Which edges to follow.")]

concept = typer.Typer(cls=CommandGroup, no_args_is_help=True, help="Search and show concepts.")


@contextmanager
def open_graph() -> Iterator[Graph]:
    """Connect to the configured graph for one command."""
    from bali_platform.graph import Graph

    with Graph.connect() as graph:
        yield graph


@concept.command()
def search(
    text: Annotated[str, typer.Argument(help="Words of a name, a CUI, or a code.")],
    limit: LimitOption = 10,
    types: Annotated[
        list[str] | None, typer.Option("--type", help="Only this semantic type (repeatable).")
    ] = None,
    groups: Annotated[
        list[str] | None, typer.Option("--group", help="Only this semantic group (repeatable).")
    ] = None,
    sources: Annotated[
        list[str] | None, typer.Option("--source", help="Only of this vocabulary (repeatable).")
    ] = None,
    languages: Annotated[
        list[str] | None, typer.Option("--language", help="Only names in this one (repeatable).")
    ] = None,
    as_json: JsonOption = False,
) -> None:
    """Find concepts; the last word may be unfinished, any word misspelt."""
    from bali_platform.terminology.finding import Findings

    with open_graph() as graph:
        found = Findings(graph).find(
            text, limit,
            types=types or (), groups=groups or (), sources=sources or (),
            languages=languages or (),
        )  # fmt: skip
    hits = found.hits
    if not hits:
        tried = "; ".join(found.tried)
        err.print(f"nothing found: {tried}", markup=False, highlight=False, soft_wrap=True)
    if as_json:
        print_json([asdict(hit) for hit in hits])
        return
    rows = [(hit.cui, hit.name, hit.matched, ", ".join(hit.semantic_types)) for hit in hits]
    out.print(table("", ("CUI", "name", "matched", "semantic types"), rows))


@concept.command()
def show(cui: CuiArgument, as_json: JsonOption = False) -> None:
    """Show a concept: its terms with their codes, definitions, types, places in hierarchies."""
    from bali_platform.terminology.finding import Findings

    with open_graph() as graph:
        found = Findings(graph).show(cui)
    if as_json:
        details = asdict(found)
        print_json({**details.pop("concept"), **details})
        return
    _print_details(found)


@concept.command()
def neighbours(
    cui: CuiArgument,
    types: TypesOption = None,
    sources: SourcesOption = None,
    groups: GroupsOption = None,
    direction: DirectionOption = Direction.BOTH,
    limit: LimitOption = 50,
    skip: Annotated[int, typer.Option(min=0, help="How many to pass over.")] = 0,
    as_json: JsonOption = False,
) -> None:
    """List a concept's edges, a page at a time."""
    with open_graph() as graph:
        found = graph.neighbours(
            cui, types=types, sources=sources, groups=groups, outgoing=direction.outgoing,
            limit=limit, skip=skip,
        )  # fmt: skip
    if as_json:
        print_json([asdict(row) for row in found])
        return
    rows = [
        (f"{row.type} →" if row.outgoing else f"← {row.type}", row.cui, row.name,
         ", ".join(row.sources))
        for row in found
    ]  # fmt: skip
    out.print(table("", ("edge", "CUI", "name", "vocabularies"), rows))


@concept.command()
def path(
    source: CuiArgument,
    target: CuiArgument,
    types: TypesOption = None,
    max_length: Annotated[int, typer.Option(help="Edges at most.")] = 6,
    every: Annotated[bool, typer.Option("--all", help="Every shortest path.")] = False,
    limit: LimitOption = 10,
    as_json: JsonOption = False,
) -> None:
    """Show how two concepts are connected: a shortest path, or all of them."""
    with open_graph() as graph:
        found = graph.paths(
            source, target, types=types, max_length=max_length, every=every, limit=limit
        )
    if as_json:
        print_json([asdict(item) for item in found])
        return
    if not found:
        out.print(f"no path of at most {max_length} edges")
    for item in found:
        out.print(_spelt_out(item), markup=False, highlight=False)


@concept.command()
def tree(
    cui: CuiArgument,
    down: Annotated[bool, typer.Option("--down", help="Descendants, not ancestors.")] = False,
    depth: Annotated[int, typer.Option(help="Levels.")] = 3,
    types: TypesOption = None,
    as_json: JsonOption = False,
) -> None:
    """Show the ancestors of a concept, or its descendants, as a tree."""
    from bali_platform.subgraphs import hierarchy

    with open_graph() as graph:
        found = hierarchy(graph, cui, descendants=down, depth=depth, types=types)
    if as_json:
        print_json(found.to_dict())
    else:
        out.print(_tree(found, down))


@concept.command()
def similar(
    what: Annotated[str, typer.Argument(metavar="CUI|TEXT", help="A CUI, or any text.")],
    limit: LimitOption = 10,
    model: Annotated[
        str | None,
        typer.Option(help="The model of the graph's vectors, if it has moved; text needs it."),
    ] = None,
    as_json: JsonOption = False,
) -> None:
    """List the concepts nearest in meaning to a concept or a text, by the vectors in the graph."""
    from bali_platform.graph.vectors import Vectors

    with open_graph() as graph:
        vectors = Vectors(graph)
        if live := list(graph.resolve([what.strip(), what.strip().upper()]).values()):
            found = vectors.similar(live[0], limit)
        else:
            from bali_trainers.inference.vectors import ConceptEncoder

            encoder = ConceptEncoder.of_graph(vectors, model)
            found = vectors.nearest(encoder.encode([what])[0].tolist(), limit)
    if as_json:
        print_json([asdict(row) for row in found])
        return
    rows = [(r.cui, r.name, f"{r.cosine:.3f}", ", ".join(r.semantic_types)) for r in found]
    out.print(table("", ("CUI", "name", "cosine", "semantic types"), rows))


def _print_details(found: Details) -> None:
    concept = found.concept
    suppressed = "every name in the wanted languages and vocabularies is suppressed"
    notes = [found.note, suppressed if concept.suppressed else ""]
    if " is retired (" in found.note:
        notes.insert(0, f"{found.asked} is retired; this is its successor")
    groups = dict.fromkeys(kind.group for kind in found.semantic_types if kind.group)
    values = {
        "semantic types": ", ".join(
            f"{kind.name} ({kind.tui})" for kind in found.semantic_types
        ) or ", ".join(concept.semantic_types),
        "groups": ", ".join(groups or concept.groups),
        "definitions": "\n".join(f"{d.source}: {d.text}" for d in found.definitions)
        or concept.definition or "",
        "vocabularies": ", ".join(concept.sources),
        "note": "\n".join(filter(None, notes)),
    }  # fmt: skip
    shown = {name: value for name, value in values.items() if value}
    out.print(fields(f"{concept.name} ({concept.cui})", shown))
    terms = [
        (a.source, a.code, a.term_type, a.term, a.language, "yes" if a.suppressed else "")
        for a in found.atoms
    ]
    columns = ("source", "code", "type", "term", "language", "suppressed")
    out.print(table("Terms", columns, terms))
    if found.positions:
        places = [(p.source, p.code, ", ".join(p.parents), p.children) for p in found.positions]
        out.print(table("Hierarchies", ("source", "code", "parents", "children"), places))


def _spelt_out(item: ConceptPath) -> str:
    text = f"{item.nodes[0].name} ({item.nodes[0].cui})"
    for link, node in zip(item.links, item.nodes[1:], strict=True):
        arrow = f"-[{link.type}]->" if link.target == node.cui else f"<-[{link.type}]-"
        text += f"\n  {arrow} {node.name} ({node.cui})"
    return text


def _tree(found: Subgraph, down: bool) -> Tree:
    """Hang every concept below the first of its next relatives; others would repeat branches."""
    from rich.markup import escape
    from rich.tree import Tree

    near, far = ("target", "source") if down else ("source", "target")
    by_hop = {node.cui: node.hop for node in found.nodes}
    branches: dict[str, Tree] = {}
    for node in found.nodes:
        label = f"{escape(node.name)} [dim]{node.cui}[/dim]"
        above = next(
            (
                getattr(edge, near)
                for edge in found.edges
                if getattr(edge, far) == node.cui and by_hop[getattr(edge, near)] == node.hop - 1
            ),
            None,
        )
        branches[node.cui] = branches[above].add(label) if above else Tree(label)
    return branches[found.nodes[0].cui]
