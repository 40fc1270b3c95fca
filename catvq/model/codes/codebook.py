"""Codebooks of all categories and levels: nearest codes, EMA update, k-means initialisation, dead codes.

A latent is quantised to the sum of one code from each level of its category. Codebooks may differ in size and
width; they are padded to the largest and masked. Source of the moving average: van den Oord et al. 2017,
arXiv:1711.00937, appendix A.1.

Shapes: G categories, L levels, S = G * L streams, B rows, K codebook_size, E latent_dim.
"""

from collections.abc import Callable

import torch
from torch import Tensor, nn

from catvq.errors import ConfigError
from catvq.model.codes.k_means import k_means, nearest_codes, sums_by_code
from catvq.model.codes.least import rows_at_once
from catvq.model.codes.residual_search import BEAM, TRAINING_BEAM, search_codes

KMEANS_ITERATIONS = 30  # 8 have 1 to 3% more error
# Squared distance over squared norm: ten times the rounding error of a float32 distance.
TWIN_TOLERANCE = 1e-5
# Relative to the squared norm of the category's largest code: ten times the rounding error of a latent.
ROUNDING = 1e-10


class CodebookBank(nn.Module):
    """One codebook per stream; the streams of a category follow each other, coarse to fine.

    With update "ema" the codes are a buffer, a moving average of the latents; an unused code does not move.
    With "gradient" they are a parameter. Usage is counted since the last `reset_usage` (an epoch), because
    the perplexity of a batch depends on the batch size.

    Args:
        codebook_sizes: Codes of each stream, at least 1 each, length S.
        latent_dims: Width of each stream, at least 1 each, length S.
        update: "ema" or "gradient".
        decay: Decay of the moving average, in [0, 1).

    Raises:
        ConfigError: Lengths differ, a size is below 1, or the update is unknown.
    """

    codes: Tensor
    code_mask: Tensor
    latent_mask: Tensor
    ema_shares: Tensor
    ema_sums: Tensor
    usage_counts: Tensor

    def __init__(
        self, codebook_sizes: list[int], latent_dims: list[int], *, update: str = "ema", decay: float = 0.99
    ) -> None:
        super().__init__()
        if len(codebook_sizes) != len(latent_dims) or min([*codebook_sizes, *latent_dims], default=0) < 1:
            raise ConfigError("every stream needs a codebook size and a latent width of at least 1")
        if update not in {"ema", "gradient"} or not 0 <= decay < 1:
            raise ConfigError(f"update must be ema or gradient and decay in [0, 1), got {update!r}, {decay}")
        self.update_rule = update
        self.decay = decay
        sizes, widths = torch.tensor(codebook_sizes), torch.tensor(latent_dims)
        code_mask = torch.arange(int(sizes.max())) < sizes.unsqueeze(1)
        latent_mask = torch.arange(int(widths.max())) < widths.unsqueeze(1)
        codes = torch.randn(len(sizes), code_mask.shape[1], latent_mask.shape[1])
        codes = codes * code_mask.unsqueeze(2) * latent_mask.unsqueeze(1)
        if update == "gradient":
            self.codes = nn.Parameter(codes)
        else:
            self.register_buffer("codes", codes)
        self.register_buffer("code_mask", code_mask)
        self.register_buffer("latent_mask", latent_mask.float())
        shares = code_mask / code_mask.sum(dim=1, keepdim=True)
        self.register_buffer("ema_shares", shares)
        self.register_buffer("ema_sums", codes.detach() * shares.unsqueeze(2))
        self.register_buffer("usage_counts", torch.zeros_like(shares))

    def nearest(self, latents: Tensor) -> Tensor:
        """Find the codes whose sum is nearest, see `residual_search`; training uses a narrower beam.

        Args:
            latents: float32 [G, B, E], zero where padded.

        Returns:
            int64 [S, B].
        """
        beam = TRAINING_BEAM if self.training else BEAM
        codes, squares = self.codes.detach(), self.squares()
        rows = rows_at_once(len(latents) * beam * codes.shape[1], latents.device)
        parts = torch.split(latents, rows, dim=1)
        return torch.cat([search_codes(codes, squares, part, beam=beam)[0] for part in parts], dim=1)

    def squares(self) -> Tensor:
        """Squared norm of each code, float32 [S, K]; inf where padded."""
        return self.codes.detach().square().sum(dim=2).masked_fill(~self.code_mask, torch.inf)

    def lookup(self, codes: Tensor) -> Tensor:
        """Codebook rows of the given codes: int64 [S, B] -> float32 [S, B, E]."""
        return self.codes.gather(1, codes.unsqueeze(2).expand(-1, -1, self.codes.shape[2]))

    def targets(self, latents: Tensor, rows: Tensor) -> Tensor:
        """Return the target of each level: the latents minus the rows of the other levels.

        Args:
            latents: float32 [G, B, E].
            rows: float32 [S, B, E], the chosen codebook rows.

        Returns:
            float32 [S, B, E], with the latents' gradient; zero where padded.
        """
        by_category = rows.detach().view(len(latents), -1, *rows.shape[1:])
        others = by_category.sum(dim=1, keepdim=True) - by_category
        return (latents.unsqueeze(1) - others).flatten(0, 1) * self.latent_mask.unsqueeze(1)

    def batch_centroids(self, targets: Tensor, codes: Tensor) -> tuple[Tensor, Tensor]:
        """Return the sum and the number of the targets assigned to each code.

        Args:
            targets: float32 [S, B, E].
            codes: int64 [S, B].

        Returns:
            Sums float32 [S, K, E] (with the targets' gradient) and counts float32 [S, K].
        """
        return sums_by_code(targets, codes, self.codes.shape[1])

    @torch.no_grad()
    def count(self, counts: Tensor) -> None:
        """Add a batch's counts of the codes, float32 [S, K], to the usage counts."""
        self.usage_counts += counts

    @torch.no_grad()
    def update(self, sums: Tensor, counts: Tensor) -> None:
        """Update the codebooks by one training batch: count usage and, with "ema", move the used codes.

        Args:
            sums: float32 [S, K, E], from `batch_centroids`.
            counts: float32 [S, K].
        """
        self.count(counts)
        if self.update_rule == "gradient":
            return
        rows = counts.sum(dim=1, keepdim=True).clamp_min(1.0)
        self.ema_shares.lerp_(counts / rows, 1 - self.decay)
        self.ema_sums.lerp_(sums / rows.unsqueeze(2), 1 - self.decay)
        moved = self.ema_sums / self.ema_shares.clamp_min(torch.finfo(torch.float32).tiny).unsqueeze(2)
        self.codes.copy_(torch.where((counts > 0).unsqueeze(2), moved, self.codes))

    @torch.no_grad()
    def start_from(
        self,
        latents: Tensor,
        iterations: int = KMEANS_ITERATIONS,
        should_stop: Callable[[], bool] = lambda: False,
    ) -> None:
        """Initialise the codes by residual k-means on a sample of latents, float32 [G, B, E].

        Each level is fitted to the residuals of the coarser ones, in all categories at once. Codes without
        members stay at a latent. Uses torch's global generator.

        Args:
            latents: As above.
            iterations: Of k-means, at most.
            should_stop: Asked all the while.

        Raises:
            Interrupted: `should_stop` said so; the codes are not placed yet.
        """
        rest = latents.clone()
        for level in range(self._levels(latents)):
            streams = slice(level, None, self._levels(latents))
            own = rest * self.latent_mask[streams].unsqueeze(1)
            squares = torch.zeros_like(self.code_mask[streams], dtype=own.dtype)
            squares.masked_fill_(~self.code_mask[streams], torch.inf)
            codes, counts = k_means(own, squares, iterations, should_stop)
            self.codes[streams] = codes
            shares = counts.clamp_min(1.0) / counts.sum(dim=1, keepdim=True)
            self.ema_shares[streams] = shares * self.code_mask[streams]
            chosen = nearest_codes(own, codes, squares, should_stop)
            rest -= codes.gather(1, chosen.unsqueeze(2).expand_as(own))
        self.ema_sums.copy_(self.codes * self.ema_shares.unsqueeze(2))

    @torch.no_grad()
    def take(self, codes: Tensor, mask: Tensor) -> None:
        """Go on from the codes of another bank of the same sizes.

        Args:
            codes: float32 [S, K, E].
            mask: bool [S, K], which of them may be chosen.
        """
        self.codes.copy_(codes)
        self.code_mask.copy_(mask)
        self.ema_shares.copy_(mask / mask.sum(dim=1, keepdim=True))
        self.ema_sums.copy_(self.codes * self.ema_shares.unsqueeze(2))

    @torch.no_grad()
    def revive_dead(self, latents: Tensor) -> Tensor:
        """Move every code that was unused since `reset_usage` to the target of a random latent.

        Args:
            latents: float32 [G, B, E], current latents to draw from.

        Returns:
            Number of codes moved in each stream, int64 [S].
        """
        dead = (self.usage_counts == 0) & self.code_mask
        if dead.any():
            targets = self.targets(latents, self.lookup(self.nearest(latents)))
            picks = torch.randint(latents.shape[1], dead.shape, device=latents.device)
            picked = targets.gather(1, picks.unsqueeze(2).expand(-1, -1, targets.shape[2]))
            self.codes.copy_(torch.where(dead.unsqueeze(2), picked, self.codes))
            fair = 1 / self.code_mask.sum(dim=1, keepdim=True)
            self.ema_shares.copy_(torch.where(dead, fair, self.ema_shares))
            renewed = self.codes * self.ema_shares.unsqueeze(2)
            self.ema_sums.copy_(torch.where(dead.unsqueeze(2), renewed, self.ema_sums))
        return dead.sum(dim=1)

    @torch.no_grad()
    def retire_twins(self, num_categories: int) -> None:
        """Mask codes that equal a lower-numbered code up to rounding, so that they are never chosen.

        Between such twins the choice would depend on rounding, and so on machine and batch. They are common
        if latents take few values, such as those of binary features: finer levels then only encode rounding
        errors.

        Args:
            num_categories: G.
        """
        squares = self.codes.square().sum(dim=2)
        largest = (
            squares.view(num_categories, -1).amax(dim=1).repeat_interleave(len(squares) // num_categories)
        )
        tolerance = (TWIN_TOLERANCE * squares).maximum(ROUNDING * largest.unsqueeze(1))
        for code in range(1, self.codes.shape[1]):
            apart = (self.codes[:, :code] - self.codes[:, code : code + 1]).square().sum(dim=2)
            is_twin = (apart <= tolerance[:, code : code + 1]) & self.code_mask[:, :code]
            self.code_mask[:, code] &= ~is_twin.any(dim=1)

    @torch.no_grad()
    def reset_usage(self) -> None:
        """Set the usage counts to zero."""
        self.usage_counts.zero_()

    def _levels(self, latents: Tensor) -> int:
        return len(self.codes) // len(latents)
