"""``bali export | embed | link | explain``: what becomes of a trained model."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from bali.cli.common import DeviceOption, JsonOption, out, print_json, reporter, table
from bali.cli.concept import LimitOption, open_graph
from bali_platform.base.errors import UsageError

if TYPE_CHECKING:
    from collections.abc import Sequence

    from bali_platform.graph import Graph
    from bali_platform.graph.vectors import Similar, Vectors
    from bali_trainers.inference.explain import Explanation
    from bali_trainers.inference.vectors import ConceptEncoder

    Mentions = dict[tuple[int, int], Sequence[str]]


SHOWN = 6

ModelArgument = Annotated[
    str, typer.Argument(metavar="MODEL", help="A model's folder or Hugging Face name.")
]
MakerOption = Annotated[
    str | None, typer.Option("--model", help="The model of the graph's vectors, if it has moved.")
]


def export(
    run: Annotated[
        str,
        typer.Argument(metavar="JOB", help="A job's id, its folder, a checkpoint's, or adapters'."),
    ],
    folder: Annotated[Path, typer.Argument(metavar="OUTPUT", help="The folder to make.")],
    checkpoint: Annotated[
        bool, typer.Option("--checkpoint", help="The newest checkpoint, of an unfinished job too.")
    ] = False,
    onnx: Annotated[
        bool, typer.Option("--onnx", help="Also write onnx/model.onnx, compared with torch.")
    ] = False,
) -> None:
    """Export a job's model: a Hugging Face folder, with its graph encoder beside it."""
    from bali_platform.base.settings import load_settings
    from bali_trainers.export import export_onnx, export_run, find_run

    found = find_run(run, load_settings())
    with reporter().step("export the model"):
        export_run(found, folder, checkpoint=checkpoint)
    if onnx:
        with reporter().step("export to ONNX and compare"):
            export_onnx(folder)
    out.print(f"{folder} loads with AutoModel and SentenceTransformer", highlight=False)


def embed(
    model: ModelArgument,
    groups: Annotated[
        list[str] | None,
        typer.Option("--group", help="Only concepts of this semantic group (repeatable)."),
    ] = None,
    sources: Annotated[
        list[str] | None,
        typer.Option("--source", help="Only concepts of this vocabulary (repeatable)."),
    ] = None,
    parquet: Annotated[
        Path | None, typer.Option(metavar="FILE", help="Also write the vectors to this file.")
    ] = None,
    graph: Annotated[
        bool, typer.Option("--graph/--no-graph", help="Write the vectors into the graph.")
    ] = True,
    replace: Annotated[
        bool, typer.Option("--replace", help="Remove the vectors that the graph holds.")
    ] = False,
    device: DeviceOption = "auto",
    as_json: JsonOption = False,
) -> None:
    """Make vectors of concepts, write them into the graph and index them.

    A concept's vector is that of its preferred name. Killed, the command goes on where it was.
    """
    from bali_platform.graph.vectors import Vectors
    from bali_trainers.inference.embedding import Setup
    from bali_trainers.inference.vectors import ConceptEncoder, embed_graph, write_parquet
    from bali_trainers.models.bases import told_pooling

    if not graph and parquet is None:
        raise UsageError("--no-graph leaves nothing to write: give --parquet FILE")
    progress = reporter()
    written = 0
    with open_graph() as opened:
        encoder = ConceptEncoder(model, Setup(device=device))
        progress.say(told_pooling(model))
        if graph:
            written = embed_graph(
                encoder, Vectors(opened), groups=groups, sources=sources, replace=replace,
                reporter=progress,
            )  # fmt: skip
        if parquet is not None:
            written = write_parquet(
                encoder, opened, parquet, groups=groups, sources=sources, from_graph=graph,
                reporter=progress,
            )  # fmt: skip
    if as_json:
        print_json({"concepts": written, **asdict(encoder.maker)})
    else:
        what = f"{written:,} concepts"
        out.print(f"{what}: `bali concept similar` and `bali link` use them" if graph else what)


