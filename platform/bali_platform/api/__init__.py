"""REST API and dashboard."""

from bali_platform.api.server import serve

__all__ = ["serve"]
