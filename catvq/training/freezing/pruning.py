"""Leaves categories without features out of a model that is to be frozen: their codes are constant.

Shapes: D uploaded features, D' active features, C' their columns, G categories, G' of them kept, L levels,
S = G * L streams, E latent_dim.
"""

import copy
import dataclasses

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from catvq.model.routing import HardRouting
from catvq.model.vqvae import CategoricalVQVAE
from catvq.training.freezing.inputs import FreezeInputs


def without_empty(inputs: FreezeInputs) -> FreezeInputs:
    """The same with the categories that have features, and the others by name in `pruned`.

    A category stays as well where it is the only one that a feature which never varies may have.
    """
    grouping = inputs.grouping.cpu().numpy()
    used = np.unique(grouping)
    is_homeless = inputs.soft[:, used].sum(axis=1) == 0
    kept = np.union1d(used, inputs.soft[is_homeless].argmax(axis=1))
    names, new_grouping = inputs.categories.names, np.searchsorted(kept, grouping)
    return dataclasses.replace(
        inputs,
        categories=dataclasses.replace(
            inputs.categories,
            names=tuple(names[category] for category in kept),
            grouping=new_grouping,
            allowed=inputs.categories.allowed[:, kept],
            resting=_renormalised(inputs.categories.resting[:, kept]),
        ),
        model=select_categories(
            inputs.model, inputs.owners.spread(inputs.grouping.cpu()), torch.from_numpy(kept)
        ),
        grouping=torch.from_numpy(new_grouping),
        soft=_renormalised(inputs.soft[:, kept]),
        pruned=tuple(name for category, name in enumerate(names) if category not in kept),
    )


@torch.no_grad()
def select_categories(model: CategoricalVQVAE, grouping: Tensor, kept: Tensor) -> CategoricalVQVAE:
    """A model of some categories, whose codes and decodings stay the same; on the CPU, to evaluate.

    What the decoder read of the others is constant and becomes part of its first biases.

    Args:
        model: Of all categories.
        grouping: Of the columns, int64 [C'], of kept categories only.
        kept: int64 [G'], ascending.
    """
    model = copy.deepcopy(model).cpu().eval()
    levels, num_categories = model.shape.levels, model.shape.num_categories
    streams = (kept.unsqueeze(1) * levels + torch.arange(levels)).flatten()
    with torch.random.fork_rng(devices=[]):
        selected = CategoricalVQVAE(
            dataclasses.replace(
                model.shape,
                num_categories=len(kept),
                codebook_sizes=tuple(model.shape.codebook_sizes[stream] for stream in streams),
                latent_dims=tuple(model.shape.latent_dims[stream] for stream in streams),
            )
        )
    old, new = model.state_dict(), selected.state_dict()
    for name, value in new.items():
        rows = (
            slice(None)
            if name == "encoder.feature_weight"
            else kept
            if name.startswith("encoder.")
            else streams
        )
        if not name.startswith("decoder."):  # narrower where the widest stream went
            value.copy_(old[name][rows][tuple(map(slice, value.shape))])
    # A category's gate follows their number, see `routing.gate`.
    for name in ("encoder.feature_weight", "encoder.linear_weight"):
        new[name] *= (len(kept) / num_categories) ** 0.5
    decoder, width = model.decoder, model.encoder.latent_mask.shape[1]
    is_kept = torch.isin(decoder.valid // width, kept)
    row = torch.zeros(1, model.shape.num_features)
    codes = model.encode(row, HardRouting.from_grouping(grouping.cpu(), num_categories))
    rows_of_codes = model.codebooks.lookup(codes.T).view(num_categories, levels, 1, -1)
    constant = decoder.read(rows_of_codes.sum(dim=1))[0, ~is_kept]
    for layer, whole in (
        (selected.decoder.hidden, decoder.hidden),
        (selected.decoder.linear, decoder.linear),
    ):
        layer.weight.copy_(whole.weight[:, is_kept])
        layer.bias.copy_(whole.bias + whole.weight[:, ~is_kept] @ constant)
    selected.decoder.output.load_state_dict(decoder.output.state_dict())
    return selected.eval()


def _renormalised(soft: NDArray[np.float32]) -> NDArray[np.float32]:
    renormalised: NDArray[np.float32] = soft / soft.sum(axis=1, keepdims=True)
    return renormalised
