"""The workers' task: link a piece of a corpus that is in the store."""

from __future__ import annotations

import logging

from bali_loaders.corpora.handing_out import do_task
from bali_platform.base.errors import BaliError
from bali_platform.base.settings import load_settings
from bali_platform.jobs.app import app
from bali_platform.services.artefacts import open_store

LINK = "bali.link_files"

logger = logging.getLogger(__name__)


@app.task(name=LINK, ignore_result=True, acks_late=True)
def link_files(plan: str, name: str) -> None:
    """Do a task of a plan; one that cannot be done here now is asked for again."""
    settings = load_settings()
    store = open_store(settings, "linking", plan)
    try:
        if store is None:
            raise BaliError("this worker has no store: set BALI_STORE to the one of the others")
        do_task(store, name, settings)
    except BaliError as error:
        logger.warning("task %s is left to others: %s", name, error)
