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
from bali_trainers.evaluation.concepts import View, concept_vectors
from bali_trainers.evaluation.edge_task import EdgeTask, build_edge_task
from bali_trainers.evaluation.general import (
    GeneralOutcome,
    GeneralReport,
    evaluate_general,
    general_triplets,
    report_general,
)
from bali_trainers.evaluation.links import (
    LinkOutcome,
    LinkReport,
    evaluate_links,
    report_links,
)
from bali_trainers.evaluation.mention_task import (
    KnownNames,
    MentionTask,
    build_mention_task,
    read_names,
)
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
from bali_trainers.evaluation.pairs import PairTask, build_pair_task, evaluate_pairs
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
    "EdgeTask",
    "Encoding",
    "Estimate",
    "Example",
    "Fold",
    "GeneralOutcome",
    "GeneralReport",
    "KnownNames",
    "LinkOutcome",
    "LinkReport",
    "MentionOutcome",
    "MentionReport",
    "MentionTask",
    "NameOutcome",
    "NameReport",
    "NameTable",
    "NameTask",
    "PairTask",
    "PerplexityOutcome",
    "PerplexityReport",
    "View",
    "build_edge_task",
    "build_mention_task",
    "build_name_task",
    "build_pair_task",
    "concept_vectors",
    "evaluate_classes",
    "evaluate_general",
    "evaluate_links",
    "evaluate_mentions",
    "evaluate_names",
    "evaluate_pairs",
    "evaluate_perplexity",
    "general_triplets",
    "official_folds",
    "overlapping_documents",
    "read_marked_relations",
    "read_names",
    "read_pubmedqa",
    "relation_task",
    "report_classes",
    "report_general",
    "report_links",
    "report_mentions",
    "report_names",
    "report_perplexity",
    "require_apart",
]
