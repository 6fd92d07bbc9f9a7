"""The workers' task: build one batch of a job and publish it."""

from __future__ import annotations

import socket
from functools import cache, lru_cache

from neo4j.exceptions import ServiceUnavailable, SessionExpired
from redis import Redis, RedisError

from bali_platform.base.errors import BaliError
from bali_platform.base.measures import BATCH_BUILD, timed
from bali_platform.base.settings import load_settings
from bali_platform.jobs.app import app
from bali_platform.jobs.code import code_version
from bali_platform.jobs.connection import connect
from bali_platform.jobs.measures import publish
from bali_platform.jobs.store import JobStore
from bali_platform.services.artefacts import StoreError
from bali_platform.streaming import BatchKey, answer, encode
from bali_platform.subgraphs import GraphChangedError, NeighbourhoodSource, neighbourhoods
from bali_trainers.batches.builder import BatchBuilder
from bali_trainers.batches.places import NotHereError, locate
from bali_trainers.batches.spec import DataSpec


class _NotNowError(BaliError):
    """Asking again later, or another worker, may help."""


@app.task(name="bali.build_batch", ignore_result=True)
def build_batch(job_id: str, epoch: int, index: int, rank: int) -> None:
    """Build a batch of a job and append it to the stream of its rank.

    What prevents it goes to the trainer as one line: a graph or a Redis that is away, a corpus that
    this machine lacks, or another version of the code than the job's, to be asked about again;
    anything else to fail the job.
    """
    key = BatchKey(epoch, index, rank)
    answer(
        _redis(),
        job_id,
        key,
        lambda: _build(job_id, key),
        outages=(_NotNowError, RedisError, OSError),
    )
    publish(_redis())


def _build(job_id: str, key: BatchKey) -> bytes:
    try:
        builder = _builder(job_id)
        with timed(BATCH_BUILD, socket.gethostname()):
            return encode(builder.build(key))
    except GraphChangedError as error:
        _builder.cache_clear()
        _source.cache_clear()
        raise _NotNowError(str(error)) from error
    except BaliError as error:
        if isinstance(error.__cause__, (ServiceUnavailable, SessionExpired, OSError)):
            raise _NotNowError(str(error)) from error
        raise


@lru_cache(maxsize=4)
def _builder(job_id: str) -> BatchBuilder:
    job = JobStore(_redis()).get(job_id)
    if job.code_version != code_version():
        raise _NotNowError(
            f"a worker runs version {code_version()} of the code, the job {job.code_version}: "
            "restart the workers"
        )
    spec = DataSpec.model_validate(job.spec)
    try:
        here = locate(spec, load_settings())
    except (NotHereError, StoreError) as error:
        raise _NotNowError(str(error)) from error
    return BatchBuilder(here, _source())


@cache
def _source() -> NeighbourhoodSource:
    try:
        return neighbourhoods(load_settings())
    except BaliError as error:
        raise _NotNowError(str(error)) from error


@cache
def _redis() -> Redis:
    return connect()
