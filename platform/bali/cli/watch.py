"""A job as it runs, in the terminal."""

from __future__ import annotations

import time
from collections.abc import Iterator, Sequence
from itertools import pairwise

from redis.exceptions import RedisError
from rich.console import Console, Group, RenderableType
from rich.live import Live
from rich.markup import escape
from rich.progress_bar import ProgressBar
from rich.table import Table
from rich.text import Text

from bali_platform.jobs import Event, Job, JobState, JobStore

COLOURS = {
    JobState.QUEUED: "yellow",
    JobState.RUNNING: "cyan",
    JobState.SUCCEEDED: "green",
    JobState.FAILED: "red",
    JobState.CANCELLED: "magenta",
}
POLL_S = 0.5
SPARK_WIDTH = 60
EVENTS_SHOWN = 5
_BARS = "▁▂▃▄▅▆▇█"

Metrics = Sequence[dict[str, float]]


def sparkline(values: Sequence[float], width: int = SPARK_WIDTH) -> str:
    """Draw ``values`` as a line of bars, averaged to at most ``width`` of them.

    >>> sparkline([1, 2, 3, 4, 5, 6, 7, 8])
    '▁▂▃▄▅▆▇█'
    """
    if not values:
        return ""
    count = min(width, len(values))
    cuts = [index * len(values) // count for index in range(count + 1)]
    means = [sum(values[a:b]) / (b - a) for a, b in pairwise(cuts)]
    low, high = min(means), max(means)
    scale = (len(_BARS) - 1) / (high - low) if high > low else 0.0
    return "".join(_BARS[round((mean - low) * scale)] for mean in means)


def view(job: Job, metrics: Metrics, events: Sequence[Event]) -> RenderableType:
    """Show where a job stands: progress, loss, throughput, data wait and its last events."""
    title = Text.assemble(
        (job.name, "bold"), f"  {job.id}  ", (job.state, COLOURS[job.state]), f"  {job.message}"
    )
    return Group(title, _progress(job), _numbers(metrics), _events(events))


def _progress(job: Job) -> RenderableType:
    grid = Table.grid(padding=(0, 2))
    grid.add_row(
        ProgressBar(total=max(job.total, 1), completed=job.step, width=SPARK_WIDTH),
        f"{job.step:,}/{job.total:,} steps" if job.total else "not started yet",
        f"attempt {job.attempt}" if job.attempt > 1 else "",
    )
    return grid


def _numbers(metrics: Metrics) -> RenderableType:
    grid = Table.grid(padding=(0, 2))
    if not metrics:
        return grid
    last = metrics[-1]
    for name, value in last.items():
        if name.endswith("loss"):
            history = [row[name] for row in metrics if name in row]
            grid.add_row(name, sparkline(history), f"{value:.4f}")
    if "sentences_s" in last:
        speeds = [row["sentences_s"] for row in metrics if "sentences_s" in row]
        grid.add_row("sentences/s", sparkline(speeds), f"{last['sentences_s']:,.0f}")
    if "data_wait" in last:
        grid.add_row("waiting for data", "", f"{last['data_wait']:.1%}")
    return grid


def _events(events: Sequence[Event]) -> RenderableType:
    grid = Table.grid(padding=(0, 2))
    for event in events[-EVENTS_SHOWN:]:
        clock = time.strftime("%H:%M:%S", time.localtime(event.time))
        told = escape(", ".join(event.told))
        grid.add_row(f"[dim]{clock}[/dim]", escape(event.type), f"[dim]{told}[/dim]")
    return grid


def watch(store: JobStore, job_id: str, console: Console) -> Job:
    """Show a job until it ends, and return it; on anything but a terminal, line by line."""
    follower = _Follower(store, job_id)
    if console.is_terminal:
        return _live(follower, console)
    while True:
        job = follower.look()
        for line in follower.lines():
            console.print(line, markup=False, soft_wrap=True)
        if job.state.ended:
            return job
        time.sleep(POLL_S)


def _live(follower: _Follower, console: Console) -> Job:
    with Live(console=console, refresh_per_second=4) as live:
        while True:
            try:
                job = follower.look()
                live.update(view(job, follower.metrics, follower.events))
                if job.state.ended:
                    return job
            except RedisError as error:
                live.update(Text(f"Redis is away, waiting for it: {error}", "yellow"))
            time.sleep(POLL_S)


class _Follower:
    """What has been seen of a job."""

    def __init__(self, store: JobStore, job_id: str) -> None:
        self._store = store
        self._job_id = job_id
        self._printed_events = self._printed_metrics = 0
        self._rows: list[tuple[str, dict[str, float]]] = []
        self.events: list[Event] = []

    @property
    def metrics(self) -> list[dict[str, float]]:
        """One row a step: those that a resumed run made again count once."""
        return list({values["step"]: values for _, values in self._rows}.values())

    def look(self) -> Job:
        """Read what is new; the job is read first, so that an ended one has all its events."""
        job = self._store.get(self._job_id)
        self.events += self._store.events(self._job_id, self.events[-1].id if self.events else "-")
        self._rows += self._store.metrics(self._job_id, self._rows[-1][0] if self._rows else "-")
        return job

    def lines(self) -> Iterator[str]:
        """Yield what has come since the last call, as lines."""
        for event in self.events[self._printed_events :]:
            yield " ".join([event.type, *event.told])
        for _, values in self._rows[self._printed_metrics :]:
            yield "  ".join(f"{name} {value:.4g}" for name, value in values.items())
        self._printed_events, self._printed_metrics = len(self.events), len(self._rows)
