"""Routes features to categories: weighted by a soft assignment, or packed by a hard grouping.

Both kinds of routing project features for all categories at once, by shared or by own weights, and measure
how well each category predicts its own features. With a one-hot assignment they agree; hard routing reads
only a category's own features.

Shapes: B rows, D features, G categories, L levels, S = G * L streams, H embedding_dim, W widest category,
P partial hidden width, E latent_dim.
"""

from dataclasses import dataclass
from typing import Protocol

import torch
import torch.nn.functional as F
from torch import Tensor

from catvq.errors import ShapeError

GATE_EPSILON = 1e-12  # keeps the gate of an emptied category at zero instead of NaN


class Routing(Protocol):
    """Interface of a routing from features to categories."""

    def project(self, features: Tensor, weight: Tensor) -> Tensor:
        """Project the features of every category by shared weights.

        Args:
            features: float32 [B, D].
            weight: float32 [D, H], one row per feature.

        Returns:
            float32 [G, B, H].
        """
        ...

    def project_own(self, features: Tensor, weight: Tensor) -> Tensor:
        """Project the features of every category by its own weights.

        Args:
            features: float32 [B, D].
            weight: float32 [G, D, E].

        Returns:
            float32 [G, B, E].
        """
        ...

    def own_feature_errors(
        self, features: Tensor, hidden: Tensor, weight: Tensor, bias: Tensor, cells: Tensor | None = None
    ) -> Tensor:
        """Mean squared error of each stream's prediction of its category's features.

        Args:
            features: float32 [B, D], the targets.
            hidden: float32 [S, B, P].
            weight: float32 [S, P, D].
            bias: float32 [S, D].
            cells: float32 [B, D], how much each cell counts; all alike when not given.

        Returns:
            float32 [G, L]: member-weighted errors summed over features, divided by D.
        """
        ...


def gate(assignment: Tensor) -> Tensor:
    """Scale every category's column to the same energy, so that small categories get enough gradient.

    gate[j, g] = assignment[j, g] * sqrt(D / G) / ||assignment[:, g]||; an empty category's gate is zero.

    Args:
        assignment: float32 [D, G].

    Returns:
        float32 [D, G]; the squares of each non-empty column sum to D / G.
    """
    num_features, num_categories = assignment.shape
    energy = assignment.square().sum(dim=0).clamp_min(GATE_EPSILON)
    return assignment * (num_features / num_categories / energy).sqrt()


@dataclass(frozen=True)
class SoftRouting:
    """Every category sees every feature, weighted by the assignment.

    Attributes:
        assignment: float32 [D, G], rows sum to 1; carries the gradient to the logits.
    """

    assignment: Tensor

    def project(self, features: Tensor, weight: Tensor) -> Tensor:
        """See `Routing.project`: features @ (gate[:, g] * weight) for all categories at once."""
        return self._project(features, weight.unsqueeze(1))

    def project_own(self, features: Tensor, weight: Tensor) -> Tensor:
        """See `Routing.project_own`."""
        return self._project(features, weight.transpose(0, 1))

    def _project(self, features: Tensor, weight: Tensor) -> Tensor:
        """By weights [D, G or 1, H]: one product of all categories takes half the time of one for each."""
        gated = gate(self.assignment).unsqueeze(2) * weight  # [D, G, H]
        projected = (features @ gated.flatten(1)).view(len(features), *gated.shape[1:])
        return projected.transpose(0, 1).contiguous()  # noise falls in the order of memory

    def own_feature_errors(
        self, features: Tensor, hidden: Tensor, weight: Tensor, bias: Tensor, cells: Tensor | None = None
    ) -> Tensor:
        """See `Routing.own_feature_errors`; the gradient reaches predictions and assignment alike.

        The mean square of h W - x is computed from the second moments of h and x over the rows, so that the
        predictions of all streams for all features, [S, B, D], need not be computed; where cells count
        differently, they are.
        """
        if cells is None:
            error = self._errors(features, hidden, weight, bias)
        else:
            predicted = torch.baddbmm(bias.unsqueeze(1), hidden, weight)
            error = ((predicted - features).square() * cells).mean(dim=1)
        num_features, num_categories = self.assignment.shape
        levels = error.shape[0] // num_categories
        error = error.view(num_categories, levels, num_features)
        return (self.assignment.T.unsqueeze(1) * error).sum(dim=2) / num_features

    @staticmethod
    def _errors(features: Tensor, hidden: Tensor, weight: Tensor, bias: Tensor) -> Tensor:
        """Mean squared errors of all streams for all features, [S, D]."""
        inputs = F.pad(hidden, (0, 1), value=1.0)  # the bias is the weight of a constant
        weight = torch.cat([weight, bias.unsqueeze(1)], dim=1)  # [S, P + 1, D]
        moments = torch.bmm(inputs.transpose(1, 2), inputs)
        products = torch.matmul(inputs.transpose(1, 2), features)  # [S, P + 1, D]
        explained = (weight * (torch.bmm(moments, weight) - 2 * products)).sum(dim=1) / len(features)
        return features.square().mean(dim=0) + explained


