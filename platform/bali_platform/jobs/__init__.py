"""Jobs: their records, the leases on them, and the Celery workers that run them."""

from bali_platform.jobs.code import code_version
from bali_platform.jobs.connection import connect
from bali_platform.jobs.model import Event, Job, JobState
from bali_platform.jobs.reporter import JobReporter, LeaseLostError
from bali_platform.jobs.store import JobNotFoundError, JobStore

__all__ = [
    "Event",
    "Job",
    "JobNotFoundError",
    "JobReporter",
    "JobState",
    "JobStore",
    "LeaseLostError",
    "code_version",
    "connect",
]
