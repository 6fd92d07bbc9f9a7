"""Where a run's batches come from."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from bali_platform.base.errors import UsageError
from bali_platform.base.settings import load_settings
from bali_platform.services.artefacts import here
from bali_platform.streaming import (
    BatchSource,
    InlineSource,
    ReplaySource,
    StreamedSource,
    encode,
)
from bali_trainers.batches.order import DEV_EPOCH, steps_per_epoch
from bali_trainers.batches.places import locate
from bali_trainers.batches.sentences import LinkedSentences
from bali_trainers.batches.spec import DataSpec
from bali_trainers.training.config import Config


def open_source(
    config: Config, spec: DataSpec, job: str | None, say: Callable[[str], None]
) -> tuple[BatchSource, int]:
    """Return the configured source, and how many batches of a rank make an epoch.

    Batches are the same whatever the source: workers build them for ``job``, this process builds
    them itself, or a recording holds them. Only the recording needs neither corpus nor graph.
    """
    settings = load_settings()
    if config.data.replay is not None:
        replay = ReplaySource(Path(here(str(config.data.replay), settings)))
        return replay, 1 + max(key.index for key in replay.keys if key.epoch != DEV_EPOCH)
    spec = locate(spec, settings)
    if config.data.source == "inline":
        from bali_platform.subgraphs import neighbourhoods
        from bali_trainers.batches.builder import BatchBuilder

        builder = BatchBuilder(spec, neighbourhoods(settings))
        return InlineSource(lambda key: encode(builder.build(key))), builder.steps_per_epoch
    if job is None:
        raise UsageError(
            "[data] source = 'workers' needs a queued job: use `bali train`, or source = 'inline'"
        )
    from bali_platform.jobs.app import request_batch
    from bali_platform.jobs.connection import connect

    source = StreamedSource(connect(), job, request_batch(job), window=config.data.window, say=say)
    step = spec.batch_size * spec.world_size
    sentences = len(LinkedSentences(spec)) - spec.dev_batches * step
    return source, steps_per_epoch(sentences, step)
