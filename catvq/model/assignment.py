"""The learnt assignment of features to categories: soft, noisy or one-hot, computed from logits.

Shapes: D features, G categories.
"""

from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from catvq.errors import ConfigError, ShapeError

ESTIMATORS = ("softmax", "gumbel", "straight_through", "reinmax", "sinkhorn")
TEMPERATURE_FLOOR = 1e-3  # below it float32 softmax of ordinary logits is one-hot or NaN
SINKHORN_ITERATIONS = 10  # balanced within 1% at temperature 1; more would cost time in each step


@dataclass(frozen=True)
class AssignmentConfidence:
    """Most probable categories of each feature, and their confidence.

    Attributes:
        category: int64 [D], the most probable category.
        confidence: float32 [D], its probability.
        runner_up: int64 [D], the second most probable category; -1 if only one is allowed.
    """

    category: Tensor
    confidence: Tensor
    runner_up: Tensor


class CategoryAssignment(nn.Module):
    """Learns which category each feature belongs to.

    Training may add noise; evaluation does not, so repeated calls agree. The temperature is a buffer: it is
    saved with the weights. Where `allowed` is false the probability is exactly zero; per-family
    (block-diagonal) assignments are built this way.

    With "sinkhorn" the soft assignment, in training and evaluation, is pulled towards categories of equal
    size. A fixed number of iterations has little effect on logits that lead by many temperatures, so clearly
    learnt categories prevail as the temperature falls.

    Source: Jang et al. 2017, arXiv:1611.01144, section 2.1 (gumbel) and 2.2 (straight-through); Liu et al.
    2023, arXiv:2304.08612, section 4 (reinmax); Cuturi 2013, arXiv:1306.0895, section 4 (sinkhorn).

    Args:
        logits: float32 [D, G], initial values.
        allowed: bool [D, G] or None (all); every feature needs at least one allowed category.
        estimator: One of ESTIMATORS.
        temperature: Starting value, above 0, no unit. Lower is closer to one-hot.
        leader: int64 [D], the feature whose logits each feature has; its own when not given.

    Raises:
        ShapeError: `logits` is not a matrix, or `allowed` has another shape.
        ConfigError: The estimator is unknown, the temperature not positive, or a feature has no category.
    """

    allowed: Tensor
    temperature: Tensor
    leader: Tensor | None

    def __init__(
        self,
        logits: Tensor,
        *,
        allowed: Tensor | None = None,
        estimator: str = "softmax",
        temperature: float = 1.0,
        leader: Tensor | None = None,
    ) -> None:
        super().__init__()
        if logits.ndim != 2 or 0 in logits.shape:
            raise ShapeError(f"logits need shape [D, G], got {tuple(logits.shape)}")
        if allowed is None:
            allowed = torch.ones_like(logits, dtype=torch.bool)
        if allowed.shape != logits.shape:
            raise ShapeError(f"allowed needs shape {tuple(logits.shape)}, got {tuple(allowed.shape)}")
        if not bool(allowed.any(dim=1).all()):
            raise ConfigError("every feature needs at least one allowed category")
        if estimator not in ESTIMATORS:
            raise ConfigError(f"estimator must be one of {', '.join(ESTIMATORS)}, got {estimator!r}")
        self.estimator = estimator
        self.logits = nn.Parameter(logits.detach().clone().float())
        self.register_buffer("allowed", allowed.clone())
        self.register_buffer("temperature", torch.tensor(1.0))
        self.register_buffer("leader", leader, persistent=False)
        self.set_temperature(temperature)

    def set_temperature(self, temperature: float) -> None:
        """Set the temperature; values below the floor are raised to it.

        Raises:
            ConfigError: The temperature is not above 0.
        """
        if not temperature > 0:
            raise ConfigError(f"temperature must be above 0, got {temperature}")
        self.temperature.fill_(max(temperature, TEMPERATURE_FLOOR))

    @torch.no_grad()
    def join(self, category: int, into: int) -> None:
        """Merge a category into another: `into` gets its probability, and no feature may join it any more.

        Args:
            category: The category to remove; features that may join it must be allowed to join `into`.
            into: The remaining category.
        """
        scores = (self._own_logits() / self.temperature).masked_fill(~self.allowed, -torch.inf)
        joined = torch.logaddexp(scores[:, category], scores[:, into]) * self.temperature
        self.logits[:, into] = torch.where(self.allowed[:, into], joined, self.logits[:, into])
        self.allowed[:, category] = False

    def forward(self) -> Tensor:
        """Return the assignment for routing; in training it is noisy or one-hot, depending on the estimator.

        Returns:
            float32 [D, G]; rows sum to 1; zero where not allowed.
        """
        if not self.training or self.estimator in {"softmax", "sinkhorn"}:
            return self.soft()
        if self.estimator == "reinmax":
            return self._reinmax()
        noise = -torch.empty_like(self.logits).exponential_().log()
        noisy = self._own_logits() + (noise if self.leader is None else noise[self.leader])
        sample = masked_softmax(noisy / self.temperature, self.allowed)
        if self.estimator == "gumbel":
            return sample
        one_hot = F.one_hot(sample.argmax(dim=1), sample.shape[1]).to(sample.dtype)
        return one_hot + (sample - sample.detach())

    def soft(self) -> Tensor:
        """Noise-free soft assignment, float32 [D, G]; rows sum to 1."""
        scores = self._own_logits() / self.temperature
        if self.estimator == "sinkhorn":
            scores = scores + balancing_potentials(scores, self.allowed)
        return masked_softmax(scores, self.allowed)

    def grouping(self) -> Tensor:
        """Most probable category of each feature, int64 [D]; the lower index wins a tie."""
        return self.soft().argmax(dim=1)

    def hard(self) -> Tensor:
        """One-hot assignment, float32 [D, G]."""
        return F.one_hot(self.grouping(), self.logits.shape[1]).to(self.logits.dtype)

    def confidence(self) -> AssignmentConfidence:
        """Category, confidence and runner-up of each feature at the current temperature."""
        return assignment_confidence(self.soft().detach(), self.allowed)

    def _own_logits(self) -> Tensor:
        """The logits that each feature has, float32 [D, G]; the gradient is the same in every run."""
        if self.leader is None:
            return self.logits
        return F.one_hot(self.leader, len(self.logits)).to(self.logits.dtype) @ self.logits

    def _reinmax(self) -> Tensor:
        """Sample a one-hot assignment, with a gradient that is accurate to second order.

        The mean gradient is exact if the loss is quadratic in the sample. The temperature scales the logits,
        so that annealing reduces the noise.
        """
        scores = self._own_logits() / self.temperature
        soft = masked_softmax(scores.detach(), self.allowed)
        drawn = torch.multinomial(soft, 1).squeeze(1)
        drawn = drawn if self.leader is None else drawn[self.leader]
        sample = F.one_hot(drawn, soft.shape[1]).to(soft.dtype)
        slope = 2 * softmax_slope((sample + soft) / 2, scores) - softmax_slope(soft, scores) / 2
        return sample + (slope - slope.detach())


