import json

import numpy as np

from catvq.config import RunConfig
from catvq.model.sizes import resolve_shape


def test_automatic_sizes_follow_the_features_of_a_category_and_the_ratio_of_a_level(make_config):
    config = make_config(model={"compression_ratios": [0.5, 2.0]})
    shape = resolve_shape(config, grouping=np.repeat([0, 2], [12, 3]), num_categories=3, rows=10_000)

    assert shape.latent_dims == (6, 24, 2, 2, 2, 6)
    # sixteen codes a feature, rounded to a power of two: 96, 384, 8, 32, 24, 96
    # half of them in the first level, twice as many in the last
    assert shape.codebook_sizes == (64, 512, 8, 64, 16, 256)
    assert shape.num_features == 15


def test_automatic_codebooks_are_small_where_rows_are_few(make_config):
    grouping = np.zeros(40, dtype=np.int64)

    def sizes(rows, levels=2):
        config = make_config(model={"levels": levels})
        return resolve_shape(config, grouping=grouping, num_categories=1, rows=rows).codebook_sizes

    assert sizes(400) == (32, 128)
    assert sizes(400, levels=4) == (32, 64, 64, 128)
    assert sizes(400, levels=1) == (64,)
    assert sizes(8) == (8, 32)


def test_given_sizes_are_taken_as_they_are(make_config):
    config = make_config(model={"codebook_size": 7, "latent_dim": 5})
    shape = resolve_shape(config, grouping=np.array([0, 1]), num_categories=2, rows=8)

    assert set(shape.codebook_sizes) == {7}
    assert set(shape.latent_dims) == {5}


def test_levels_may_differ_in_their_sizes_and_have_the_models_where_they_give_none(make_config):
    levels = [{"codebook_size": 40, "latent_dim": 3}, {"latent_dim": "auto"}, {}]
    config = make_config(model={"levels": levels, "codebook_size": 7, "latent_dim": 5})
    shape = resolve_shape(config, grouping=np.array([0, 1, 1, 1]), num_categories=2, rows=8)

    assert shape.levels == 3
    assert shape.codebook_sizes == (40, 7, 7) * 2
    assert shape.latent_dims == (3, 5, 5) * 2
    assert config.model.ratios() == [1.0, 1.0, 1.0]
    assert RunConfig.from_dict(json.loads(json.dumps(config.to_dict()))) == config


def test_a_channel_counts_as_many_numbers(make_config):
    is_channel = np.array([True, False, False])
    shape = resolve_shape(
        make_config(model={"levels": 1}),
        grouping=np.array([0, 1, 1]),
        num_categories=2,
        rows=10_000,
        is_channel=is_channel,
    )

    assert shape.latent_dims == (16, 2)
    assert shape.codebook_sizes == (256, 32)
