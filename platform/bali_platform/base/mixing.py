"""Numbers spread over all 64 bits, as SplitMix64 does (Steele, Lea and Flood, OOPSLA 2014)."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

GOLDEN = 0x9E3779B97F4A7C15  # 2^64 over the golden ratio: a step of the generator


def mix(values: NDArray[np.uint64]) -> NDArray[np.uint64]:
    """Return what the generator gives in the states ``values``, one to one.

    >>> mix(np.array([0, GOLDEN], dtype=np.uint64)).tolist()
    [16294208416658607535, 7960286522194355700]
    """
    values = values + np.uint64(GOLDEN)
    values = (values ^ (values >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    values = (values ^ (values >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    return values ^ (values >> np.uint64(31))
