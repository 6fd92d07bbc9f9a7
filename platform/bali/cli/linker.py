"""``bali train linker``, and what ``bali evaluate mentions`` asks of a trained linker."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

import typer

from bali.cli.common import DeviceOption, out, reporter
from bali_platform.base.errors import UsageError

if TYPE_CHECKING:
    from bali_platform.graph import Graph
    from bali_trainers.evaluation import KnownNames, MentionTask, Scored, Setup
    from bali_trainers.linker import Candidates, Knowledge, Mentions


def train(
    corpora: Annotated[
        list[Path], typer.Argument(metavar="CORPUS..", help="Linked corpora with marked mentions.")
    ],
    folder: Annotated[
        Path | None,
        typer.Option(
            "--output",
            "-o",
            metavar="FOLDER",
            help="Folder of the new linker; by default the home's, which links from then on.",
        ),
    ] = None,
    model: Annotated[str, typer.Option(help="The language model below it.")] = "minilm",
    edges: Annotated[
        Literal["real", "shuffled", "none"],
        typer.Option(help="Edges of the graph to look at; those of other concepts are a control."),
    ] = "none",
    documents: Annotated[
        int | None, typer.Option(min=10, help="Learn from so many documents of each corpus.")
    ] = None,
    seed: Annotated[int, typer.Option(min=0, help="Of the training.")] = 1,
    device: DeviceOption = "auto",
) -> None:
    """Train a linker on the mentions of corpora: it chooses among candidates, and knows doubt."""
    from bali.cli.evaluation import set_up
    from bali.trained import home_linker
    from bali_platform.base.settings import load_settings
    from bali_platform.graph import Graph
    from bali_trainers.evaluation import build_mention_task, read_names
    from bali_trainers.inference.embedding import NameEncoder
    from bali_trainers.linker import LinkerFacts, joined, know, train_linker

    encoder = NameEncoder(model, set_up("auto", device))
    settings = load_settings()
    with Graph.connect(settings) as live:
        known = read_names(live.names())
        tasks = [build_mention_task(known, corpus, documents=documents) for corpus in corpora]
        facts = LinkerFacts(
            model=str(Path(model).resolve()) if Path(model).is_dir() else model,
            digest=encoder.digest,
            graph_version=live.version,
            corpora=tuple(task.corpus for task in tasks),
            edges=edges,
            seed=seed,
        )
        knowledge, mentions = know(
            live, known.table, tasks, encoder, reporter(), edges=facts.reads_edges
        )
    gold = [own for task in tasks for own in task.gold]
    linker = train_linker(knowledge, joined(mentions), gold, facts, reporter=reporter())
    folder = folder or home_linker(settings)
    linker.save(folder, knowledge.table.cuis)
    out.print(f"{folder} links what {len(gold):,} mentions of {len(tasks)} corpora taught it")


def models_below(folders: Sequence[Path]) -> list[str]:
    """Return the language models of linkers, each once; without a linker there is none to name."""
    from bali_trainers.linker import open_linker

    if not folders:
        raise UsageError("name a model, or a linker by --linker")
    return list(dict.fromkeys(open_linker(folder, {}).facts.model for folder in folders))


def ask_linkers(
    folders: Sequence[Path], known: KnownNames, task: MentionTask, graph: Graph, setup: Setup
) -> list[Scored]:
    """Return what trained linkers make of a task; those that differ in their seed are one."""
    from bali.deciding import open_trained
    from bali_trainers.linker import (
        LinkerFacts,
        evaluate_linker,
        find_candidates,
        know,
        over_seeds,
    )

    answers: dict[LinkerFacts, list[list[Scored]]] = defaultdict(list)
    read: dict[tuple[str, bool], tuple[Knowledge, Mentions, Candidates]] = {}
    for folder in folders:
        linker, encoder = open_trained(folder, known.number, setup)
        needs = encoder.digest, linker.facts.reads_edges
        if needs not in read:
            knowledge, (mentions,) = know(
                graph, known.table, [task], encoder, setup.reporter, edges=linker.facts.reads_edges
            )
            read[needs] = knowledge, mentions, find_candidates(knowledge, mentions)
        outcomes = evaluate_linker(str(folder), linker, *read[needs], task)
        answers[linker.facts.model_copy(update={"seed": 0})].append(outcomes)
    return [outcome for same in answers.values() for outcome in over_seeds(same)]