@dataclass(frozen=True)
class HardRouting:
    """Every category reads only its own features, gathered and padded to the widest category.

    Attributes:
        index: int64 [G, W], feature of each slot (0 where padded).
        mask: float32 [G, W], 1 for a real slot.
        num_features: D.
    """

    index: Tensor
    mask: Tensor
    num_features: int

    @classmethod
    def from_grouping(cls, grouping: Tensor, num_categories: int) -> "HardRouting":
        """Pack a grouping.

        Args:
            grouping: int64 [D], category of each feature, in 0..G-1.
            num_categories: G; categories may be empty.

        Raises:
            ShapeError: The grouping is not a vector of categories.
        """
        in_range = (grouping >= 0) & (grouping < num_categories)
        if grouping.ndim != 1 or len(grouping) == 0 or not bool(in_range.all()):
            raise ShapeError(f"grouping needs shape [D] with values from 0 to {num_categories - 1}")
        sizes = torch.bincount(grouping, minlength=num_categories)
        width = int(sizes.max())
        order = torch.argsort(grouping, stable=True)
        first = torch.cumsum(sizes, 0) - sizes
        slot = torch.arange(len(grouping), device=grouping.device) - first[grouping[order]]
        index = torch.zeros(num_categories, width, dtype=torch.int64, device=grouping.device)
        mask = torch.zeros(num_categories, width, device=grouping.device)
        index[grouping[order], slot] = order
        mask[grouping[order], slot] = 1.0
        return cls(index, mask, len(grouping))

    def gate(self) -> Tensor:
        """`gate` of the one-hot assignment, packed: float32 [G, W], zero where padded."""
        sizes = self.mask.sum(dim=1, keepdim=True).clamp_min(1.0)
        return self.mask * (self.num_features / len(self.index) / sizes).sqrt()

    def project(self, features: Tensor, weight: Tensor) -> Tensor:
        """See `Routing.project`: each category multiplies only its own features."""
        own = features[:, self.index].transpose(0, 1)  # [G, B, W]
        return torch.bmm(own, self.gate().unsqueeze(-1) * weight[self.index])

    def project_own(self, features: Tensor, weight: Tensor) -> Tensor:
        """See `Routing.project_own`: each category multiplies only its own features."""
        own = features[:, self.index].transpose(0, 1)  # [G, B, W]
        return torch.bmm(own, self.gate().unsqueeze(-1) * self.pack(weight))

    def pack(self, weight: Tensor) -> Tensor:
        """Select the rows of each category's own features: float32 [G, D, E] -> [G, W, E]."""
        return weight.gather(1, self.index.unsqueeze(2).expand(-1, -1, weight.shape[2]))

    def own_feature_errors(
        self, features: Tensor, hidden: Tensor, weight: Tensor, bias: Tensor, cells: Tensor | None = None
    ) -> Tensor:
        """See `Routing.own_feature_errors`; only members are predicted."""
        levels = len(hidden) // len(self.index)
        index = self.index.repeat_interleave(levels, dim=0)  # [S, W]
        own_weight = weight.gather(2, index.unsqueeze(1).expand(-1, weight.shape[1], -1))
        predicted = torch.baddbmm(bias.gather(1, index).unsqueeze(1), hidden, own_weight)  # [S, B, W]
        own = features[:, self.index].transpose(0, 1).repeat_interleave(levels, dim=0)
        error = (predicted - own).square()
        if cells is not None:
            error = error * cells[:, self.index].transpose(0, 1).repeat_interleave(levels, dim=0)
        error = error.mean(dim=1) * self.mask.repeat_interleave(levels, dim=0)
        return error.sum(dim=1).view(-1, levels) / self.num_features
