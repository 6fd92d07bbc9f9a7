"""Evidence: what an aligned model is better at."""

from bali_trainers.evaluation.classification import (
    ClassificationTask,
    Classified,
    Example,
    Fold,
    evaluate_classes,
    folded_task,
    split_task,
)
from bali_trainers.evaluation.concepts import View, concept_vectors
from bali_trainers.evaluation.edge_task import EdgeTask, build_edge_task
from bali_trainers.evaluation.everyday import EverydayTask, evaluate_everyday, everyday_task
from bali_trainers.evaluation.fine_tuning import Recipe, evaluate_fine_tuned
from bali_trainers.evaluation.links import evaluate_links
from bali_trainers.evaluation.mentions import (
    Encoding,
    KnownNames,
    MentionTask,
    build_mention_task,
    choose_documents,
    evaluate_mentions,
    lowered,
    nearest_names,
    read_names,
)
from bali_trainers.evaluation.metrics import Difference, Estimate
from bali_trainers.evaluation.names import NameTable, NameTask, build_name_task, evaluate_names
from bali_trainers.evaluation.overlap import overlapping_documents, require_apart
from bali_trainers.evaluation.pairs import PairTask, build_pair_task, evaluate_pairs
from bali_trainers.evaluation.perplexity import MaskedTextTask, evaluate_perplexity
from bali_trainers.evaluation.questions import official_folds, read_questions
from bali_trainers.evaluation.relations import read_marked_relations
from bali_trainers.evaluation.report import Outcome, Report, Scored, Section, Task, report
from bali_trainers.inference.embedding import Setup

__all__ = [
    "ClassificationTask",
    "Classified",
    "Difference",
    "EdgeTask",
    "Encoding",
    "Estimate",
    "EverydayTask",
    "Example",
    "Fold",
    "KnownNames",
    "MaskedTextTask",
    "MentionTask",
    "NameTable",
    "NameTask",
    "Outcome",
    "PairTask",
    "Recipe",
    "Report",
    "Scored",
    "Section",
    "Setup",
    "Task",
    "View",
    "build_edge_task",
    "build_mention_task",
    "build_name_task",
    "build_pair_task",
    "choose_documents",
    "concept_vectors",
    "evaluate_classes",
    "evaluate_everyday",
    "evaluate_fine_tuned",
    "evaluate_links",
    "evaluate_mentions",
    "evaluate_names",
    "evaluate_pairs",
    "evaluate_perplexity",
    "everyday_task",
    "folded_task",
    "lowered",
    "nearest_names",
    "official_folds",
    "overlapping_documents",
    "read_marked_relations",
    "read_names",
    "read_questions",
    "report",
    "require_apart",
    "split_task",
]
