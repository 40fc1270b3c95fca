"""Lets starting groupings compete as what they are for: each trains a small VQ-VAE, all in one program.

What belongs together need not be what a few codes per category carry best: where everything depends on
everything, categories that complement each other beat categories that repeat each other. So the candidates
are compared in the currency of the product, the reconstruction error after quantisation, and each may
improve its assignment by gradient on the way, while its temperature falls.

R candidates of G categories are one model of R * G categories: a feature's probabilities sum to 1 in each
candidate, and each candidate has a decoder of its own. Only the first layer, one row of weights for each
feature, is common to all.

Shapes: R candidates, B rows, D features, G categories, S = R * G * L streams, E latent_dim, M hidden_dim.
"""

import dataclasses
from collections.abc import Callable, Mapping
from dataclasses import dataclass

import numpy as np
import torch
import torch.nn.functional as F
from numpy.typing import NDArray
from sklearn.metrics import adjusted_rand_score
from torch import Tensor, nn

from catvq.config import ASSIGNMENT_LR, TEMPERATURE_END, TEMPERATURE_START, RunConfig
from catvq.errors import Interrupted
from catvq.initialization import logits_from_grouping
from catvq.losses import commitment_loss
from catvq.model import CategoricalVQVAE, ModelShape
from catvq.randomness import OwnRandomness
from catvq.routing import SoftRouting
from catvq.start import resolve_shape
from catvq.temperature import TemperatureSchedule

CONTEST_STEPS = 600
HARD_FROM = 0.75  # of the steps: from here every candidate trains on its hard grouping
BATCH_SIZE = 128
PLACING_ROWS, JUDGING_ROWS = 512, 2048  # most rows that place the codes, and that judge
LEARNING_RATE = 0.003  # short training
FINAL_RATE = 0.05  # of the rate, at the end
# A rehearsal tells good from bad with small models: no size of the job's is exceeded, nor any of these.
MAX_CODEBOOK_SIZE, MAX_LATENT_DIM, MAX_HIDDEN_DIM, MAX_EMBEDDING_DIM = 32, 8, 64, 32
MARGIN = 0.03  # a challenger must be better than the first candidate by this part: less is noise


@dataclass(frozen=True)
class ContestResult:
    """How the candidates did.

    Attributes:
        errors: Of each candidate, by name: reconstruction error after quantisation under its hard
            assignment, on rows that trained nothing; 1 is as good as the mean.
        winner: The first candidate, unless another is clearly better.
        grouping: int64 [D], where the winner ended.
        stability: Mean adjusted Rand index between the winner and the others, where they ended.
    """

    errors: dict[str, float]
    winner: str
    grouping: NDArray[np.int64]
    stability: float


def contest(
    candidates: Mapping[str, NDArray[np.int64]],
    allowed: Tensor,
    *,
    config: RunConfig,
    train: Tensor,
    held_out: Tensor,
    should_stop: Callable[[], bool],
) -> ContestResult:
    """Train all candidates for a while, and compare them.

    Args:
        candidates: At least two, name to grouping, int64 [D]; the first is the one to beat.
        allowed: bool [D, G], on the device.
        config: Sizes and weights of the model, and the seed.
        train: float32 [rows, D], training rows.
        held_out: float32 [rows, D], rows that judge.
        should_stop: Asked before every step.

    Raises:
        Interrupted: `should_stop` said so; nothing is lost but the contest.
    """
    device = train.device
    with OwnRandomness(config.training.seed, device).scope():
        field = _Field(list(candidates.values()), allowed, config=config, rows=len(train))
        field.place_codebooks(_drawn(train, PLACING_ROWS))
        for step in range(CONTEST_STEPS):
            if should_stop():
                raise Interrupted("stopped while the starts were compared")
            picks = torch.randint(len(train), (min(BATCH_SIZE, len(train)),), device=device)
            field.step(train[picks], progress=step / CONTEST_STEPS)
        errors = dict(zip(candidates, field.errors(_drawn(held_out, JUDGING_ROWS)), strict=True))
    names = list(candidates)
    best = min(names, key=errors.__getitem__)
    winner = best if errors[best] < (1 - MARGIN) * errors[names[0]] else names[0]
    ended = dict(zip(names, field.groupings().cpu().numpy(), strict=True))
    agreement = [adjusted_rand_score(ended[winner], ended[name]) for name in names if name != winner]
    return ContestResult(errors, winner, ended[winner], float(np.mean(agreement)))


class _Decoders(nn.Module):
    """One decoder for each candidate, all at once."""

    def __init__(self, *, candidates: int, inputs: int, hidden_dim: int, num_features: int) -> None:
        super().__init__()
        self.hidden = nn.Parameter(_uniform(candidates, inputs, hidden_dim))
        self.hidden_bias = nn.Parameter(torch.zeros(candidates, 1, hidden_dim))
        self.output = nn.Parameter(_uniform(candidates, hidden_dim, num_features))
        self.output_bias = nn.Parameter(torch.zeros(candidates, 1, num_features))

    def forward(self, quantized: Tensor) -> Tensor:
        """Reconstruct for each candidate: float32 [S, B, E] -> [R, B, D]."""
        _, rows, width = quantized.shape
        own = quantized.view(len(self.hidden), -1, rows, width)  # [R, S / R, B, E]
        hidden = F.gelu(torch.baddbmm(self.hidden_bias, own.transpose(1, 2).flatten(2), self.hidden))
        return torch.baddbmm(self.output_bias, hidden, self.output)


