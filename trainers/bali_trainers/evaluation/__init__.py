"""Evidence: what an aligned model is better at."""

from bali_trainers.evaluation.classification import (
    ClassificationOutcome,
    ClassificationReport,
    ClassificationTask,
    Example,
    Fold,
    evaluate_classes,
    report_classes,
)
from bali_trainers.evaluation.mention_task import MentionTask, build_mention_task
from bali_trainers.evaluation.mentions import (
    Encoding,
    MentionOutcome,
    MentionReport,
    evaluate_mentions,
    report_mentions,
)
from bali_trainers.evaluation.metrics import Difference, Estimate
from bali_trainers.evaluation.name_task import NameTable, NameTask, build_name_task
from bali_trainers.evaluation.naming import (
    NameOutcome,
    NameReport,
    evaluate_names,
    report_names,
)
from bali_trainers.evaluation.overlap import overlapping_documents, require_apart
from bali_trainers.evaluation.perplexity import (
    PerplexityOutcome,
    PerplexityReport,
    evaluate_perplexity,
    report_perplexity,
)
from bali_trainers.evaluation.questions import official_folds, read_pubmedqa
from bali_trainers.evaluation.relations import read_marked_relations, relation_task

__all__ = [
    "ClassificationOutcome",
    "ClassificationReport",
    "ClassificationTask",
    "Difference",
    "Encoding",
    "Estimate",
    "Example",
    "Fold",
    "MentionOutcome",
    "MentionReport",
    "MentionTask",
    "NameOutcome",
    "NameReport",
    "NameTable",
    "NameTask",
    "PerplexityOutcome",
    "PerplexityReport",
    "build_mention_task",
    "build_name_task",
    "evaluate_classes",
    "evaluate_mentions",
    "evaluate_names",
    "evaluate_perplexity",
    "official_folds",
    "overlapping_documents",
    "read_marked_relations",
    "read_pubmedqa",
    "relation_task",
    "report_classes",
    "report_mentions",
    "report_names",
    "report_perplexity",
    "require_apart",
]
