"""Evidence: what an aligned model is better at."""

from bali_trainers.evaluation.metrics import Difference, Estimate
from bali_trainers.evaluation.name_task import NameTask, build_name_task
from bali_trainers.evaluation.naming import (
    NameOutcome,
    NameReport,
    evaluate_names,
    report_names,
)

__all__ = [
    "Difference",
    "Estimate",
    "NameOutcome",
    "NameReport",
    "NameTask",
    "build_name_task",
    "evaluate_names",
    "report_names",
]
