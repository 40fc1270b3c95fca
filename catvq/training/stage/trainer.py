"""What changes while training: model, assignment and their two optimisers, one step at a time.

Shapes: B rows, D features, C columns of them, G categories, S streams, F families.
"""

import copy
import math
from collections.abc import Callable, Mapping

import torch
from torch import Tensor

from catvq.config import RunConfig
from catvq.config.assignment import ASSIGNMENT_LR
from catvq.features.owners import ColumnOwners
from catvq.model.assignment import CategoryAssignment
from catvq.model.classical_start import start_classically
from catvq.model.codes.codebook import KMEANS_ITERATIONS
from catvq.model.losses import LossTerms, squared_error
from catvq.model.routing import HardRouting, Routing, SoftRouting
from catvq.model.vqvae import CategoricalVQVAE
from catvq.state.checkpoint import Checkpoint, flatten_optimizer, restore_optimizer
from catvq.state.rng import OwnRandomness
from catvq.training.stage.alternation import Learning
from catvq.training.stage.objective import (
    CodeCentroids,
    ObjectiveWeights,
    add_assignment_terms,
    model_terms,
)

EVALUATION_ROWS = 4096  # rows a chunk while evaluating: bounds memory, not results
DECAY_FROM = 0.5  # part of the run after which the model's rate falls
FINAL_RATE = 0.05  # of the model's rate, at the end


