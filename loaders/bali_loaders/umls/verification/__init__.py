"""A graph held against its release, whose lines are read independently of the transform."""

from bali_loaders.umls.verification.verify import Verification, verify

__all__ = ["Verification", "verify"]
