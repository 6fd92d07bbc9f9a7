"""What hierarchies and maps cost a load: ``python -m benchmarks.hierarchies RELEASE [--record]``.

Loads the release folder (``bali release synthetic`` makes them in any size) into the home without
them, and then with them, which stays live: ``benchmarks.terminology`` can follow. The folder is
read through once before. Prints JSON. Better in a home of its own.
"""

from __future__ import annotations

import argparse
import json
from pathlib import Path
from typing import Any

from bali_loaders.umls import LoadOptions, load
from bali_platform import services
from bali_platform.base.settings import load_settings
from benchmarks.load import described, read_once
from benchmarks.meter import Meter, StepMeter
from benchmarks.record import record

OPTIONS = {"without": LoadOptions(), "with": LoadOptions(hierarchies=True, maps=True)}


def measure(release: Path) -> dict[str, Any]:
    """Load a release both ways, and return the numbers by name."""
    settings = load_settings()
    read_once(release)
    found: dict[str, Any] = {}
    try:
        with Meter() as meter:
            for name, options in OPTIONS.items():
                steps = StepMeter(meter, {})
                with meter.measure() as whole:
                    loaded = load(release, options, settings, force=True, reporter=steps)
                report = loaded.report
                found["rows"] = sum(map(report.rows, report.files))
                found[name] = described(whole, steps.steps) | {
                    "below": report.relationships.get("BELOW", 0),
                    "mappings": report.nodes["Mapping"],
                }
    finally:
        services.down(settings)
    found["with_over_without"] = round(found["with"]["seconds"] / found["without"]["seconds"], 2)
    return found


def main() -> None:
    """Measure, print, and keep the result if that is asked for."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("release", type=Path)
    parser.add_argument("--record", action="store_true", help="keep it in benchmarks/results")
    arguments = parser.parse_args()
    result = measure(arguments.release)
    if arguments.record:
        record("hierarchies", result)
    print(json.dumps(result, indent=2))


if __name__ == "__main__":
    main()
