"""Training batches: linked sentences and the subgraphs of what they mention, as arrays."""

from bali_trainers.data.builder import BatchBuilder
from bali_trainers.data.mentions import concept_label
from bali_trainers.data.spec import DataSpec

__all__ = ["BatchBuilder", "DataSpec", "concept_label"]
