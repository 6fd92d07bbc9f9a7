"""Progress reporting that library code can call without knowing about terminals."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager
from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from rich.console import Console
    from rich.progress import Progress, TaskID


class Step(Protocol):
    """One piece of work under way."""

    def advance(self, amount: float = 1) -> None:
        """Say that ``amount`` more of the step's total is done."""

    def update(self, *, total: float | None = None, note: str | None = None) -> None:
        """Set the total once it is known, or a short note beside the title."""


class Reporter(Protocol):
    """Where library code says what it is doing."""

    def say(self, message: str) -> None:
        """Print one line."""

    def step(self, title: str, total: float | None = None) -> AbstractContextManager[Step]:
        """Open a step; leaving the context closes it and prints its time.

        ``title`` says what is done in lower case, verb first: "build indexes".
        """


class _SilentStep:
    def advance(self, amount: float = 1) -> None: ...

    def update(self, *, total: float | None = None, note: str | None = None) -> None: ...


class Quiet:
    """A reporter that says nothing: the default of every library function."""

    def say(self, message: str) -> None:
        """Say nothing."""

    @contextmanager
    def step(self, title: str, total: float | None = None) -> Iterator[Step]:
        """Open a step that shows nothing."""
        yield _SilentStep()


QUIET = Quiet()


class _BarStep:
    def __init__(self, progress: Progress, task: TaskID, title: str) -> None:
        self._progress, self._task, self._title = progress, task, title

    def advance(self, amount: float = 1) -> None:
        self._progress.advance(self._task, amount)

    def update(self, *, total: float | None = None, note: str | None = None) -> None:
        description = f"{self._title} [dim]{note}[/dim]" if note is not None else None
        self._progress.update(self._task, total=total, description=description)


class ConsoleReporter:
    """Progress bars on a terminal, plain lines elsewhere."""

    def __init__(self, console: Console) -> None:
        self._console = console

    def say(self, message: str) -> None:
        """Print one line on the console."""
        self._console.print(message, soft_wrap=True)

    @contextmanager
    def step(self, title: str, total: float | None = None) -> Iterator[Step]:
        """Show a bar until the context closes."""
        from rich.progress import (
            BarColumn,
            MofNCompleteColumn,
            Progress,
            SpinnerColumn,
            TextColumn,
            TimeElapsedColumn,
        )

        columns = (
            SpinnerColumn(finished_text="[green]✓[/green]"),
            TextColumn("{task.description}"),
            BarColumn(bar_width=30),
            MofNCompleteColumn() if total else TextColumn(""),
            TimeElapsedColumn(),
        )
        with Progress(*columns, console=self._console) as progress:
            task = progress.add_task(title, total=total)
            yield _BarStep(progress, task, title)
            done = progress.tasks[0].total or 1
            progress.update(task, total=done, completed=done)
