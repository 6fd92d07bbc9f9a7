"""The documentation as a site: ``make docs`` writes it to ``build/docs``, without a network."""

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent))

import reference

import bali

project = "BALI"
version = release = bali.__version__
copyright = "the BALI platform's authors, Apache-2.0"  # noqa: A001
extensions = ["myst_parser"]
myst_enable_extensions = ["colon_fence"]
myst_heading_anchors = 4
html_theme = "furo"
html_title = "BALI"
suppress_warnings = ["misc.highlighting_failure"]

reference.write(Path(__file__).parent / "reference")
