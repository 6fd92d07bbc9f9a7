"""``bali evaluate questions | relations | classify``: by a probe, or fine-tuned end to end."""

from __future__ import annotations

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

if TYPE_CHECKING:
    from bali_trainers.evaluation import ClassificationTask, Recipe, Report

TuneOption = Annotated[
    bool, typer.Option("--fine-tune", help="Train the whole model for it, not a probe on it.")
]
SeedsOption = Annotated[int, typer.Option(min=1, help="Fine-tune so often in each fold.")]
EpochsOption = Annotated[
    int, typer.Option(min=1, help="At most so many; four without a better one end it.")
]
RateOption = Annotated[float, typer.Option("--learning-rate", min=0, help="Its peak.")]
LengthOption = Annotated[
    int, typer.Option("--max-length", min=8, help="Cut texts to so many word pieces.")
]
FrozenOption = Annotated[
    int,
    typer.Option("--frozen-layers", min=0, help="Keep so many layers, and the embeddings."),
]
FoldsOption = Annotated[
    int | None, typer.Option(min=1, help="Only so many of the folds, the first ones.")
]


@evaluate.command()
def questions(
    models: Models,
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
    fine_tune: TuneOption = False,
    seeds: SeedsOption = 3,
    epochs: EpochsOption = 20,
    rate: RateOption = 2e-5,
    max_length: LengthOption = 512,
    frozen_layers: FrozenOption = 0,
    folds: FoldsOption = None,
    precision: PrecisionOption = "fp32",
    device: DeviceOption = "auto",
    output: OutputOption = None,
    as_json: JsonOption = False,
) -> None:
    """Answer the questions of a benchmark: yes, no or maybe, or one of several options."""
    from bali_trainers.evaluation import Recipe, read_questions

    task = read_questions(file, test, question_only=question_only)
    recipe = Recipe(seeds, epochs, rate, max_length, frozen_layers) if fine_tune else None
    show(_answer(models, task, recipe, folds, precision, device), output, as_json=as_json)


@evaluate.command()
def relations(
    models: Models,
    train: Annotated[Path, typer.Option(help="Fit on this file: ChemProt's or BioRED's.")],
    test: Annotated[Path, typer.Option(help="Test on this one.")],
    *,
    fine_tune: TuneOption = False,
    seeds: SeedsOption = 3,
    epochs: EpochsOption = 20,
    rate: RateOption = 2e-5,
    max_length: LengthOption = 512,
    frozen_layers: FrozenOption = 0,
    precision: PrecisionOption = "fp32",
    device: DeviceOption = "auto",
    output: OutputOption = None,
    as_json: JsonOption = False,
) -> None:
    """Tell relations of marked things (.jsonl, as ChemProt's) or of documents (as BioRED's)."""
    from bali.cli.tasks import read_relations
    from bali_trainers.evaluation import Recipe

    task = read_relations(train, test)
    recipe = Recipe(seeds, epochs, rate, max_length, frozen_layers) if fine_tune else None
    show(_answer(models, task, recipe, None, precision, device), output, as_json=as_json)


@evaluate.command()
def classify(
    models: Models,
    train: Annotated[
        Path, typer.Option(help="Table (.csv or .tsv): text, or text_a and text_b, and label.")
    ],
    test: Annotated[
        Path | None, typer.Option(help="Test on this table; without one, in ten folds.")
    ] = None,
    *,
    fine_tune: TuneOption = False,
    seeds: SeedsOption = 3,
    epochs: EpochsOption = 20,
    rate: RateOption = 2e-5,
    max_length: LengthOption = 512,
    frozen_layers: FrozenOption = 0,
    folds: FoldsOption = None,
    precision: PrecisionOption = "fp32",
    device: DeviceOption = "auto",
    output: OutputOption = None,
    as_json: JsonOption = False,
) -> None:
    """Tell the label of texts, or of pairs of texts, in a table of your own."""
    from bali.cli.tasks import read_classes
    from bali_trainers.evaluation import Recipe

    task = read_classes(train, test)
    recipe = Recipe(seeds, epochs, rate, max_length, frozen_layers) if fine_tune else None
    show(_answer(models, task, recipe, folds, precision, device), output, as_json=as_json)


def _answer(
    models: list[str],
    task: ClassificationTask,
    recipe: Recipe | None,
    folds: int | None,
    precision: Precision,
    device: str,
) -> Report:
    from bali_trainers.evaluation import evaluate_classes, evaluate_fine_tuned

    task = replace(task, folds=task.folds[:folds])
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
