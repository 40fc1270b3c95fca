"""K-means of many sets of points at once, which places the first codes and can be stopped at any time.

Source: Arthur and Vassilvitskii 2007, k-means++.

Shapes: G sets of points, B points of each, E width, K codes of each set.
"""

from collections.abc import Callable

import torch
import torch.nn.functional as F
from torch import Tensor

from catvq.errors import Interrupted
from catvq.model.codes.least import least, rows_at_once

SEEDING_ROWS = 2048  # rows from which k-means++ draws the first codes


def k_means(
    points: Tensor, squares: Tensor, iterations: int, should_stop: Callable[[], bool] = lambda: False
) -> tuple[Tensor, Tensor]:
    """Place codes by k-means with k-means++ seeding: codes and their member counts, [G, K, E] and [G, K].

    Where no set has fewer codes than points, every point has its own code. Uses torch's global generator.

    Args:
        points: float32 [G, B, E].
        squares: float32 [G, K], 0, or inf for padding.
        iterations: After the seeding, at most; fewer where the codes no longer move.
        should_stop: Asked before every code that is drawn and every part of an iteration.

    Raises:
        Interrupted: `should_stop` said so.
    """
    size, is_code = squares.shape[1], squares == 0
    if int(is_code.sum(dim=1).min()) >= points.shape[1]:
        picks = torch.arange(size, device=points.device) % points.shape[1]
        codes = points[:, picks] * is_code.unsqueeze(2)
        return codes, sums_by_code(points, nearest_codes(points, codes, squares, should_stop), size)[1]
    codes = _seeds(points, is_code, should_stop)
    counts, before = points.new_zeros(len(points), size), None
    for _ in range(iterations):
        chosen = nearest_codes(points, codes, squares, should_stop)
        if before is not None and torch.equal(chosen, before):
            break
        before = chosen
        sums, counts = sums_by_code(points, chosen, size)
        codes = torch.where((counts > 0).unsqueeze(2), sums / counts.clamp_min(1.0).unsqueeze(2), codes)
    return codes, counts


def nearest_codes(
    points: Tensor, codes: Tensor, squares: Tensor, should_stop: Callable[[], bool] = lambda: False
) -> Tensor:
    """Index of the nearest code, [G, B, E], [G, K, E], [G, K] -> int64 [G, B].

    Args:
        points: As above.
        codes: As above.
        squares: As above.
        should_stop: Asked before every part.

    Raises:
        Interrupted: `should_stop` said so.
    """
    squares = (squares + codes.square().sum(dim=2)).unsqueeze(1)
    across, chosen = codes.transpose(1, 2), []
    for part in torch.split(points, rows_at_once(squares.numel(), points.device), dim=1):
        _raise_if(should_stop)
        chosen.append(least(torch.baddbmm(squares, part, across, alpha=-2.0)))
    return torch.cat(chosen, dim=1)


def sums_by_code(points: Tensor, codes: Tensor, size: int) -> tuple[Tensor, Tensor]:
    """Return the sum and the number of the points assigned to each code: [G, K, E] and [G, K].

    Args:
        points: float32 [G, B, E].
        codes: int64 [G, B].
        size: K.
    """
    sets, _, width = points.shape
    if points.is_cuda:  # index_add is not deterministic on CUDA
        chosen = F.one_hot(codes, size).to(points.dtype)  # [G, B, K]
        return torch.bmm(chosen.transpose(1, 2), points), chosen.sum(dim=1)
    place = (codes + size * torch.arange(sets).unsqueeze(1)).flatten()
    sums = points.new_zeros(sets * size, width).index_add(0, place, points.flatten(0, 1))
    counts = torch.bincount(place, minlength=sets * size).to(points.dtype)
    return sums.view(sets, size, width), counts.view(sets, size)


def _seeds(points: Tensor, is_code: Tensor, should_stop: Callable[[], bool]) -> Tensor:
    """Draw the first codes, float32 [G, K, E], each the likelier the farther it is from those before."""
    sets, size = is_code.shape
    some, each = points[:, :SEEDING_ROWS], torch.arange(sets, device=points.device)
    codes = points.new_zeros(sets, size, points.shape[2])
    nearest = some.new_full(some.shape[:2], torch.inf)
    pick = torch.randint(some.shape[1], (sets,), device=points.device)
    for code in range(size):
        _raise_if(should_stop)
        codes[:, code] = some[each, pick] * is_code[:, code].unsqueeze(1)
        nearest = torch.minimum(nearest, (some - codes[:, code : code + 1]).square().sum(dim=2))
        shares = nearest.cumsum(dim=1)
        drawn = torch.rand(sets, 1, device=points.device) * shares[:, -1:]
        pick = torch.searchsorted(shares, drawn).squeeze(1).clamp_max(some.shape[1] - 1)
    return codes


def _raise_if(should_stop: Callable[[], bool]) -> None:
    if should_stop():
        raise Interrupted("stopped while codes were placed")
