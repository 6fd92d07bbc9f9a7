"""Does the graph earn its place? ``python -m benchmarks.designs OUTPUT [--steps N]``.

Trains graph encoders, and nothing else, on the names of a running home's graph (``bali up``) as an
untouched MiniLM reads them, to find the ends of edges; then asks for withheld edges. What a model
learns from sentences, and that its language model moves, is left out: so many designs can be
compared in minutes of one core. The names' vectors (``names.npy``) and each design's numbers
(``report.json``) are kept in OUTPUT, and not computed again.
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace
from functools import partial
from pathlib import Path
from time import process_time
from typing import Any, Literal, cast

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from bali_platform.base.settings import load_settings
from bali_platform.graph.client import Graph
from bali_platform.subgraphs import Lookup, NeighbourhoodSource, neighbourhoods
from bali_trainers.batches.batch import Batch
from bali_trainers.batches.controls import BrokenGraph
from bali_trainers.batches.trees import Trees, grow_trees
from bali_trainers.evaluation import EdgeTask, build_edge_task
from bali_trainers.evaluation.links import edge_ranks
from bali_trainers.evaluation.metrics import compare, estimate
from bali_trainers.inference.embedding import NameEncoder, Setup, unit_rows
from bali_trainers.models.graph import build_graph_encoder
from bali_trainers.models.text import TextEncoder
from bali_trainers.models.views import Views
from bali_trainers.objectives.relations import LinkPrediction
from bali_trainers.training.config import GraphEncoderConfig
from bali_trainers.training.loop import learning_rate_factor

ROOTS, RATE, SEED = 128, 5e-3, 1
QUESTIONS, CANDIDATES = 1_000, 8_000
Vectors = NDArray[np.float32]


@dataclass(frozen=True)
class Design:
    """A graph encoder, what it reads, and what it is asked for."""

    kind: str = "compgcn"
    neighbours: int = 3
    hops: int = 2
    ends: Literal["names", "graphs"] = "graphs"
    telling: bool = False
    hidden: float = 0.0
    graph: str = "real"


DESIGNS = {
    "relations in messages, ends are graph vectors": Design(),
    "as today (GATv2, 1 neighbour, ends are names)": Design("gatv2", 1, 1, "names"),
    "relations in messages, ends are names": Design(hops=1, ends="names"),
    "... shuffled edges": Design(graph="shuffled"),
    "... GATv2": Design("gatv2"),
    "... names hidden": Design(hidden=0.5),
    "... no neighbours": Design(neighbours=0, hops=1),
    "... telling neighbours": Design(telling=True),
}


class Known:
    """All neighbourhoods of a graph in memory, as training sees them."""

    def __init__(self, task: EdgeTask, cuis: Sequence[str]) -> None:
        found = task.source.neighbourhoods(cuis).found
        self._found = {cui: replace(one, edges=tuple(one.edges)) for cui, one in found.items()}
        self.graph_version = task.source.graph_version
        self.cuis = sorted(self._found)
        self.preferred = [self._found[cui].names[0] for cui in self.cuis]
        self.number = {cui: number for number, cui in enumerate(self.cuis)}
        edges = (edge for one in self._found.values() for edge in one.edges)
        self.types = sorted({edge.type for edge in edges})
        self.linked = [cui for cui in self.cuis if self._found[cui].edges]

    def neighbourhoods(self, cuis: Sequence[str]) -> Lookup:
        """Look up concepts."""
        return Lookup({cui: self._found[cui] for cui in cuis if cui in self._found}, ())

    def names(self, cuis: Sequence[str]) -> dict[str, tuple[str, ...]]:
        """Look up names."""
        return {cui: self._found[cui].names for cui in cuis}

    def concepts_with_synonyms(self) -> NDArray[np.str_]:
        """List concepts with several names."""
        return np.array([cui for cui in self.cuis if len(self._found[cui].names) > 1])


class Read(nn.Module):
    """A language model that stands still: the one "piece" of a name is its number."""

    def __init__(self, vectors: Vectors) -> None:
        super().__init__()
        self.table = torch.from_numpy(vectors)

    def pooled(self, ids: Tensor, mask: Tensor | None) -> Tensor:
        """Return the vectors of names ``[N, 1]``."""
        return self.table[ids[:, 0].long()]


class Experiment:
    """What all designs share: graph, names' vectors (the mask's is the last), and questions."""

    def __init__(self, task: EdgeTask, known: Known, vectors: Vectors) -> None:
        self.task, self.known, self.vectors = task, known, vectors
        self._relations = {name: number for number, name in enumerate(known.types)}
        names = vectors[[known.number[cui] for cui in task.cuis]]
        self._by_name = {"mrr": 1 / edge_ranks(task, names)}

    def run(self, design: Design, steps: int) -> dict[str, Any]:
        """Train a design and ask it."""
        started = process_time()
        torch.manual_seed(SEED)
        options = {"layers": 1, "dropout": 0.0, "residual": True}
        config = GraphEncoderConfig.model_validate({"kind": design.kind, **options})
        width = self.vectors.shape[1]
        graph = build_graph_encoder(config, width, len(self.known.types))
        asked = LinkPrediction(1.0, width, len(self.known.types), 0.07, design.ends)
        source = self._source(design)
        loss = self._learn(design, source, graph, asked, steps)
        scores = {"name": self._by_name}
        for view, count in (("graph", design.neighbours), ("alone", 0)):
            vectors = self._read(replace(design, neighbours=count), source, graph)
            scores[view] = {"mrr": 1 / edge_ranks(self.task, vectors)}
        pairs = self.task.clusters
        parts = {"all": np.ones(len(pairs), bool), **self.task.of_relation()}
        return {
            "design": asdict(design),
            "loss": loss,
            "cpu_seconds": round(process_time() - started),
            "mrr": {view: estimate(s["mrr"], pairs).model_dump() for view, s in scores.items()},
            "by relation": {
                part: {view: float(s["mrr"][mask].mean()) for view, s in scores.items()}
                for part, mask in list(parts.items())[1:4]
            },
            "neighbours": {
                f"over {other}": compare(scores["graph"], scores[other], pairs)["mrr"].model_dump()
                for other in ("alone", "name")
            },
        }

    def _source(self, design: Design) -> NeighbourhoodSource:
        if design.graph == "real":
            return self.known
        return BrokenGraph(
            self.known,
            self.known.cuis,
            kind="shuffled",
            relation_types=self.known.types,
            seed=SEED,
        )

    def _learn(
        self,
        design: Design,
        source: NeighbourhoodSource,
        graph: nn.Module,
        asked: nn.Module,
        steps: int,
    ) -> float:
        random = np.random.default_rng(SEED)
        parameters = [*graph.parameters(), *asked.parameters()]
        optimiser = torch.optim.AdamW(parameters, lr=RATE)
        factor = partial(learning_rate_factor, total=steps, warmup=0.1)
        schedule = torch.optim.lr_scheduler.LambdaLR(optimiser, factor)
        text = cast(TextEncoder, Read(self.vectors))
        losses = []
        for _ in range(steps):
            roots = random.choice(self.known.linked, ROOTS, replace=False).tolist()
            # One more than is read: an edge of each root is taken out, and asked for.
            more = replace(design, neighbours=design.neighbours + 1)
            trees = self._grow(more, source, roots, random)
            hidden = random.random(len(roots)) < design.hidden
            views = Views(self._batch(trees, len(roots), hidden), text, nn.Identity(), graph)
            loss = asked(views).loss
            optimiser.zero_grad()
            loss.backward()
            optimiser.step()
            schedule.step()
            losses.append(loss.item())
        return float(np.mean(losses[-20:]))

    def _grow(
        self,
        design: Design,
        source: NeighbourhoodSource,
        roots: Sequence[str],
        random: np.random.Generator,
    ) -> Trees:
        found = source.neighbourhoods(roots).found
        return grow_trees(
            [found[cui] for cui in roots],
            source,
            self._relations,
            count=design.neighbours,
            hops=design.hops,
            random=random,
            telling=design.telling,
        )

    def _batch(self, trees: Trees, roots: int, hidden: NDArray[np.bool_]) -> Batch:
        """Make a batch of nothing but concepts drawn further."""
        concept = np.array([self.known.number[cui] for cui in trees.cuis])
        seen = concept.copy()
        seen[:roots][hidden] = len(self.vectors) - 1
        names, node = np.unique(seen, return_inverse=True)
        none, narrow = np.empty(0, dtype=np.int64), np.int32
        return Batch.from_arrays(
            {
                "input_ids": np.zeros((1, 1), narrow),
                "attention_mask": np.ones((1, 1), np.uint8),
                "labels": np.full((1, 1), -100, narrow),
                "mention_tokens": none,
                "mention_offsets": np.zeros(1, narrow),
                "mention_concept": none,
                "negative_concept": none,
                "lost_mentions": np.zeros(1, narrow),
                "name_input_ids": names[:, None].astype(narrow),
                "name_attention_mask": np.ones((len(names), 1), np.uint8),
                "node_name": node,
                "node_concept": concept,
                "edge_index": trees.edge_index,
                "edge_type": trees.edge_type,
                "target_node": none,
                "negative_node": none,
                "further_node": np.arange(roots),
                "pair_concept": none,
                "name_pairs": np.empty((2, 0), np.int64),
                "mention_name": none,
            }
        )

    def _read(self, design: Design, source: NeighbourhoodSource, graph: nn.Module) -> Vectors:
        random = np.random.default_rng(SEED)
        parts = []
        for first in range(0, len(self.task.cuis), 1024):
            some = self.task.cuis[first : first + 1024]
            trees = self._grow(replace(design, hops=1), source, some, random)
            nodes = self.vectors[[self.known.number[cui] for cui in trees.cuis]]
            edges, types = (torch.from_numpy(a).long() for a in (trees.edge_index, trees.edge_type))
            with torch.inference_mode():
                parts.append(graph(torch.from_numpy(nodes), edges, types, torch.arange(len(some))))
        return unit_rows(torch.cat(parts).numpy())


def main() -> None:
    """Run every design that has not been yet."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("output", type=Path)
    parser.add_argument("--steps", type=int, default=400)
    asked = parser.parse_args()
    asked.output.mkdir(parents=True, exist_ok=True)
    torch.set_num_threads(1)
    settings = load_settings()
    with Graph.connect(settings) as graph:
        cuis = [cui for cui, _ in graph.names()]
    task = build_edge_task(
        cuis,
        neighbourhoods(settings),
        withheld=0.1,
        limit=QUESTIONS,
        candidates=CANDIDATES,
    )
    known = Known(task, cuis)
    experiment = Experiment(task, known, _vectors(known.preferred, asked.output / "names.npy"))
    kept = asked.output / "report.json"
    report = {"graph": known.graph_version, "steps": asked.steps, "edges": task.facts}
    designs = json.loads(kept.read_text())["designs"] if kept.exists() else {}
    for name, design in DESIGNS.items():
        if name not in designs:
            designs[name] = experiment.run(design, asked.steps)
            kept.write_text(json.dumps(report | {"designs": designs}, indent=2) + "\n")
        print(f"{name}: {json.dumps(designs[name]['mrr'])}", flush=True)


def _vectors(names: Sequence[str], kept: Path) -> Vectors:
    """Return unit vectors of the names and, last, of the mask token."""
    if not kept.exists():
        read = NameEncoder("minilm", Setup(device="cpu")).encode([*names, "[MASK]"])
        np.save(kept, read.vectors[read.row].astype(np.float32))
    vectors: Vectors = np.load(kept)
    return vectors


if __name__ == "__main__":
    main()
