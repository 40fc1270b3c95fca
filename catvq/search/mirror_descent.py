"""Learns the assignment by mirror descent on held-out error; several restarts run as one batch.

The assignment-weighted held-out error of the scorer's categories is linear in the assignment, so its
gradient with respect to A[j, g] is the error of category g on feature j itself. The mirror step on the
simplex, A = softmax(-error / T), follows that gradient exactly; the temperature T is solved so that the mean
entropy falls along a schedule (deterministic annealing).

Source: Rose 1998, doi:10.1109/5.726788 (deterministic annealing); Beck and Teboulle 2003,
doi:10.1016/S0167-6377(02)00231-6 (mirror descent on the simplex).

Shapes: R restarts, B rows, D features, G categories.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
import torch.nn.functional as F
from numpy.typing import NDArray
from scipy.optimize import linear_sum_assignment
from sklearn.metrics import adjusted_rand_score
from torch import Tensor

from catvq.config import AssignmentWeights
from catvq.features.owners import ColumnOwners
from catvq.model.losses import assignment_balance_loss, assignment_family_loss, assignment_orthogonality_loss
from catvq.recipe import SEARCH_RESTARTS, SEARCH_STEPS
from catvq.search.scorer import HeldOutScorer
from catvq.state.checkpoint import Checkpoint, flatten_optimizer, restore_optimizer

LEARNING_RATE = 0.004
WARM_UP_STEPS = 50
DECAY_FROM = 0.7  # fraction of the search after which the scorer's learning rate falls linearly
ERROR_DECAY = 0.9  # of the moving average of errors: a slower one lags, a faster one is noisy
ALL_PAIRS_WEIGHT = 0.3  # trains every category to predict features that are not its own, too
ENTROPY_START, ENTROPY_END, ENTROPY_SETTLED_AT = 0.97, 0.03, 0.85
PRIOR_LOGIT, PRIOR_UNTIL = 3.0, 0.4  # strength of a given initial grouping, and when it has faded
PASSING_EVALUATION, FINAL_EVALUATION = (2, 1024), (8, 4096)  # draws of hidden cells, and maximum of rows
BISECTIONS = 24


@dataclass(frozen=True)
class SearchSummary:
    """Comparison of the restarts.

    Attributes:
        held_out_errors: Held-out error of each restart under its hard assignment.
        winner: Index of the restart with the lowest error.
        stability: Mean adjusted Rand index between the winner's grouping and the others'.
    """

    held_out_errors: list[float]
    winner: int
    stability: float


class AssignmentSearch:
    """Anneals R assignments towards categories whose features predict each other.

    Args:
        allowed: bool [D, G], on the device.
        starts: Initial groupings, each int64 [D]; restart i begins at starts[i], the others at random.
        weights: Weights of the assignment's own loss terms.
        family_one_hot: float32 [D, F], on the device.
        restarts: R.
        owners: Of the columns, on the device; every feature is a column when not given.
        leader: int64 [D], the feature that each follows into its category; none does when not given.
    """

    def __init__(
        self,
        allowed: Tensor,
        *,
        starts: Sequence[NDArray[np.int64]],
        weights: AssignmentWeights,
        family_one_hot: Tensor,
        restarts: int = SEARCH_RESTARTS,
        owners: ColumnOwners | None = None,
        leader: NDArray[np.int64] | None = None,
    ) -> None:
        num_features, num_categories = allowed.shape
        self._leader = None if leader is None else torch.from_numpy(leader).to(allowed.device)
        self.step_count = 0
        self.winner = 0
        self._held_out_errors: list[float] = []
        self._held_temperature: float | None = None
        self._allowed = allowed
        self._weights = weights
        self._family_one_hot = family_one_hot
        self._entropy_scale = allowed.sum(dim=1).float().log().mean()
        device = allowed.device
        self._order = torch.arange(num_categories, device=device)
        self._scorer = HeldOutScorer(
            restarts=restarts, num_categories=num_categories, num_features=num_features, owners=owners
        ).to(device)
        self._optimizer = torch.optim.Adam(self._scorer.parameters(), lr=LEARNING_RATE, fused=True)
        self._errors = 1 + 0.01 * torch.randn(restarts, num_features, num_categories).to(device)
        self._prior = torch.zeros(restarts, num_features, num_categories, device=device)
        for restart, start in enumerate(starts[:restarts]):
            self._prior[restart] = F.one_hot(torch.from_numpy(start), num_categories).float().to(device)
        self._temperatures, self._log_assignments = self._mirror_step()

    @property
    def progress(self) -> float:
        """Completed fraction of the search, in [0, 1]."""
        return min(1.0, self.step_count / SEARCH_STEPS)

    def step(self, features: Tensor, cells: Tensor | None = None) -> None:
        """Train all scorers on a batch, and update all assignments.

        Args:
            features: float32 [B, C].
            cells: float32 [B, C], how much each cell counts; all alike when not given.
        """
        self._scorer.train()
        for group in self._optimizer.param_groups:
            group["lr"] = LEARNING_RATE * self._rate_factor()
        assignments = self._log_assignments.exp()
        errors = self._scorer(features, assignments, cells).transpose(1, 2)  # [R, D, G]
        own = (assignments * errors).sum(dim=2).mean(dim=1)
        loss = (own + ALL_PAIRS_WEIGHT * errors.mean(dim=(1, 2))).sum()
        self._optimizer.zero_grad(set_to_none=True)
        loss.backward()
        self._optimizer.step()
        self.step_count += 1
        self._errors.lerp_(errors.detach() + self._own_gradient(assignments), 1 - ERROR_DECAY)
        self._temperatures, self._log_assignments = self._mirror_step()

    @torch.no_grad()
    def choose(self, features: Tensor, cells: Tensor | None = None, *, is_final: bool = False) -> None:
        """Select the restart with the lowest held-out error on the given rows as the winner.

        Restarts number their categories differently: a new winner's categories are matched to those of the
        previous one, so that a category keeps its number.

        Args:
            features: float32 [B, C].
            cells: float32 [B, C], how much each cell counts; all alike when not given.
            is_final: Use more rows and draws.
        """
        self._scorer.eval()
        hard = F.one_hot(self._log_assignments.argmax(dim=2), self._allowed.shape[1]).float()
        draws, rows = FINAL_EVALUATION if is_final else PASSING_EVALUATION
        features, cells = features[:rows], None if cells is None else cells[:rows]
        errors = torch.stack([self._scorer(features, hard, cells) for _ in range(draws)]).mean(dim=0)
        scores = (hard * errors.transpose(1, 2)).sum(dim=2).mean(dim=1)
        before = self.soft()
        winner = int(scores.argmin())
        if winner != self.winner:
            self._order = self._match(before, self._log_assignments[winner].exp())
        self.winner = winner
        self._held_out_errors = scores.tolist()

    @property
    def temperature(self) -> float:
        """Temperature of the winner."""
        return float(self._temperatures[self.winner])

    def hold_temperature(self, temperature: float | None) -> None:
        """Use this temperature for all restarts; None returns to that given by the entropy schedule."""
        self._held_temperature = temperature
        self._temperatures, self._log_assignments = self._mirror_step()

    def soft(self) -> Tensor:
        """Soft assignment of the winner, float32 [D, G]; rows sum to 1."""
        return self._log_assignments[self.winner][:, self._order].exp()

    def summary(self) -> SearchSummary:
        """Return the result of the last `choose`."""
        groupings = self._log_assignments.argmax(dim=2).cpu().numpy()
        others = [g for restart, g in enumerate(groupings) if restart != self.winner]
        agreement = [adjusted_rand_score(groupings[self.winner], other) for other in others]
        return SearchSummary(self._held_out_errors, self.winner, float(np.mean(agreement)))

    def save_into(self, tensors: dict[str, Tensor]) -> None:
        """Add the state of the search to `tensors`."""
        tensors |= {f"search.scorer.{name}": value for name, value in self._scorer.state_dict().items()}
        tensors |= flatten_optimizer(self._optimizer, "search.optimizer")
        tensors["search.errors"] = self._errors
        tensors["search.progress"] = torch.tensor([self.step_count, self.winner])
        tensors["search.order"] = self._order
        tensors["search.held_out_errors"] = torch.tensor(self._held_out_errors, dtype=torch.float64)

    def restore_from(self, checkpoint: Checkpoint) -> None:
        """Restore the state that `save_into` saved."""
        self._scorer.load_state_dict(checkpoint.section("search.scorer"))
        restore_optimizer(self._optimizer, checkpoint.section("search.optimizer"))
        self._errors = checkpoint.tensors["search.errors"].to(self._errors.device)
        self.step_count, self.winner = checkpoint.tensors["search.progress"].tolist()
        self._order = checkpoint.tensors["search.order"].to(self._errors.device)
        self._held_out_errors = checkpoint.tensors["search.held_out_errors"].tolist()
        self._temperatures, self._log_assignments = self._mirror_step()

    def _match(self, before: Tensor, after: Tensor) -> Tensor:
        """Return the order of `after`'s columns that best matches `before`, int64 [G]; both [D, G]."""
        overlap = before.T @ after
        # Categories of different families are never matched.
        allowed = self._allowed.float()
        is_same_family = (allowed.T @ allowed) > 0
        _, order = linear_sum_assignment(
            overlap.masked_fill(~is_same_family, -1.0).cpu().numpy(), maximize=True
        )
        return torch.from_numpy(order).to(after.device)

    def _rate_factor(self) -> float:
        warm_up = min(1.0, (self.step_count + 1) / WARM_UP_STEPS)
        return warm_up * min(1.0, max(0.02, (1 - self.progress) / (1 - DECAY_FROM)))

    def _own_gradient(self, assignments: Tensor) -> Tensor:
        """Gradient of the assignment's own loss terms, in units of the errors, float32 [R, D, G]."""
        weights = self._weights
        if weights == AssignmentWeights(0.0, 0.0, 0.0):
            return torch.zeros_like(assignments)
        assignments = assignments.detach().requires_grad_()

        def own_terms(assignment: Tensor) -> Tensor:
            return (
                weights.orthogonality * assignment_orthogonality_loss(assignment)
                + weights.balance * assignment_balance_loss(assignment)
                + weights.family * assignment_family_loss(assignment, self._family_one_hot)
            )

        (gradient,) = torch.autograd.grad(torch.vmap(own_terms)(assignments).sum(), assignments)
        return gradient * assignments.shape[1]

    @torch.no_grad()
    def _mirror_step(self) -> tuple[Tensor, Tensor]:
        """Return temperatures [R] that give the scheduled entropy, and log assignments [R, D, G]."""
        progress = min(1.0, self.progress / ENTROPY_SETTLED_AT)
        target = ENTROPY_START + (ENTROPY_END - ENTROPY_START) * progress
        errors = self._errors_together()
        low = torch.full((len(self._errors), 1, 1), math.log(1e-5), device=self._errors.device)
        high = torch.full_like(low, math.log(1e3))
        for _ in range(BISECTIONS):
            middle = (low + high) / 2
            probability = self._log_softmax(-errors / middle.exp()).exp()
            entropy = torch.special.entr(probability).sum(dim=2).mean(dim=1) / self._entropy_scale
            is_cold = (entropy < target).view(-1, 1, 1)
            low, high = torch.where(is_cold, middle, low), torch.where(is_cold, high, middle)
        temperature = ((low + high) / 2).exp()
        if self._held_temperature is not None:
            temperature = torch.full_like(temperature, self._held_temperature)
        hold = PRIOR_LOGIT * max(0.0, 1 - self.progress / PRIOR_UNTIL)
        log_assignments = self._log_softmax(-errors / temperature + hold * self._prior)
        return temperature.flatten(), log_assignments

    def _errors_together(self) -> Tensor:
        """Errors, the means of them for features that follow one, float32 [R, D, G]."""
        if self._leader is None:
            return self._errors
        member = F.one_hot(self._leader, len(self._leader)).float()
        means = torch.einsum("df,rdg->rfg", member, self._errors) / member.sum(dim=0).clamp_min(1).view(-1, 1)
        return means[:, self._leader]

    def _log_softmax(self, logits: Tensor) -> Tensor:
        return torch.log_softmax(logits.masked_fill(~self._allowed, -torch.inf), dim=2)