def link(
    text: Annotated[str, typer.Argument(help="A name, a phrase, or a sentence.")],
    limit: LimitOption = 3,
    model: MakerOption = None,
    device: DeviceOption = "auto",
    as_json: JsonOption = False,
) -> None:
    """Link text to concepts, by the names in the graph and by the vectors of concepts.

    Every name found in the text is a mention; where there is none, the whole text is one.
    """
    from bali_platform.graph.vectors import Mentioned, Vectors
    from bali_trainers.inference.vectors import ConceptEncoder

    with open_graph() as graph:
        vectors = Vectors(graph)
        encoder = ConceptEncoder.of_graph(vectors, model, device=device)
        mentions = _mentions(graph, text) or {(0, len(text)): []}
        spans = [text[start:end] for start, end in mentions]
        asked = zip(encoder.encode(spans).tolist(), mentions.values(), strict=True)
        found = vectors.link([Mentioned(vector, cuis) for vector, cuis in asked], limit)
    if as_json:
        rows = zip(mentions, spans, found, strict=True)
        print_json(
            [
                {"start": start, "end": end, "text": span, "candidates": [asdict(c) for c in some]}
                for (start, end), span, some in rows
            ]
        )
        return
    shown = [
        (span if not place else "", c.cui, c.name, "name" if c.named else "", f"{c.cosine:.3f}")
        for span, some in zip(spans, found, strict=True)
        for place, c in enumerate(some)
    ]
    out.print(table("", ("mention", "CUI", "concept", "by", "cosine"), shown))


def explain(
    text: Annotated[str, typer.Argument(help="A sentence.")],
    model: Annotated[
        Path, typer.Option(metavar="FOLDER", help="An exported model, or a finished job's.")
    ],
    output: Annotated[
        Path, typer.Option("--output", "-o", metavar="FILE", help="The page to write.")
    ] = Path("explanation.html"),
    neighbours: Annotated[
        int | None,
        typer.Option(min=1, max=64, help="Neighbours drawn for each concept; as in training."),
    ] = None,
    seed: Annotated[int, typer.Option(min=0, help="Another seed draws others.")] = 0,
    device: DeviceOption = "auto",
) -> None:
    """Show what a model makes of a sentence: mentions, subgraph, attention, nearest concepts.

    The page is one file, which needs no network.
    """
    from bali_platform.base.files import write_atomically
    from bali_platform.graph.vectors import Vectors
    from bali_platform.subgraphs import GraphNeighbourhoods
    from bali_trainers.inference.embedding import Setup
    from bali_trainers.inference.explain import Explainer, Span, page
    from bali_trainers.inference.vectors import ConceptEncoder

    with open_graph() as graph:
        explainer = Explainer(model, GraphNeighbourhoods(graph), device)
        vectors, encoder = Vectors(graph), ConceptEncoder(str(model), Setup(device=device))
        comparable = vectors.made_by(encoder.maker)
        mentions = _mentions(graph, text)
        if comparable and mentions:
            mentions = _nearest_first(vectors, encoder, text, mentions)
        spans = [Span(start, end, cuis[0]) for (start, end), cuis in mentions.items()]
        explanation = explainer.explain(text, spans, neighbours=neighbours, seed=seed)
        html = page(
            explanation,
            graph.concepts(list(explanation.names)),
            model=model.resolve().name,
            graph_version=graph.version,
            near=_near(vectors, encoder, explanation) if comparable else None,
        )
    write_atomically(output, html)
    out.print(f"{output} explains {len(explanation.mentions)} mentions", highlight=False)


def _nearest_first(
    vectors: Vectors, encoder: ConceptEncoder, text: str, mentions: Mentions
) -> Mentions:
    """Put of the concepts that bear a mention's name the one nearest to it first."""
    from bali_platform.graph.vectors import Mentioned

    made = encoder.encode([text[start:end] for start, end in mentions]).tolist()
    asked = [Mentioned(vector, cuis) for vector, cuis in zip(made, mentions.values(), strict=True)]
    found = vectors.link(asked, limit=1)
    return {span: [some[0].cui] for span, some in zip(mentions, found, strict=True)}


def _near(
    vectors: Vectors, encoder: ConceptEncoder, explanation: Explanation
) -> list[list[Similar]]:
    """Find the concepts nearest to each mention's text, other than its own."""
    spans = [mention.span for mention in explanation.mentions]
    made = encoder.encode([explanation.text[span.start : span.end] for span in spans]).tolist()
    return [
        [one for one in vectors.nearest(vector, SHOWN + 1) if one.cui != span.cui][:SHOWN]
        for span, vector in zip(spans, made, strict=True)
    ]


def _mentions(graph: Graph, text: str) -> Mentions:
    """Find the names of the graph in a text: the concepts that each span is a name of."""
    from bali.linking import link

    with reporter().step("find names"):
        found = link(text, graph=graph)
    return {(one.start, one.end): one.candidates for one in found.mentions}
