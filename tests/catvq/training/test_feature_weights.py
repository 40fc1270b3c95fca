"""Runs in which some features count more than others."""

import numpy as np
import torch

GROUPS = {f"group{b}": [f"f{3 * b + i}" for i in range(3)] for b in range(3)}


def test_codes_tell_more_of_what_weighs_more(train, make_table, make_config):
    table, found = make_table(rows=400), []
    for weights in ({}, {"f0": 9.0}):
        config = make_config(
            model={"codebook_size": 8},
            assignment={"mode": "static", "init": "user", "groups": GROUPS},
            cleaning={"weights": weights},
        )
        frozen = train(table, config, GROUPS).freeze()
        rows = table.values[table.split(config.training).test]
        codes = frozen.weights.encode(torch.from_numpy(frozen.cleaner.normalize(rows)))
        rebuilt = frozen.cleaner.restore(frozen.weights.decode(codes).numpy())
        found.append(np.square(rebuilt - rows).mean(axis=0) / rows.var(axis=0))
    plain, weighted = found
    assert weighted[0] < 0.7 * plain[0]
    assert weighted[1:].mean() < 1.5 * plain[1:].mean()


def test_the_cost_of_a_swap_stays_in_units_of_the_feature_s_variance(train, make_table, make_config):
    groups = {"group0": ["f1", "f2"], "group1": ["f0", "f3", "f4", "f5"], "group2": GROUPS["group2"]}
    config = make_config(
        assignment={"mode": "static", "init": "user", "groups": groups}, cleaning={"weights": {"f0": 9.0}}
    )
    doubtful = train(make_table(rows=400), config, groups).freeze().report["doubtful"]
    (misplaced,) = (each for each in doubtful if each["name"] == "f0")
    assert -1.2 < misplaced["swap_cost"] < -0.3
