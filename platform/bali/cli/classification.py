"""``bali evaluate questions | relations | classify``: by a probe, or fine-tuned end to end."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import asdict, replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from bali.cli.common import DeviceOption, JsonOption
from bali.cli.evaluation import (
    Models,
    OutputOption,
    Precision,
    PrecisionOption,
    ask,
    evaluate,
    set_up,
    show,
)
from bali.cli.shared_options import with_options

if TYPE_CHECKING:
    from bali_trainers.evaluation import ClassificationTask, Recipe, Report

Answer = Callable[..., None]
FoldsOption = Annotated[
    int | None, typer.Option(min=1, help="Only so many of the folds, the first ones.")
]


def answering(
    models: Models,
    *,
    fine_tune: Annotated[
        bool, typer.Option("--fine-tune", help="Train the whole model for it, not a probe on it.")
    ] = False,
    seeds: Annotated[int, typer.Option(min=1, help="Fine-tune so often in each fold.")] = 3,
    epochs: Annotated[
        int, typer.Option(min=1, help="At most so many; four without a better one end it.")
    ] = 20,
    rate: Annotated[float, typer.Option("--learning-rate", min=0, help="Its peak.")] = 2e-5,
    max_length: Annotated[int, typer.Option(min=8, help="Cut texts to so many word pieces.")] = 512,
    frozen_layers: Annotated[
        int, typer.Option(min=0, help="Keep so many layers, and the embeddings.")
    ] = 0,
    precision: PrecisionOption = "fp32",
    device: DeviceOption = "auto",
    output: OutputOption = None,
    as_json: JsonOption = False,
) -> Answer:
    """Return what puts a task, or its first folds, to the models, and shows what they answer."""

    def answer(task: ClassificationTask, folds: int | None = None) -> None:
        from bali_trainers.evaluation import Recipe

        recipe = Recipe(seeds, epochs, rate, max_length, frozen_layers) if fine_tune else None
        some = replace(task, folds=task.folds[:folds])
        show(_report(models, some, recipe, precision, device), output, as_json=as_json)

    return answer


@evaluate.command()
@with_options(answer=answering)
def questions(
    file: Annotated[
        Path, typer.Option("--file", help="Questions of PubMedQA, BioASQ, MedQA or MedMCQA.")
    ],
    test: Annotated[
        Path | None, typer.Option(help="Test on this file; without one, in ten folds.")
    ] = None,
    *,
    question_only: Annotated[
        bool, typer.Option("--question-only", help="Without abstracts or snippets.")
    ] = False,
    folds: FoldsOption = None,
    answer: Answer,
) -> None:
    """Answer the questions of a benchmark: yes, no or maybe, or one of several options."""
    from bali_trainers.evaluation import read_questions

    answer(read_questions(file, test, question_only=question_only), folds)


@evaluate.command()
@with_options(answer=answering)
def relations(
    train: Annotated[Path, typer.Option(help="Fit on this file: ChemProt's or BioRED's.")],
    test: Annotated[Path, typer.Option(help="Test on this one.")],
    *,
    answer: Answer,
) -> None:
    """Tell relations of marked things (.jsonl, as ChemProt's) or of documents (as BioRED's)."""
    from bali.cli.tasks import read_relations

    answer(read_relations(train, test))


@evaluate.command()
@with_options(answer=answering)
def classify(
    train: Annotated[
        Path, typer.Option(help="Table (.csv or .tsv): text, or text_a and text_b, and label.")
    ],
    test: Annotated[
        Path | None, typer.Option(help="Test on this table; without one, in ten folds.")
    ] = None,
    *,
    folds: FoldsOption = None,
    answer: Answer,
) -> None:
    """Tell the label of texts, or of pairs of texts, in a table of your own."""
    from bali.cli.tasks import read_classes

    answer(read_classes(train, test), folds)


def _report(
    models: list[str],
    task: ClassificationTask,
    recipe: Recipe | None,
    precision: Precision,
    device: str,
) -> Report:
    from bali_trainers.evaluation import evaluate_classes, evaluate_fine_tuned

    setup = set_up(precision, device)
    if recipe is None:
        return ask(models, task, evaluate_classes, setup)
    return ask(
        models,
        task,
        lambda model, asked, how: evaluate_fine_tuned(model, asked, recipe, how),
        setup,
        fine_tuned=asdict(recipe),
    )
