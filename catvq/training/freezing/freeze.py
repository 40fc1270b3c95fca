"""Freezing: soft assignment to hard groups, weights packed, codes verified, everything measured once more.

Shapes: N rows, D uploaded features, D' active features, C' their columns, G categories, L levels,
S = G * L streams, K codebook_size.
"""

import copy
from dataclasses import replace

import numpy as np
import torch

from catvq.errors import FreezeError
from catvq.frozen.artifact import (
    FrozenModel,
    describe_grouping,
    origins_of_features,
    token_names,
    values_of_features,
)
from catvq.frozen.metadata import choose_test_vector, describe_distances, describe_encoder
from catvq.frozen.onnx_export import decoder_graph, doubt_graph, encoder_graph
from catvq.frozen.verify import OnnxCodes, OnnxEncoder, check_freeze
from catvq.frozen.weights import FrozenWeights
from catvq.model.routing import HardRouting
from catvq.training.freezing.inputs import FreezeInputs
from catvq.training.freezing.measurements import count_usage
from catvq.training.freezing.report import FrozenRun, describe_run
from catvq.training.freezing.rows import choose_rows


def freeze(inputs: FreezeInputs) -> FrozenModel:
    """Pack, export, verify and measure; of a long table on some of its rows, see `choose_rows`.

    Raises:
        FreezeError: The frozen model gives other codes than the model under hard assignment.
    """
    whole = inputs
    table, data = choose_rows(inputs.table, inputs.data)
    inputs = replace(inputs, table=table, data=data)
    model = copy.deepcopy(inputs.model).cpu().eval()
    grouping, features = inputs.owners.spread(inputs.grouping.cpu()), inputs.data.features.cpu()
    routing = HardRouting.from_grouping(grouping, model.shape.num_categories)
    weights = FrozenWeights.pack(model, routing)
    vector = choose_test_vector(inputs.table, inputs.data.split.train, features, weights)
    vector_codes = weights.encode(features[vector]).numpy()
    families = inputs.table.channel_families
    tokens = [name for names in token_names(inputs.categories.names, model.shape.levels) for name in names]
    metadata = describe_encoder(inputs.table, tokens, vector, vector_codes)
    encoder = encoder_graph(weights, inputs.cleaner, metadata, families)
    graphs = OnnxEncoder(encoder, doubt_graph(weights, inputs.cleaner, {}))
    encoded = OnnxCodes.join(
        [
            graphs.encode(np.asarray(part.values, inputs.cleaner.dtype), part.others)
            for part in inputs.table.parts
            if len(part.values)
        ]
    )
    check = check_freeze(model, grouping, weights, features=features, onnx_codes=encoded.codes)
    if not np.array_equal(encoded.codes[vector], vector_codes):
        raise FreezeError("the exported encoder gives other codes of the test vector than the frozen model")
    codes = torch.from_numpy(encoded.codes)
    usage = count_usage(codes, torch.from_numpy(inputs.data.split.train), weights)
    grouping_document = describe_grouping(inputs.table, inputs.categories.names, inputs.soft)
    frozen = FrozenRun(model, weights, codes, usage, check, grouping_document["features"])
    return FrozenModel(
        encoder=encoder,
        decoder=decoder_graph(weights, inputs.cleaner, families),
        doubt=doubt_graph(
            weights, inputs.cleaner, describe_distances(encoded.distance[inputs.data.split.train])
        ),
        weights=weights,
        cleaner=inputs.cleaner,
        families={name: list(members) for name, members in inputs.table.families.items()},
        features=inputs.table.features,
        values=values_of_features(inputs.table),
        origins=origins_of_features(inputs.table),
        kinds=families,
        categories=inputs.categories.names,
        levels=model.shape.levels,
        codebook_sizes=model.shape.codebook_sizes,
        latent_dims=model.shape.latent_dims,
        soft=inputs.soft,
        grouping=grouping_document,
        usage=usage,
        report=describe_run(whole, inputs, frozen).to_dict(),
    )
