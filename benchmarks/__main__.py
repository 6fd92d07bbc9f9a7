"""``python -m benchmarks``: run every benchmark that the running home can serve."""

import runpy

for name in ("neighbourhoods", "rest", "streaming", "linking"):
    print(f"== {name}", flush=True)
    runpy.run_module(f"benchmarks.{name}", run_name="__main__")
