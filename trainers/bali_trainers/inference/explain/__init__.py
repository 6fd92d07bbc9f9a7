"""What a model makes of one sentence: mentions, subgraph, attention, neighbours in meaning."""

from bali_trainers.inference.explain.explanation import (
    Explained,
    Explainer,
    Explanation,
    Span,
    Weighed,
)
from bali_trainers.inference.explain.page import page

__all__ = ["Explained", "Explainer", "Explanation", "Span", "Weighed", "page"]
