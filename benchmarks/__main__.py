"""``python -m benchmarks [--record]``: what serves and streams, on the running home (`bali up`).

Ends with the soak, on services of its own, which takes by far the longest.
"""

import runpy

for name in ("neighbourhoods", "search", "rest", "streaming", "linking", "soak"):
    print(f"== {name}", flush=True)
    runpy.run_module(f"benchmarks.{name}", run_name="__main__")