def masked_softmax(scores: Tensor, allowed: Tensor) -> Tensor:
    """Softmax over the allowed categories, float32 [D, G]; exactly zero elsewhere."""
    return torch.softmax(scores.masked_fill(~allowed, -torch.inf), dim=1)


def softmax_slope(soft: Tensor, scores: Tensor) -> Tensor:
    """Linearised softmax: linear in `scores`, with the softmax's slope at `soft`, float32 [D, G].

    Args:
        soft: float32 [D, G], rows sum to 1, held fixed.
        scores: float32 [D, G], finite.
    """
    return soft * (scores - (soft * scores).sum(dim=1, keepdim=True))


def balancing_potentials(scores: Tensor, allowed: Tensor) -> Tensor:
    """Sinkhorn potentials: offsets of the categories' scores that make the softmax fill all equally.

    A feature's target is spread evenly over the categories that it may join, so in a block-diagonal
    assignment every family is balanced separately. A category that no feature may join gets 0.

    Args:
        scores: float32 [D, G], finite.
        allowed: bool [D, G].

    Returns:
        float32 [G]; the gradient flows through all iterations.
    """
    share = (allowed / allowed.sum(dim=1, keepdim=True)).sum(dim=0)
    potentials = torch.zeros_like(share)
    # Finite where not allowed: a column of -inf would have no gradient.
    scores = scores.masked_fill(~allowed, torch.finfo(scores.dtype).min / 4)
    for _ in range(SINKHORN_ITERATIONS):
        filled = torch.log_softmax(scores + potentials, dim=1).logsumexp(dim=0)
        potentials = torch.where(share > 0, potentials + share.log() - filled, 0.0)
    return potentials


def assignment_confidence(soft: Tensor, allowed: Tensor) -> AssignmentConfidence:
    """Compute category, confidence and runner-up of each feature from a soft assignment.

    Args:
        soft: float32 [D, G], rows sum to 1.
        allowed: bool [D, G].
    """
    category = soft.argmax(dim=1)
    confidence = soft.gather(1, category.unsqueeze(1)).squeeze(1)
    if soft.shape[1] == 1:
        return AssignmentConfidence(category, confidence, torch.full_like(category, -1))
    others = soft.scatter(1, category.unsqueeze(1), -1.0).masked_fill(~allowed, -1.0)
    best, runner_up = others.max(dim=1)
    return AssignmentConfidence(category, confidence, torch.where(best < 0, -1, runner_up))


def block_diagonal(family_of_feature: Tensor, family_of_category: Tensor) -> Tensor:
    """Return which categories a feature may join if no category may span two families.

    Args:
        family_of_feature: int64 [D].
        family_of_category: int64 [G].

    Returns:
        bool [D, G].
    """
    return family_of_feature.unsqueeze(1) == family_of_category.unsqueeze(0)
