"""Print the lowest versions that extras allow, where other ones are installed, for pip to read."""

from __future__ import annotations

import sys
import tomllib
from importlib.metadata import version
from pathlib import Path

from packaging.requirements import Requirement
from packaging.version import Version

project = tomllib.loads((Path(__file__).parents[1] / "pyproject.toml").read_text("utf-8"))
extras = project["project"]["optional-dependencies"]
for need in (Requirement(need) for name in sys.argv[1:] for need in extras[name]):
    (lowest,) = (bound.version for bound in need.specifier if bound.operator in (">=", "=="))
    if need.marker and not need.marker.evaluate():
        continue
    if Version(version(need.name)) != Version(lowest):
        print(f"{need.name}=={lowest}")
