"""The ``bali`` command: the composition root, the only place that knows all three packages."""

from bali.cli.main import main

__all__ = ["main"]
