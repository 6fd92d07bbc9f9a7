"""The best evaluation of a run so far, and whether it is worth going on."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass


@dataclass
class Best:
    """Keeps the best value of a metric; of a loss, the lowest.

    Attributes:
        metric: Its name.
        patience: Evaluations without a better value after which a run ends; 0 for never.
        value: The best so far.
        step: When that was.
        since: Evaluations since then.
    """

    metric: str
    patience: int = 0
    value: float | None = None
    step: int = 0
    since: int = 0

    def update(self, step: int, values: Mapping[str, float]) -> bool:
        """Take an evaluation and tell whether it is the best so far."""
        value = values[self.metric]
        sign = -1 if self.metric.endswith("loss") else 1
        if self.value is not None and sign * value <= sign * self.value:
            self.since += 1
            return False
        self.value, self.step, self.since = value, step, 0
        return True

    @property
    def exhausted(self) -> bool:
        """Whether the run has waited long enough for something better."""
        return 0 < self.patience <= self.since
