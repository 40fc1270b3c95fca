"""What cleaning did to each feature, as the report tells it."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from catvq.cleaning.cleaner import FeatureCleaner
from catvq.cleaning.kept_columns import CONSTANT


@dataclass(frozen=True, kw_only=True)
class CleanedFeature:
    """What was done to an uploaded feature.

    Attributes:
        clipped: Cells that were clipped; of a channel, those of its descriptors.
        fill: What stands for a missing cell; this and the following are None of what is no number.
    """

    name: str
    status: str
    duplicate_of: str | None
    missing: int
    clipped: int
    fill: float | None
    lower: float | None
    upper: float | None
    centre: float | None
    scale: float | None


def describe_cleaning(cleaner: FeatureCleaner, features: Sequence[str]) -> list[CleanedFeature]:
    """Tell for each uploaded feature what was done to it."""
    clipped = np.bincount(cleaner.columns.feature, cleaner.clipped)
    is_number = (cleaner.num_values == 0) & (cleaner.num_descriptors == 0)
    is_duplicate = (cleaner.stands_on != CONSTANT) & (cleaner.stands_on != np.arange(len(features)))
    numbers = (cleaner.fill, cleaner.lower, cleaner.upper, cleaner.centre, cleaner.scale)
    described = []
    for index, (name, column) in enumerate(zip(features, cleaner.columns.first, strict=True)):
        fill, lower, upper, centre, scale = (
            float(values[column]) if is_number[index] else None for values in numbers
        )
        described.append(
            CleanedFeature(
                name=name,
                status=cleaner.status(index),
                duplicate_of=features[cleaner.stands_on[index]] if is_duplicate[index] else None,
                missing=int(cleaner.missing[column]),
                clipped=int(clipped[index]),
                fill=fill,
                lower=lower,
                upper=upper,
                centre=centre,
                scale=scale,
            )
        )
    return described
