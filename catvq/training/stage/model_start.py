"""How a model's training begins: from which rows it starts, and how far they are moved.

Shapes: N training rows, D features.
"""

import math
from collections.abc import Callable

import numpy as np
import torch
from torch import Tensor

from catvq.features.row_weights import draw_rows
from catvq.features.rows import RunData
from catvq.model.codes.codebook import KMEANS_ITERATIONS
from catvq.model.smoothing import SPREADS, Smoother
from catvq.model.vqvae import CategoricalVQVAE
from catvq.recipe import choose_sample_size
from catvq.state.rng import OwnRandomness
from catvq.training.stage.best_model import BestModel
from catvq.training.stage.trainer import Learner

START_ROWS = 4096  # most rows that a model starts from
TRIAL_ROWS, TRIAL_ITERATIONS = 2048, 8  # the same where only its spread is judged, and of its k-means
DRAWN_PER_ROW = 16  # around each training row: more would tell no more
# Rows that judge a spread, of as many parts as it takes: 57 chose wrongly in two of three splits.
JUDGES = 512
PARTS = 4  # of the training rows; one at a time judges
JUDGED = 0.98  # of them: one outlier may have more error than all others together


class Starter:
    """Starts the models of a run on training rows, moved as far as it pays.

    A start on the rows themselves is a candidate for the best model, too. What the soft assignment trains
    needs no careful start: where features move, a start in the final grouping competes with it.

    Args:
        data: What the run learns from.
        smoother: Of its training rows.
        seed: Of the run.
    """

    def __init__(self, data: RunData, smoother: Smoother, *, seed: int) -> None:
        self._data = data
        self._smoother = smoother
        self._seed = seed

    def begin(
        self,
        learner: Learner,
        successor: Learner | None,
        best: BestModel,
        *,
        should_stop: Callable[[], bool],
    ) -> float:
        """Start both learners, and offer the hard one as the best model so far; returns how far rows moved.

        Args:
            learner: Trained by the present assignment.
            successor: Trained by the hard starting grouping while the other is soft; else None.
            best: Kept up to date.
            should_stop: Asked all the while.

        Raises:
            Interrupted: `should_stop` said so; nothing has changed.
        """
        hard = successor or learner
        with hard.randomness.attempt():
            spread = choose_spread(hard, self._data, seed=self._seed, should_stop=should_stop)
            start = self._new(hard, spread, should_stop)
            plain = self._new(hard, 0.0, should_stop) if spread else None
            if successor is not None:
                with learner.randomness.attempt():
                    soft = self._new(learner, spread, should_stop, iterations=TRIAL_ITERATIONS)
                    learner.adopt(soft.state_dict())
        hard.adopt(start.state_dict())
        best.offer(hard)
        if plain is not None:
            best.offer(hard, plain)
        return spread

    def begin_anew_if_better(self, learner: Learner, best: BestModel, spread: float) -> None:
        """Leave what the soft assignment has trained where a start in the fixed grouping is better."""
        error = best.offer(learner)
        if error is None:
            return
        with OwnRandomness(self._seed + 2, self._data.device).scope():
            start, plain = self._new(learner, spread), self._new(learner, 0.0)
        anew = best.offer(learner, start)
        if anew is not None and anew < error:
            learner.adopt(start.state_dict())
        best.offer(learner, plain)

    def _new(
        self,
        learner: Learner,
        spread: float,
        should_stop: Callable[[], bool] = lambda: False,
        *,
        iterations: int = KMEANS_ITERATIONS,
    ) -> CategoricalVQVAE:
        return learner.started_anew(start_rows(self._smoother, spread), iterations, should_stop)


def choose_spread(
    learner: Learner, data: RunData, *, seed: int, should_stop: Callable[[], bool] = lambda: False
) -> float:
    """The spread whose start has the least error on training rows that are set aside, one part after another.

    Larger ones are tried as long as the error falls.

    Args:
        learner: Stays as it is.
        data: What the run learns from.
        seed: Of the parts.
        should_stop: Asked all the while.

    Raises:
        Interrupted: `should_stop` said so.
    """
    order = torch.from_numpy(np.random.default_rng([seed, 3]).permutation(len(data.split.train)))
    order = order[: choose_sample_size(data.features.shape[1])]
    parts = data.train_rows[order.to(data.device)].tensor_split(PARTS)
    needed = min(PARTS, math.ceil(JUDGES / max(1, len(parts[0]))))
    trials = [
        (_smoother(data, torch.cat(parts[:part] + parts[part + 1 :]), seed=seed), parts[part][:JUDGES])
        for part in range(needed)
    ]
    best, least = SPREADS[0], math.inf
    for spread in SPREADS:
        errors = [
            learner.row_errors(
                data.features[judges],
                data.cells(judges),
                model=learner.started_anew(
                    start_rows(smoother, spread, TRIAL_ROWS), TRIAL_ITERATIONS, should_stop
                ),
            )
            for smoother, judges in trials
        ]
        judged = torch.cat(errors).sort().values
        error = float(judged[: math.ceil(JUDGED * len(judged))].mean())
        if error >= least:
            break
        best, least = spread, error
    return best


def _smoother(data: RunData, rows: Tensor, *, seed: int) -> Smoother:
    weights = None if data.weights is None else data.weights[rows.cpu().numpy()]
    return Smoother(data.features, rows, seed=seed, weights=weights)


def start_rows(smoother: Smoother, spread: float, most: int = START_ROWS) -> Tensor:
    """Rows to start a model from, float32 [at most `most`, D].

    None comes twice where they are not moved, unless rows have weights.
    """
    number = smoother.num_rows
    is_each_once = spread == 0 and smoother.weights is None
    drawn = min(most, number if spread == 0 else DRAWN_PER_ROW * number)
    picks = torch.randperm(number)[:most] if is_each_once else draw_rows(number, drawn, smoother.weights)
    return smoother.draw(picks.to(smoother.device), spread)
