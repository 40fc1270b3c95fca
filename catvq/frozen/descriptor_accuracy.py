"""How well the descriptors of channels come back after the way through the codes.

Shapes: N rows, C' active columns, S streams.
"""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from catvq.cleaning.cleaner import FeatureCleaner
from catvq.features.rows import RunData
from catvq.features.table import FeatureTable
from catvq.frozen.weights import FrozenWeights
from catvq.recipe import choose_sample_size

MAX_ROWS = 20_000  # of test rows


@dataclass(frozen=True)
class ChannelAccuracy:
    """How well a channel comes back.

    Attributes:
        rebuilt: By descriptor the share of its variance that comes back on test rows, 1 where it does exactly
            and 0 or less where its mean would be as good; None for one that does not vary there.
    """

    name: str
    rebuilt: Mapping[str, float | None]


def describe_channels(
    table: FeatureTable,
    cleaner: FeatureCleaner,
    weights: FrozenWeights,
    data: RunData,
    *,
    codes: Tensor,
) -> list[ChannelAccuracy]:
    """Tell of each channel that is learnt from how well its descriptors are rebuilt.

    Args:
        table: The uploaded table.
        cleaner: Fitted on its training rows.
        weights: The frozen weights.
        data: Its rows, normalised.
        codes: int64 [N, S].

    Returns:
        Empty without test rows.
    """
    rows = torch.from_numpy(data.split.test[: min(MAX_ROWS, choose_sample_size(data.features.shape[1]))])
    if not table.others or not len(rows):
        return []
    sent = data.features.cpu()[rows].double()
    if data.present is not None:
        sent.masked_fill_(~data.present.cpu()[rows], torch.nan)
    missed = (weights.decode(codes[rows]).double() - sent).square().nanmean(dim=0)
    variance = (sent - sent.nanmean(dim=0)).square().nanmean(dim=0)
    of_column = [
        1 - error / own if own > 0 else None
        for error, own in zip(missed.tolist(), variance.tolist(), strict=True)
    ]
    rebuilt = dict(zip(cleaner.active_columns.tolist(), of_column, strict=True))
    names = [family.descriptors for family in table.channel_families for _ in family.channels]
    channels = np.flatnonzero(cleaner.num_descriptors)
    return [
        ChannelAccuracy(
            table.features[channel],
            {
                name: rebuilt.get(int(cleaner.columns.first[channel]) + place)
                for place, name in enumerate(own)
            },
        )
        for channel, own in zip(channels, names, strict=True)
        if cleaner.status(int(channel)) == "kept"
    ]
