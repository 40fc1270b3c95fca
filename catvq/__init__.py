"""The learning core of catvq: learnt feature categories and their VQ-VAE, in pure torch.

Importing it loads no torch; the names below are loaded when they are first used.
"""

from importlib import import_module
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from catvq.config import RunConfig
    from catvq.features.table import FeatureTable
    from catvq.frozen.artifact import FrozenModel
    from catvq.frozen.table_encoder import TableEncoder
    from catvq.training.run import TrainingRun

__all__ = ["FeatureTable", "FrozenModel", "RunConfig", "TableEncoder", "TrainingRun"]

_MODULES = {
    "FeatureTable": "catvq.features.table",
    "FrozenModel": "catvq.frozen.artifact",
    "RunConfig": "catvq.config",
    "TableEncoder": "catvq.frozen.table_encoder",
    "TrainingRun": "catvq.training.run",
}


def __getattr__(name: str) -> object:
    if name not in _MODULES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(_MODULES[name]), name)


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
