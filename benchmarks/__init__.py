"""Measurements; ``python -m benchmarks.<name>``, results in ``benchmarks/results``."""

import sys
from pathlib import Path

# A machine that has nothing but torch need not install what it measures.
sys.path += [str(Path(__file__).parents[1] / room) for room in ("platform", "loaders", "trainers")]
