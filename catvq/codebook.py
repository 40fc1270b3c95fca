"""All codebooks of a model at once: nearest code, moving-average update, k-means start, revival.

Codebooks may differ in size and width; they are padded to the largest and masked. Source of the moving
average: van den Oord et al. 2017, arXiv:1711.00937, appendix A.1.

Shapes: S streams (one per category and level), B rows, K codebook_size, E latent_dim.
"""

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from catvq.errors import ConfigError

KMEANS_ITERATIONS = 10  # more changes little: the moving average takes over
TWIN_TOLERANCE = 1e-5  # squared distance over squared norm: ten times what float32 rounds a distance by


class CodebookBank(nn.Module):
    """One codebook per stream.

    With update "ema" the codes are a buffer that follows the latents; an unused code does not move. With
    "gradient" they are a parameter, moved by the codebook loss. Usage is counted over a window that
    `reset_usage` opens (an epoch), because perplexity over a batch depends on the batch size.

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
    ema_counts: Tensor
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
        self.register_buffer("ema_counts", code_mask.float())
        self.register_buffer("ema_sums", codes.detach().clone())
        self.register_buffer("usage_counts", torch.zeros_like(self.ema_counts))

    def nearest(self, latents: Tensor) -> Tensor:
        """Index of the nearest code; the lower index wins a tie.

        Args:
            latents: float32 [S, B, E], zero where padded.

        Returns:
            int64 [S, B].
        """
        return self.distances(latents).min(dim=2).indices  # argmin takes three times as long

    def distances(self, latents: Tensor) -> Tensor:
        """Squared distance to each code less the latent's own square: float32 [S, B, K]; inf if padded."""
        codes = self.codes.detach()
        squares = codes.square().sum(dim=2).masked_fill(~self.code_mask, torch.inf)
        return torch.baddbmm(squares.unsqueeze(1), latents, codes.transpose(1, 2), alpha=-2.0)

    def lookup(self, codes: Tensor) -> Tensor:
        """Codebook rows of the given codes: int64 [S, B] -> float32 [S, B, E]."""
        return self.codes.gather(1, codes.unsqueeze(2).expand(-1, -1, self.codes.shape[2]))

    def batch_centroids(self, latents: Tensor, codes: Tensor) -> tuple[Tensor, Tensor]:
        """Sum of the latents that chose each code, and how many did.

        Returns:
            Sums float32 [S, K, E] (with the latents' gradient) and counts float32 [S, K].
        """
        streams, size, width = self.codes.shape
        if latents.is_cuda:  # there, adding by index has no fixed order, and so no repeatable sum
            chosen = F.one_hot(codes, size).to(latents.dtype)  # [S, B, K]
            return torch.bmm(chosen.transpose(1, 2), latents), chosen.sum(dim=1)
        place = (codes + size * torch.arange(streams).unsqueeze(1)).flatten()
        sums = latents.new_zeros(streams * size, width).index_add(0, place, latents.flatten(0, 1))
        counts = torch.bincount(place, minlength=streams * size).to(latents.dtype)
        return sums.view(streams, size, width), counts.view(streams, size)

    @torch.no_grad()
    def count(self, counts: Tensor) -> None:
        """Count a batch's use of the codes, float32 [S, K], into the window."""
        self.usage_counts += counts

    @torch.no_grad()
    def observe(self, sums: Tensor, counts: Tensor) -> None:
        """Take in one training batch: count usage and, with "ema", move the used codes.

        Args:
            sums: float32 [S, K, E], as `batch_centroids` gives.
            counts: float32 [S, K].
        """
        self.count(counts)
        if self.update_rule == "gradient":
            return
        self.ema_counts.lerp_(counts, 1 - self.decay)
        self.ema_sums.lerp_(sums, 1 - self.decay)
        moved = self.ema_sums / self.ema_counts.clamp_min(torch.finfo(torch.float32).tiny).unsqueeze(2)
        self.codes.copy_(torch.where((counts > 0).unsqueeze(2), moved, self.codes))

    @torch.no_grad()
    def start_from(self, latents: Tensor) -> None:
        """Place the codes by k-means on a sample of latents, float32 [S, B, E], all streams at once.

        Codes that end without members keep a latent as their place. Uses torch's global generator.
        """
        streams, rows, _ = latents.shape
        picks = torch.rand(streams, rows, device=latents.device).argsort(dim=1)
        picks = picks[:, torch.arange(self.codes.shape[1], device=latents.device) % rows]
        self._place(self._rows(latents, picks))
        for _ in range(KMEANS_ITERATIONS):
            sums, counts = self.batch_centroids(latents, self.nearest(latents))
            means = sums / counts.clamp_min(1.0).unsqueeze(2)
            self._place(torch.where((counts > 0).unsqueeze(2), means, self.codes))
        _, counts = self.batch_centroids(latents, self.nearest(latents))
        weight = counts.clamp_min(1.0) * self.code_mask
        self.ema_counts.copy_(weight)
        self.ema_sums.copy_(self.codes * weight.unsqueeze(2))

    @torch.no_grad()
    def revive_dead(self, latents: Tensor) -> Tensor:
        """Move every code unused since `reset_usage` onto a random latent of its stream.

        Args:
            latents: float32 [S, B, E], present latents to draw from.

        Returns:
            Number of codes moved in each stream, int64 [S].
        """
        dead = (self.usage_counts == 0) & self.code_mask
        streams, rows, _ = latents.shape
        picks = torch.randint(rows, (streams, self.codes.shape[1]), device=latents.device)
        self._place(torch.where(dead.unsqueeze(2), self._rows(latents, picks), self.codes))
        self.ema_counts.copy_(torch.where(dead, 1.0, self.ema_counts))
        self.ema_sums.copy_(torch.where(dead.unsqueeze(2), self.codes, self.ema_sums))
        return dead.sum(dim=1)

    @torch.no_grad()
    def retire_twins(self) -> None:
        """Never again choose a code that lies within rounding of a lower-numbered one.

        Between twins the choice would be left to rounding, and so to the machine and the batch. They are
        common where latents take few values, as those of yes-or-no features do.
        """
        tolerance = TWIN_TOLERANCE * self.codes.square().sum(dim=2)
        for code in range(1, self.codes.shape[1]):
            apart = (self.codes[:, :code] - self.codes[:, code : code + 1]).square().sum(dim=2)
            is_twin = (apart <= tolerance[:, code : code + 1]) & self.code_mask[:, :code]
            self.code_mask[:, code] &= ~is_twin.any(dim=1)

    @torch.no_grad()
    def reset_usage(self) -> None:
        """Open a new window for usage and perplexity."""
        self.usage_counts.zero_()

    def _place(self, codes: Tensor) -> None:
        self.codes.copy_(codes * self.code_mask.unsqueeze(2) * self.latent_mask.unsqueeze(1))

    def _rows(self, latents: Tensor, picks: Tensor) -> Tensor:
        return latents.gather(1, picks.unsqueeze(2).expand(-1, -1, latents.shape[2]))
