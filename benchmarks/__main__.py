"""``python -m benchmarks [--record]``: what serves and streams, on the running home (`bali up`).

Ends with the soak, on services of its own, which takes by far the longest.
"""

import subprocess
import sys

NAMES = "neighbourhoods search rest streaming linking any_text link soak"

for name in NAMES.split():
    print(f"== {name}", flush=True)
    subprocess.run([sys.executable, "-m", f"benchmarks.{name}", *sys.argv[1:]], check=True)
