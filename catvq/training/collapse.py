"""Notices when learning collapses: what of the categories, codebooks and temperature no longer does its part.

Shapes: B rows, D features, G categories, S streams, K codebook_size, N numbers per row, R directions.
"""

import dataclasses
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

import torch
from torch import Tensor

from catvq.state.rng import OwnRandomness

CollapseKind = Literal["swallowing", "empty", "duplicate", "flat_temperature", "dead_codebook"]

SWALLOWED = 0.9  # of all features in one category: the others together hold next to nothing
DUPLICATED = 0.9  # of either's variance: copies reach 0.95, categories that merely correlate 0.7 to 0.86
SPREAD = 0.7  # of the largest entropy: half of ten categories, or 81 to 19 between two
DEAD = 0.99  # of the rows choose one code: below 0.1 bits a row, whatever the codebook's size
DUPLICATE_ROWS = 256  # rows that compare categories: chance then explains a sixteenth
DIRECTIONS, ROWS_PER_DIRECTION = 16, 4  # more explain little more, and ever fewer rows each explain by chance
POWER_ITERATIONS = 2  # to find them
ROUNDING = 1e-8  # of the mean square: what varies less is constant but for rounding
REVIVED = "its unused codes were moved onto latents of training rows"
LEFT_OUT = "nothing yet: unless a feature comes back, the model is frozen without it"
NEW_AFTER_EPOCHS = 5  # without the sign: before that it comes and goes about its threshold


@dataclass(frozen=True)
class Sign:
    """One thing that is wrong at the end of an epoch.

    Attributes:
        kind: What is wrong.
        subject: A category, "category.level" (a codebook), "category = category", or "temperature".
        measure: What was compared with the threshold of its kind, in [0, 1].
        cause: What was seen.
        action: What was done about it.
    """

    kind: CollapseKind
    subject: str
    measure: float
    cause: str
    action: str


@dataclass(frozen=True)
class Collapse(Sign):
    """A sign from its onset on.

    Attributes:
        first_epoch: Completed epochs at the onset.
        last_epoch: Completed epochs when it was last seen.
    """

    first_epoch: int
    last_epoch: int


def record_signs(known: Sequence[Collapse], signs: Sequence[Sign], epoch: int) -> list[Collapse]:
    """Everything seen so far and now: a sign that was there lately goes on, any other is a new onset.

    Args:
        known: All collapses so far, in the order of their onset.
        signs: Of this epoch's end.
        epoch: Completed epochs.
    """
    collapses = list(known)
    latest = {(each.kind, each.subject): index for index, each in enumerate(collapses)}
    for sign in signs:
        index = latest.get((sign.kind, sign.subject))
        if index is not None and epoch - collapses[index].last_epoch <= NEW_AFTER_EPOCHS:
            collapses[index] = dataclasses.replace(collapses[index], last_epoch=epoch)
        else:
            collapses.append(Collapse(**vars(sign), first_epoch=epoch, last_epoch=epoch))
    return collapses


def find_emptied(
    sizes: Mapping[str, int],
    *,
    start_sizes: Mapping[str, int],
    found_sizes: Mapping[str, int],
    are_pruned: bool = False,
) -> list[Sign]:
    """Categories that have lost all features, and one that has taken nearly all.

    Args:
        sizes: Features of each category, by its name.
        start_sizes: The same where the run started; what was so from the start is no collapse.
        found_sizes: The same where the model's training started, once a start was chosen.
        are_pruned: Whether the frozen model does without empty categories.
    """
    total = sum(sizes.values())
    nearly_all = SWALLOWED * total
    signs = []
    for name, size in sizes.items():
        start, found = start_sizes.get(name, 0), found_sizes[name]
        if size == 0 and start > 0:
            cause = f"{_mover(was_before=found == 0)} moved its features to other categories"
            action = LEFT_OUT if are_pruned else "nothing: it stays, with constant codes"
            signs.append(Sign("empty", name, 0.0, cause, action))
        if len(sizes) > 1 and size >= nearly_all > start:
            cause = f"{_mover(was_before=found >= nearly_all)} moved nearly all features to it"
            signs.append(Sign("swallowing", name, size / total, cause, "nothing: it stays"))
    return signs


