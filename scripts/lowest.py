"""Print the lowest versions that extras allow, for pip to read."""

from __future__ import annotations

import sys
import tomllib
from pathlib import Path

project = tomllib.loads((Path(__file__).parents[1] / "pyproject.toml").read_text("utf-8"))
extras = project["project"]["optional-dependencies"]
for need in (need for name in sys.argv[1:] for need in extras[name]):
    required, mark, condition = need.partition(";")
    print(required.split(",")[0].replace(">=", "=="), mark, condition)
