"""RRF releases: read one, download one, or make one."""

from bali_loaders.releases.release import Release, ReleaseFile

__all__ = ["Release", "ReleaseFile"]