def find_flat_temperature(soft: Tensor, allowed: Tensor, *, temperature: float, is_held: bool) -> list[Sign]:
    """An assignment that is still spread over the categories when its annealing ends.

    Args:
        soft: float32 [D, G], as it was hardened.
        allowed: bool [D, G].
        temperature: Of that assignment.
        is_held: Whether the user held the temperature.
    """
    choices = allowed.sum(dim=1)
    has_choice = choices > 1
    if not has_choice.any():
        return []
    spread = float((torch.special.entr(soft).sum(dim=1) / choices.log())[has_choice].mean())
    if spread < SPREAD:
        return []
    how = "held" if is_held else "annealed"
    cause = f"the temperature, {how} at {temperature:.3g} to the end, left features spread over categories"
    return [
        Sign("flat_temperature", "temperature", spread, cause, "each feature took its likeliest category")
    ]


def find_duplicates(latents: Tensor, names: Sequence[str]) -> list[Sign]:
    """Pairs of categories with the same content: each predicts nearly all variance of the other linearly.

    A squared correlation for many numbers: turning or scaling a category's latents leaves it as it is. Every
    category is compared with the one most like it.

    Args:
        latents: float32 [G, B, N], of all levels, before quantisation: after it the noise of the codes hides
            the likeness.
        names: Length G.
    """
    if not latents.isfinite().all():  # a run that diverged ends by that
        return []
    explained = explained_variance(latents)
    likeness, partner = torch.minimum(explained, explained.T).fill_diagonal_(0.0).max(dim=1)
    pairs = {
        f"{names[min(pair)]} = {names[max(pair)]}": value
        for *pair, value in zip(range(len(names)), partner.tolist(), likeness.tolist(), strict=True)
        if value >= DUPLICATED
    }
    cause = "each predicts nearly all variance of the other"
    return [Sign("duplicate", pair, value, cause, "nothing: both stay") for pair, value in pairs.items()]


def explained_variance(points: Tensor) -> Tensor:
    """Part of each set's variance that each other set predicts linearly, in the main directions of both.

    Args:
        points: float32 [G, B, N].

    Returns:
        float32 [G, G], in [0, 1]: of the column's, predicted by the row's; 0 where either is constant.
    """
    _, rows, width = points.shape
    centred = points - points.mean(dim=1, keepdim=True)
    count = max(1, min(DIRECTIONS, width, rows // ROWS_PER_DIRECTION))
    with OwnRandomness(0, points.device).scope():
        basis, scale, _ = torch.svd_lowrank(centred, q=count, niter=POWER_ITERATIONS)
    scores = basis * scale.unsqueeze(1)  # [G, B, R]
    products = torch.einsum("gbi,hbj->ghij", basis, scores).square().sum(dim=(2, 3))
    variance = scale.square().sum(dim=1)
    varies = variance > ROUNDING * points.square().sum(dim=(1, 2))
    explained = (products / variance.clamp_min(torch.finfo(torch.float32).tiny)).clamp(0.0, 1.0)
    return explained * (varies.unsqueeze(0) & varies.unsqueeze(1))


def find_dead_codebooks(usage_counts: Tensor, moved: Tensor | None, streams: Mapping[int, str]) -> list[Sign]:
    """Codebooks of which nearly all rows choose one code.

    Args:
        usage_counts: float32 [S, K], over the epoch.
        moved: int64 [S], unused codes that were then moved; None where it was not time to.
        streams: Names of the streams to look at, by their index.
    """
    shares = (usage_counts.amax(dim=1) / usage_counts.sum(dim=1).clamp_min(1.0)).tolist()
    counts = None if moved is None else moved.tolist()
    signs = []
    for stream, name in streams.items():
        if shares[stream] >= DEAD:
            action = "nothing: it was not time to revive codes"
            if counts is not None:
                action = REVIVED if counts[stream] > 0 else "nothing: none of its codes was unused"
            signs.append(
                Sign("dead_codebook", name, shares[stream], "nearly all rows chose one code", action)
            )
    return signs


def _mover(*, was_before: bool) -> str:
    return "the choice of a start" if was_before else "the training"
