"""``bali export``: what becomes of a trained model."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from bali_platform.cli.common import out, reporter

__all__ = ["register"]

PANEL = "Training and evidence"


def register(app: typer.Typer) -> None:
    """Add the command to the command tree."""
    app.command(rich_help_panel=PANEL)(export)


def export(
    run: Annotated[
        str, typer.Argument(metavar="JOB", help="A job's id, its folder, or a checkpoint's folder.")
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
    from bali_platform.settings import load_settings
    from bali_trainers.export import export_onnx, export_run, find_run

    found = find_run(run, load_settings().home / "jobs")
    with reporter().step("export the model"):
        export_run(found, folder, checkpoint=checkpoint)
    if onnx:
        with reporter().step("export to ONNX and compare"):
            export_onnx(folder)
    out.print(f"{folder} loads with AutoModel and SentenceTransformer", highlight=False)
