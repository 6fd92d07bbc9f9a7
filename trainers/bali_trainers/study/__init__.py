"""Studies: many models, trained and compared by one file, with honest statistics."""

from bali_trainers.study.config import StudyConfig, load_study
from bali_trainers.study.grid import Model, expand, training_config
from bali_trainers.study.outcomes import StudyFolder
from bali_trainers.study.report import write_report
from bali_trainers.study.results import StudyReport, report_study
from bali_trainers.study.run import run_study, study_folder
from bali_trainers.study.summary import summarise
from bali_trainers.study.testing import run_tests

__all__ = [
    "Model",
    "StudyConfig",
    "StudyFolder",
    "StudyReport",
    "expand",
    "load_study",
    "report_study",
    "run_study",
    "run_tests",
    "study_folder",
    "summarise",
    "training_config",
    "write_report",
]
