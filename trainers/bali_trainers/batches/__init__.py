"""Training batches: linked sentences and the subgraphs of what they mention, as arrays."""

from bali_trainers.batches.builder import BatchBuilder
from bali_trainers.batches.mentions import concept_label
from bali_trainers.batches.spec import DataSpec

__all__ = ["BatchBuilder", "DataSpec", "concept_label"]