class Learner:
    """Takes gradient steps on the model and, until it is hardened, on the assignment.

    The model's parameters are in one optimiser and the logits in another, each clipped on its own. All
    randomness of a step comes from `randomness`, which belongs to the learner and is saved with it: enter its
    scope around every method that trains or places codes.

    Args:
        model: On `device`.
        assignment: On `device`.
        family_one_hot: float32 [D, F], on `device`.
        config: Rates and weights.
        device: Where to compute.
        owners: Of the columns, on `device`; every feature is a column when not given.
    """

    def __init__(
        self,
        model: CategoricalVQVAE,
        assignment: CategoryAssignment,
        *,
        family_one_hot: Tensor,
        config: RunConfig,
        device: torch.device,
        owners: ColumnOwners | None = None,
    ) -> None:
        self.model = model
        self.assignment = assignment
        self.device = device
        self.hard_routing: HardRouting | None = None
        # Several processes may compute it in place of this one.
        self.model_terms: Callable[..., tuple[LossTerms, CodeCentroids]] = model_terms
        self._family_one_hot = family_one_hot
        self._owners = owners or ColumnOwners.each_its_own(len(family_one_hot)).to(device)
        self._weights = ObjectiveWeights.from_config(config)
        self._learning_rate = config.training.learning_rate
        clip_norm, assignment_lr = config.training.gradient_clip_norm, config.assignment.assignment_lr
        self._clip_norm = math.inf if clip_norm is None else clip_norm
        self._model_optimizer = self._new_model_optimizer()
        self._assignment_optimizer = torch.optim.Adam(
            assignment.parameters(), lr=ASSIGNMENT_LR if assignment_lr is None else assignment_lr, fused=True
        )
        self.randomness = OwnRandomness(config.training.seed, device)

    def harden(self) -> None:
        """Fix the present grouping: from now on only the model learns."""
        self.hard_routing = self._present_routing()

    def routing(self) -> Routing:
        """The route of this step: hard once hardened, else by the assignment (noisy only in training)."""
        return self.hard_routing or SoftRouting(self._owners.share(self.assignment()))

    def step(
        self,
        features: Tensor,
        cells: Tensor | None = None,
        *,
        progress: float,
        learning: Learning = Learning.BOTH,
    ) -> Tensor:
        """One gradient step on a batch.

        Args:
            features: float32 [B, C].
            cells: float32 [B, C], how much each cell counts in the reconstruction; all alike when not given.
            progress: Part of the run that is done, in [0, 1); sets the model's rate.
            learning: What moves, codebooks with the model; a hardened assignment never does.

        Returns:
            The loss terms in the order of LOSS_NAMES, float32, on the device.
        """
        self.model.train()
        self.assignment.train()
        for group in self._model_optimizer.param_groups:
            group["lr"] = self._learning_rate * rate_factor(progress)
        self._model_optimizer.zero_grad(set_to_none=True)
        self._assignment_optimizer.zero_grad(set_to_none=True)
        terms, centroids = self.model_terms(
            features,
            self.model,
            self.routing(),
            self._weights,
            columns_per_feature=self._owners.per_feature,
            cells=cells,
        )
        if self.hard_routing is None:
            soft = self.assignment.soft()
            terms = add_assignment_terms(terms, soft, self._family_one_hot, self._weights.assignment)
        terms.total.backward()  # type: ignore[no-untyped-call]
        if learning is Learning.ASSIGNMENT:
            self.model.codebooks.count(centroids.counts)
        else:
            torch.nn.utils.clip_grad_norm_(self.model.parameters(), self._clip_norm)
            self._model_optimizer.step()
            self.model.codebooks.update(centroids.sums.detach(), centroids.counts)
        if self.hard_routing is None and learning is not Learning.MODEL:
            torch.nn.utils.clip_grad_norm_(self.assignment.parameters(), self._clip_norm)
            self._assignment_optimizer.step()
        return terms.stacked()

    def started_anew(
        self,
        sample: Tensor,
        iterations: int = KMEANS_ITERATIONS,
        should_stop: Callable[[], bool] = lambda: False,
    ) -> CategoricalVQVAE:
        """A model that starts from a sample, float32 [B, C], in the present grouping.

        Raises:
            Interrupted: `should_stop` said so, which is asked while codes are placed.
        """
        model = copy.deepcopy(self.model)
        grouping = self._owners.spread(self.assignment.grouping())
        start_classically(
            model, sample, grouping, self.routing(), iterations=iterations, should_stop=should_stop
        )
        return model

    def adopt(self, state: Mapping[str, Tensor]) -> None:
        """Go on with a model of the same shape, given as its tensors; its optimiser begins anew."""
        self.model.load_state_dict(state)
        self._model_optimizer = self._new_model_optimizer()

    def revive_dead_codes(self, sample: Tensor) -> Tensor:
        """Move the codes that the window never used onto latents of a sample, float32 [B, C].

        Returns:
            Number of codes moved in each stream, int64 [S].
        """
        return self.model.codebooks.revive_dead(self.latents(sample))

    @torch.no_grad()
    def latents(self, features: Tensor) -> Tensor:
        """Latents of every category without noise or dropout, float32 [B, C] -> [G, B, E]."""
        self.model.eval()
        self.assignment.eval()
        return self.model.latents(features, self.routing())

    def reconstruction_error(
        self,
        features: Tensor,
        cells: Tensor | None = None,
        *,
        hard: bool = False,
        model: CategoricalVQVAE | None = None,
    ) -> float:
        """Mean squared reconstruction error without noise or dropout, float32 [B, C] -> number.

        Args:
            features: float32 [B, C], at least one row.
            cells: float32 [B, C], how much each cell counts, 1 in the mean; all alike when not given.
            hard: Route by the present grouping even when not hardened yet.
            model: In place of the learner's own.
        """
        return float(self.row_errors(features, cells, hard=hard, model=model).mean())

    @torch.no_grad()
    def row_errors(
        self,
        features: Tensor,
        cells: Tensor | None = None,
        *,
        hard: bool = True,
        model: CategoricalVQVAE | None = None,
    ) -> Tensor:
        """Mean squared error of a feature in each row, float32 [B, C] -> float64 [B]; else as above."""
        model = (self.model if model is None else model).eval()
        self.assignment.eval()
        routing = self.routing()
        if hard and self.hard_routing is None:
            routing = self._present_routing()
        means = []
        for start in range(0, len(features), EVALUATION_ROWS):
            chunk = features[start : start + EVALUATION_ROWS]
            counted = None if cells is None else cells[start : start + EVALUATION_ROWS]
            error = squared_error(model(chunk, routing).reconstructed, chunk, counted)
            means.append(error.double().mean(dim=1))
        return torch.cat(means) * self._owners.per_feature

    def _present_routing(self) -> HardRouting:
        grouping = self._owners.spread(self.assignment.grouping())
        return HardRouting.from_grouping(grouping, self.assignment.logits.shape[1])

    def _new_model_optimizer(self) -> torch.optim.Adam:
        return torch.optim.Adam(self.model.parameters(), lr=self._learning_rate, fused=True)

    def save_into(self, tensors: dict[str, Tensor]) -> None:
        """Add everything a resumed learner needs to `tensors`."""
        tensors |= {f"model.{name}": value for name, value in self.model.state_dict().items()}
        tensors |= {f"assignment.{name}": value for name, value in self.assignment.state_dict().items()}
        tensors |= flatten_optimizer(self._model_optimizer, "model_optimizer")
        tensors |= flatten_optimizer(self._assignment_optimizer, "assignment_optimizer")
        self.randomness.save_into(tensors)

    def restore_from(self, checkpoint: Checkpoint, *, hardened: bool) -> None:
        """Put back what `save_into` took."""
        self.model.load_state_dict(checkpoint.section("model"))
        self.assignment.load_state_dict(checkpoint.section("assignment"))
        restore_optimizer(self._model_optimizer, checkpoint.section("model_optimizer"))
        restore_optimizer(self._assignment_optimizer, checkpoint.section("assignment_optimizer"))
        self.randomness.restore_from(checkpoint)
        if hardened:
            self.harden()


def rate_factor(progress: float) -> float:
    """Factor of the model's learning rate: 1 in the first half, then a cosine down to FINAL_RATE."""
    if progress <= DECAY_FROM:
        return 1.0
    phase = (progress - DECAY_FROM) / (1 - DECAY_FROM)
    return FINAL_RATE + (1 - FINAL_RATE) * (1 + math.cos(math.pi * phase)) / 2
