"""``bali study``: many models trained, tested and compared by one file."""

from __future__ import annotations

from contextlib import nullcontext
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from bali.cli.common import (
    CommandGroup,
    JsonOption,
    fields,
    job_store,
    out,
    print_json,
    reporter,
    table,
)
from bali.cli.queued import queue_test
from bali_platform.base.errors import BaliError

if TYPE_CHECKING:
    from bali_trainers.study import StudyReport


Config = Annotated[
    Path, typer.Argument(metavar="CONFIG", help="A study's TOML file, or a shipped study.")
]

study = typer.Typer(
    cls=CommandGroup,
    no_args_is_help=True,
    help="Compare objectives, encoders and controls, with statistics.",
)


@study.command()
def show(config: Config, as_json: JsonOption = False) -> None:
    """Check a study, and list its models and what they choose; nothing is started."""
    from bali_trainers.study import expand, load_study

    checked = load_study(config)
    models = expand(checked)
    if as_json:
        print_json([vars(model) | {"choices": dict(model.choices)} for model in models])
        return
    main = next(model for model in models if model.role == "main")
    rows = []
    for model in models:
        own = [choice for choice in model.choices if model is main or choice not in main.choices]
        chosen = ", ".join(f"{axis} {value}" for axis, value in own)
        what = model.source or chosen or "as [training] says"
        rows.append(
            (model.name, what, 1 if model.source else len(checked.seeds), model.against or "")
        )
    out.print(table(checked.name, ("model", "what", "runs", "must not be better than"), rows))


@study.command()
def run(
    config: Config,
    workers: Annotated[
        bool,
        typer.Option(help="Start services and workers here, and keep them up while it runs."),
    ] = True,
    as_json: JsonOption = False,
) -> None:
    """Have workers train and test every model, and report.

    Stopped at any point, the same command goes on: finished runs are not made again.
    """
    from bali_platform import services
    from bali_platform.base.settings import load_settings
    from bali_trainers.study import expand, load_study, run_study, study_folder

    checked, settings = load_study(config), load_settings()
    expand(checked)
    if workers:
        services.up(settings, reporter(), workers=True)
    with services.kept_up(settings) if workers else nullcontext():
        failed = run_study(checked, settings, job_store(), queue_test, reporter=reporter())
    _report(study_folder(checked, settings).path, None, as_json)
    if failed:
        run, reason = next(iter(failed.items()))
        raise BaliError(
            f"{len(failed)} runs failed, such as {run} ({reason}): run the study again to go on"
        )


@study.command(hidden=True)
def test(
    asked: Annotated[Path, typer.Argument(help="What `bali study run` wrote.")],
    output: Annotated[Path, typer.Option(help="File for the scores.")],
    model: Annotated[str, typer.Option(help="A model to take as it is.")] = "",
    job: Annotated[str, typer.Option("--trained-by", help="Or the job that trained it.")] = "",
) -> None:
    """Test a model, for `bali study run`."""
    from bali_platform.base.settings import load_settings
    from bali_trainers.export import find_run
    from bali_trainers.study import run_tests

    settings = load_settings()
    source = str(find_run(job, settings) / "model") if job else model
    run_tests(asked, source, output, settings)


@study.command()
def report(
    config: Config,
    output: Annotated[
        Path | None, typer.Option("--output", "-o", help="Folder to write to, not the study's own.")
    ] = None,
    as_json: JsonOption = False,
) -> None:
    """Report on the runs that are over, as HTML, Markdown and JSON."""
    from bali_platform.base.settings import load_settings
    from bali_trainers.study import load_study, study_folder

    _report(study_folder(load_study(config), load_settings()).path, output, as_json)


def _report(folder: Path, output: Path | None, as_json: bool) -> None:
    from bali_trainers.study import StudyFolder, report_study, summarise, write_report

    found: StudyReport = report_study(StudyFolder(folder))
    target = output or folder
    write_report(found, target)
    if as_json:
        print_json(found.model_dump(mode="json"))
        return
    for sentence in summarise(found):
        out.print(f"- {sentence}", highlight=False)
    files = {name: target / f"report.{ending}" for name, ending in _FORMS.items()}
    out.print(fields("Report", files))


_FORMS = {"HTML": "html", "Markdown": "md", "JSON": "json"}
