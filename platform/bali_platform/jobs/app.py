"""The Celery application: two queues, JSON only, nothing kept as a result.

``subgraphs`` carries short, idempotent requests for batches. ``gpu`` carries wake-up calls for
training workers; what to run they read from the job store, so that no job depends on a message.
"""

from __future__ import annotations

import logging
import os
import warnings
from collections.abc import Callable
from importlib.metadata import entry_points
from typing import Any

from celery import Celery, Task, signals
from celery.exceptions import SecurityWarning
from kombu.exceptions import OperationalError

from bali_platform.base.logs import formatter, wants_json
from bali_platform.base.settings import load_settings
from bali_platform.base.telemetry import PARENT, flush, span, traceparent
from bali_platform.jobs.code import code_version
from bali_platform.jobs.connection import connect
from bali_platform.jobs.pulse import Pulse
from bali_platform.jobs.queues import GPU, KEY_PREFIX, SUBGRAPHS, waiting
from bali_platform.jobs.tether import die_with_parent
from bali_platform.services import redis_address
from bali_platform.streaming import BatchKey

TASKS = ("bali.tasks", "bali.text_tasks")
"""Entry points of Celery tasks; batches and weights depend on the first ones alone."""

BUILD_LIMIT_S = 300  # a batch that takes longer hangs: its process is replaced
MOST_WAITING = 2_000  # requests in the queue, when nobody works on it


def _configuration() -> dict[str, Any]:
    return {
        **redis_address(load_settings()).broker,
        "include": [each.value for group in TASKS for each in entry_points(group=group)],
        "task_queues": {SUBGRAPHS: {}, GPU: {}},
        "task_default_queue": SUBGRAPHS,
        "task_routes": {"bali.train": {"queue": GPU}},
        "task_annotations": {"bali.build_batch": {"acks_late": True, "time_limit": BUILD_LIMIT_S}},
        "task_ignore_result": True,
        "task_serializer": "json",
        "accept_content": ["json"],
        "worker_prefetch_multiplier": 1,
        "worker_cancel_long_running_tasks_on_connection_loss": False,
        "broker_connection_retry_on_startup": True,
        "broker_connection_max_retries": None,
        "broker_transport_options": {
            "global_keyprefix": KEY_PREFIX,
            # Longer than any task may hold its message, or the broker would hand it out twice.
            "visibility_timeout": 2 * BUILD_LIMIT_S,
            "socket_timeout": 10,
            "socket_connect_timeout": 3,
            "socket_keepalive": True,
            "health_check_interval": 25,
        },
    }


class _Traced(Task):
    """A task that is a part of what its message says that it is a part of."""

    def __call__(self, *arguments: Any, **options: Any) -> Any:
        parent = self.request.get(PARENT)
        if not parent:
            return super().__call__(*arguments, **options)
        with span(self.name, parent, arguments=" ".join(map(str, arguments))):
            return super().__call__(*arguments, **options)


app = Celery("bali", task_cls=_Traced)
app.add_defaults(_configuration)
app.steps["consumer"].add(Pulse)


@signals.after_setup_logger.connect
def _log_as_the_others(logger: logging.Logger, **_: Any) -> None:
    if wants_json():
        for handler in logger.handlers:
            handler.setFormatter(formatter())
    for name in ("celery.app.trace", "celery.worker.strategy"):
        logging.getLogger(name).setLevel(logging.WARNING)


@signals.celeryd_init.connect
def _prepare_worker(**_: Any) -> None:
    code_version()  # before anybody changes the files that it was read from
    # Celery warns root of pickle, which this application does not accept.
    warnings.filterwarnings("ignore", category=SecurityWarning)


@signals.worker_process_init.connect
def _prepare_process(**_: Any) -> None:
    die_with_parent()
    # More cores are for more processes, which threads of the tokenizer would only disturb.
    os.environ["TOKENIZERS_PARALLELISM"] = "false"


@signals.worker_process_shutdown.connect
def _leave_process(**_: Any) -> None:
    flush()


def request_batch(job_id: str) -> Callable[[BatchKey], None]:
    """Return the function that asks the workers for a batch of a job.

    Where too many requests wait already it asks nobody: whoever needs the batch asks again later.
    The function raises :class:`ConnectionError` while the broker is away.
    """
    redis = connect()

    def request(key: BatchKey) -> None:
        if waiting(redis, SUBGRAPHS) < MOST_WAITING:
            _send("bali.build_batch", SUBGRAPHS, job_id, key.epoch, key.index, key.rank)

    return request


def ask_for(task: str, *arguments: str) -> None:
    """Send a task to the workers that build batches; raises :class:`ConnectionError` as others."""
    _send(task, SUBGRAPHS, *arguments)


def wake() -> None:
    """Send a training worker to the job store, to look for queued jobs."""
    _send("bali.train", GPU)


def hosts_serving(queue: str) -> set[str]:
    """Return the machines whose workers of a queue answer within a second; busy ones do not."""
    answers = app.control.inspect(timeout=1.0).active_queues() or {}
    return {
        worker.partition("@")[2]
        for worker, served in answers.items()
        if queue in (each["name"] for each in served)
    }


def _send(task: str, queue: str, *arguments: object) -> None:
    # A wake-up call is for any job: what it runs is a part of the trace in that job's record.
    headers = {PARENT: parent} if queue != GPU and (parent := traceparent()) else {}
    try:
        app.send_task(
            task, arguments, queue=queue, headers=headers, ignore_result=True, retry=False
        )
    except OperationalError as error:
        raise ConnectionError(f"the broker is away: {error}") from error
