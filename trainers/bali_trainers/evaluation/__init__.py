"""Evidence: what an aligned model is better at."""

from bali_trainers.evaluation.mention_task import (
    MentionReport,
    MentionTask,
    build_mention_task,
    report_mentions,
)
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
    "MentionReport",
    "MentionTask",
    "NameOutcome",
    "NameReport",
    "NameTask",
    "build_mention_task",
    "build_name_task",
    "evaluate_names",
    "report_mentions",
    "report_names",
]