class _Field:
    """The candidates' models and assignments while they train, on the device of `allowed`."""

    def __init__(
        self, groupings: list[NDArray[np.int64]], allowed: Tensor, *, config: RunConfig, rows: int
    ) -> None:
        device = allowed.device
        self._weights = config.model
        self._allowed = allowed.unsqueeze(1)
        shape = _small_shape(groupings, allowed.shape[1], config=config, rows=rows)
        self._model = CategoricalVQVAE(shape).to(device)
        streams, width = self._model.codebooks.latent_mask.shape
        self._decoders = _Decoders(
            candidates=len(groupings),
            inputs=streams // len(groupings) * width,
            hidden_dim=2 * shape.hidden_dim,
            num_features=shape.num_features,
        ).to(device)
        starts = [logits_from_grouping(g, allowed.shape[1], allowed=allowed.cpu().numpy()) for g in groupings]
        self._logits = nn.Parameter(torch.from_numpy(np.stack(starts, axis=1)).to(device))  # [D, R, G]
        self._optimizer = torch.optim.Adam(
            [*self._model.parameters(), *self._decoders.parameters()], lr=LEARNING_RATE, fused=True
        )
        self._assignment_optimizer = torch.optim.Adam([self._logits], lr=ASSIGNMENT_LR, fused=True)
        self._schedule = TemperatureSchedule("exponential", TEMPERATURE_START, TEMPERATURE_END)

    def groupings(self) -> Tensor:
        """Most probable category of each feature in each candidate, int64 [R, D]."""
        return self._logits.detach().masked_fill(~self._allowed, -torch.inf).argmax(dim=2).T

    @torch.no_grad()
    def place_codebooks(self, features: Tensor) -> None:
        """Start the codebooks by k-means on the latents of some rows, float32 [B, D]."""
        self._model.eval()
        self._model.codebooks.start_from(self._model.latents(features, self._routing(0.0)))

    def step(self, features: Tensor, *, progress: float) -> None:
        """One gradient step of every candidate on a batch, float32 [B, D]."""
        self._model.train()
        for group in self._optimizer.param_groups:
            group["lr"] = LEARNING_RATE * min(1.0, max(FINAL_RATE, 2 * (1 - progress)))
        quantization, own_errors = self._model.own_errors(features, self._routing(progress))
        books = self._model.codebooks
        commitment = commitment_loss(quantization.latents, quantization.rows, books.latent_mask)
        loss = (
            (self._decoders(quantization.quantized) - features).square().mean(dim=(1, 2)).sum()
            + self._weights.informativeness_weight * own_errors.sum(dim=0).mean()
            + self._weights.commitment_weight * commitment * self._logits.shape[1]
        )
        self._optimizer.zero_grad(set_to_none=True)
        self._assignment_optimizer.zero_grad(set_to_none=True)
        loss.backward()
        self._optimizer.step()
        self._assignment_optimizer.step()  # once hard, the logits have no gradient and stay
        books.observe(
            *(part.detach() for part in books.batch_centroids(quantization.latents, quantization.codes))
        )

    @torch.no_grad()
    def errors(self, features: Tensor) -> list[float]:
        """Reconstruction error of each candidate under its hard assignment, on rows float32 [B, D]."""
        self._model.eval()
        quantization, _ = self._model.own_errors(features, self._routing(1.0))
        reconstructed = self._decoders(quantization.quantized)
        errors: list[float] = (reconstructed - features).square().mean(dim=(1, 2)).tolist()
        return errors

    def _routing(self, progress: float) -> SoftRouting:
        """Of all R * G categories: soft and cooling, one-hot from HARD_FROM on."""
        if progress >= HARD_FROM:
            one_hot = F.one_hot(self.groupings().T, self._logits.shape[2]).to(self._logits.dtype)
            return SoftRouting(one_hot.flatten(1))
        logits = (self._logits / self._schedule.at(progress / HARD_FROM)).masked_fill(
            ~self._allowed, -torch.inf
        )
        return SoftRouting(torch.softmax(logits, dim=2).flatten(1))


def _small_shape(
    groupings: list[NDArray[np.int64]], num_categories: int, *, config: RunConfig, rows: int
) -> ModelShape:
    joint = np.concatenate([g + i * num_categories for i, g in enumerate(groupings)])
    shape = resolve_shape(config, grouping=joint, num_categories=len(groupings) * num_categories, rows=rows)
    return dataclasses.replace(
        shape,
        num_features=len(groupings[0]),
        codebook_sizes=tuple(min(size, MAX_CODEBOOK_SIZE) for size in shape.codebook_sizes),
        latent_dims=tuple(min(dim, MAX_LATENT_DIM) for dim in shape.latent_dims),
        embedding_dim=min(shape.embedding_dim, MAX_EMBEDDING_DIM),
        hidden_dim=min(shape.hidden_dim, MAX_HIDDEN_DIM),
        codebook_update="ema",
        dropout=0.0,
    )


def _drawn(rows: Tensor, most: int) -> Tensor:
    """At most so many rows, from everywhere: tables may come sorted."""
    return rows[torch.randperm(len(rows), device=rows.device)[:most]]


def _uniform(batch: int, fan_in: int, fan_out: int) -> Tensor:
    bound = fan_in**-0.5
    return torch.empty(batch, fan_in, fan_out).uniform_(-bound, bound)
