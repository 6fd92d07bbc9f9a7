"""What is left to workers: commands as jobs, whose reports are fetched, and files to link."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from bali.cli.common import job_store, out
from bali_platform.base.errors import BaliError, UsageError

if TYPE_CHECKING:
    from bali_loaders.corpora import Reading
    from bali_loaders.corpora.handing_out import Workers
    from bali_loaders.linking import LinkOptions
    from bali_loaders.linking.linker import Ambiguous
    from bali_platform.jobs import Job


def queue_evaluation(
    words: list[str], /, output: Path | None, as_json: bool, device: str, **options: Any
) -> None:
    """Queue ``bali evaluate WORDS``, whose options have been checked."""
    from bali.queued import queue
    from bali_platform.base.settings import load_settings
    from bali_platform.jobs.app import wake

    if output is not None or as_json:
        raise UsageError("with --queue, `bali evaluate report JOB` shows or writes the report")
    given = [each for value in options.values() for each in _each(value)]
    models = [Path(model) for model in options.get("models") or () if Path(model).is_dir()]
    read = [*models, *(each for each in given if isinstance(each, Path))]
    cards = 0 if device == "cpu" else 1
    job = queue(job_store(), ["evaluate", *words], read, load_settings(), cards=cards)
    wake()
    out.print(f"queued job {job.id}: `bali evaluate report {job.id}` shows what it finds")


def queue_test(asked: Path, model: str, trained: Job | None) -> Job:
    """Queue ``bali study test``, unless it is; where no store brings a job's model, by its path."""
    from bali.queued import queue_once
    from bali_platform.base.settings import load_settings

    settings = load_settings()
    words = ["study", "test", str(asked)]
    if trained is not None:
        words += ["--trained-by", trained.id if settings.store else str(trained.folder)]
    else:
        words += ["--model", model]
    read = [asked, *([Path(model)] if model and Path(model).is_dir() else [])]
    return queue_once(job_store(), words, read, settings, cards=1)


def _each(value: Any) -> Sequence[Any]:
    return value if isinstance(value, list | tuple) else [value]


def find_report(job: str) -> Path:
    """Return the report that a queued command has written, brought from the store if need be."""
    from bali.queued import REPORT
    from bali_platform.base.settings import load_settings
    from bali_trainers.training.following import bring_run

    found, settings = job_store().find(job), load_settings()
    folder = settings.home / "jobs" / found.id
    if (file := found.folder / REPORT).exists():
        return file
    if bring_run(folder, settings):
        return folder / REPORT
    told = f": {found.message}" if found.message else ""
    raise BaliError(f"job {found.id} is {found.state}{told}: it has left no report here")


def workers_for(
    version: str,
    options: LinkOptions | None,
    withheld: float,
    ambiguous: Ambiguous,
    reading: Reading,
) -> Workers:
    """Say how workers link, and how they are asked."""
    from bali_loaders.corpora.handing_out import Recipe, Workers, linking_code
    from bali_loaders.corpora.tasks import LINK
    from bali_platform.base.settings import load_settings
    from bali_platform.jobs.app import ask_for
    from bali_platform.jobs.queues import SUBGRAPHS, waiting
    from bali_platform.services.artefacts import open_store

    recipe = Recipe(
        graph_version=version,
        options=options,
        withheld=withheld,
        ambiguous=ambiguous,
        encoding=reading.encoding,
        strict=reading.strict,
        code=linking_code(),
    )
    store = open_store(load_settings(), "linking", recipe.plan)
    if store is None:
        raise UsageError("--workers needs a store that they share: set BALI_STORE")
    redis = job_store().redis
    return Workers(
        recipe,
        store,
        ask=lambda name: ask_for(LINK, recipe.plan, name),
        waiting=lambda: waiting(redis, SUBGRAPHS),
    )
