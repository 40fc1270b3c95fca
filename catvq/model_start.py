"""How a model's training begins: how far rows are moved before they train it, and from which rows it starts.

Shapes: N training rows, D features.
"""

import math

import numpy as np
import torch
from torch import Tensor

from catvq.learner import Learner
from catvq.run_data import RunData
from catvq.smoothing import SPREADS, Smoother

START_ROWS = 4096  # most rows that a model starts from
TRIAL_ROWS = 2048  # the same where only its spread is judged
DRAWN_PER_ROW = 16  # around each training row: more would tell no more
JUDGES = (
    1024  # rows that judge a spread, of as many parts as it takes: 57 chose wrongly in three of six splits
)
PARTS = 4  # of the training rows; one at a time judges


def choose_spread(learner: Learner, data: RunData, *, seed: int) -> float:
    """The spread whose start has the least error on training rows that are set aside, one part after another.

    Args:
        learner: Stays as it is.
        data: What the run learns from.
        seed: Of the parts.
    """
    order = torch.from_numpy(np.random.default_rng([seed, 3]).permutation(len(data.split.train)))
    parts = data.train_rows[order.to(data.device)].tensor_split(PARTS)
    needed = min(PARTS, math.ceil(JUDGES / max(1, len(parts[0]))))
    errors = np.zeros(len(SPREADS))
    for part in range(needed):
        rest = torch.cat([rows for number, rows in enumerate(parts) if number != part])
        smoother, judges = Smoother(data.features, rest, seed=seed), data.features[parts[part][:JUDGES]]
        for number, spread in enumerate(SPREADS):
            start = learner.started_anew(start_rows(smoother, spread, TRIAL_ROWS))
            errors[number] += learner.reconstruction_error(judges, hard=True, model=start)
    return SPREADS[int(errors.argmin())]


def start_rows(smoother: Smoother, spread: float, most: int = START_ROWS) -> Tensor:
    """Rows to start a model from, float32 [at most `most`, D]; none twice where they are not moved."""
    number = smoother.num_rows
    drawn = min(most, DRAWN_PER_ROW * number)
    picks = torch.randperm(number)[:most] if spread == 0 else torch.randint(number, (drawn,))
    return smoother.draw(picks.to(smoother.device), spread)
