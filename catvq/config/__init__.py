"""The configuration of a training run: frozen sections that say each setting's type, range and meaning once.

Null means the recipe's own value, "auto" means worked out from the data; `catvq.recipe` fills both in. The
service validates and documents the body of a job by these same classes. Imports no other room, and no torch.
"""

from catvq.config.assignment import (
    AssignmentSettings,
    AssignmentWeights,
    Estimator,
    ScheduleKind,
    StageOrder,
)
from catvq.config.features import CleaningSettings, FeatureSettings, matches
from catvq.config.model import LevelSettings, ModelSettings, SeriesSettings
from catvq.config.run import RunConfig
from catvq.config.training import HeldOutDatasets, HeldOutPart, ReportSettings, TrainingSettings
from catvq.config.values import MAX_CATEGORIES

__all__ = [
    "MAX_CATEGORIES",
    "AssignmentSettings",
    "AssignmentWeights",
    "CleaningSettings",
    "Estimator",
    "FeatureSettings",
    "HeldOutDatasets",
    "HeldOutPart",
    "LevelSettings",
    "ModelSettings",
    "ReportSettings",
    "RunConfig",
    "ScheduleKind",
    "SeriesSettings",
    "StageOrder",
    "TrainingSettings",
    "matches",
]
