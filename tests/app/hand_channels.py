"""A small model of a table, a series and a grid, made by hand: its codes are easy to work out."""

import json

import numpy as np
from onnx import TensorProto, helper, numpy_helper

FEATURES = ["a", "b", "wave/x", "wave/y", "field/0"]
KINDS = [
    {"family": "wave", "kind": "series", "channels": ["x", "y"], "descriptors": ["sum"], "shape": None},
    {"family": "field", "kind": "grid", "channels": ["0"], "descriptors": ["sum"], "shape": [2, 3]},
]
DOCUMENT = {
    "digest": "sha256:channels",
    "rows_dtype": "float32",
    "features": FEATURES,
    "values": [None] * 5,
    "origins": [None] * 5,
    "families": {"table": FEATURES[:2], "wave": FEATURES[2:4], "field": FEATURES[4:]},
    "kinds": KINDS,
    "categories": ["only"],
    "levels": 1,
    "codebook_size": [[1000]],
    "latent_dim": [[1]],
    "embedding_dim": 1,
    "hidden_dim": 1,
    "metrics": {},
    "training_seconds": 2.0,
    "reading": {},
}


def code_of(rows, waves, fields):
    """The code: the sum of all that is there, each channel with a weight of its own."""
    sums = [
        np.nansum(row) + np.nansum(wave, axis=0) @ [10, 100] for row, wave in zip(rows, waves, strict=True)
    ]
    return [int(total + np.nansum(field)) for total, field in zip(sums, fields, strict=True)]


def build(path, nodes, inputs, outputs, constants, notes):
    graph = helper.make_graph(
        [helper.make_node(kind, sources, [target], **more) for kind, sources, target, more in nodes],
        "hand_made",
        [helper.make_tensor_value_info(*value) for value in inputs],
        [helper.make_tensor_value_info(*value) for value in outputs],
        [numpy_helper.from_array(value, name) for name, value in constants.items()],
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 20)])
    model.ir_version = 10
    helper.set_model_props(model, notes)
    path.write_bytes(model.SerializeToString())


def write_model(directory):
    directory.mkdir(parents=True)
    notes = {
        "catvq_features": json.dumps(FEATURES),
        "catvq_values": json.dumps([None] * 5),
        "catvq_origins": json.dumps([None] * 5),
        "catvq_kinds": json.dumps(KINDS),
        "catvq_codes": json.dumps(["only/0"]),
        "catvq_test_rows": json.dumps([[1, 2], [0, None]]),
        "catvq_test_families": json.dumps(
            {
                "wave": [[[1, 0], [None, 1]], []],
                "field": [[[[1, 0, 0], [0, 0, 1]]], [[[0, 0, 0], [0, None, 0]]]],
            }
        ),
        "catvq_test_codes": json.dumps([[115], [0]]),
        "catvq_version": "1",
    }
    constants = {
        "zero": np.array(0, np.float32),
        "nothing": np.array([0], np.int64),
        "one": np.array([1], np.int64),
        "cells": np.array([1, 2, 3], np.int64),
        "first": np.array(0, np.int64),
        "unit": np.array(1, np.int64),
        "axis": np.array(1, np.int64),
        "weights": np.array([[10], [100]], np.float32),
        "column": np.array([-1, 1], np.int64),
    }
    build(
        directory / "encoder.onnx",
        [
            ("IsNaN", ["rows"], "no_row", {}),
            ("Where", ["no_row", "zero", "rows"], "filled", {}),
            ("ReduceSum", ["filled", "one"], "of_rows", {"keepdims": 1}),
            ("Shape", ["wave"], "shape", {}),
            ("Gather", ["shape", "axis"], "steps", {}),
            ("Range", ["first", "steps", "unit"], "range", {}),
            ("Unsqueeze", ["wave.lengths", "one"], "ends", {}),
            ("Less", ["range", "ends"], "is_there", {}),
            ("IsNaN", ["wave"], "no_step", {}),
            ("Not", ["no_step"], "is_step", {}),
            ("Unsqueeze", ["is_there", "column_axis"], "is_within", {}),
            ("And", ["is_within", "is_step"], "counts", {}),
            ("Where", ["counts", "wave", "zero"], "steps_of", {}),
            ("ReduceSum", ["steps_of", "one"], "sums", {"keepdims": 0}),
            ("MatMul", ["sums", "weights"], "of_waves", {}),
            ("IsNaN", ["field"], "no_cell", {}),
            ("Where", ["no_cell", "zero", "field"], "cells_of", {}),
            ("ReduceSum", ["cells_of", "cells"], "of_field", {"keepdims": 0}),
            ("Reshape", ["of_field", "column"], "of_fields", {}),
            ("Sum", ["of_rows", "of_waves", "of_fields"], "latents", {}),
            ("Identity", ["latents"], "normalized", {}),
            ("Cast", ["latents"], "codes", {"to": TensorProto.INT64}),
            ("IsNaN", ["latents"], "absent", {}),
            ("Not", ["absent"], "there", {}),
            ("Cast", ["there"], "present", {"to": TensorProto.FLOAT}),
            ("ReduceSum", ["rows"], "total", {"keepdims": 0}),
        ],
        [
            ("rows", TensorProto.FLOAT, ["N", 2]),
            ("wave", TensorProto.FLOAT, ["N", "T", 2]),
            ("wave.lengths", TensorProto.INT64, ["N"]),
            ("field", TensorProto.FLOAT, ["N", 1, 2, 3]),
        ],
        [
            ("codes", TensorProto.INT64, ["N", 1]),
            ("normalized", TensorProto.FLOAT, ["N", 1]),
            ("latents", TensorProto.FLOAT, ["N", 1]),
            ("present", TensorProto.FLOAT, ["N", 1]),
            ("total", TensorProto.FLOAT, []),
        ],
        constants | {"column_axis": np.array([2], np.int64)},
        notes,
    )
    spread = {
        "rows": np.array([1, 2], np.int64),
        "wave": np.array([1, 2, 1], np.int64),
        "field": np.array([1, 1, 1], np.int64),
    }
    build(
        directory / "decoder.onnx",
        [
            ("Cast", ["codes"], "values", {"to": TensorProto.FLOAT}),
            ("Unsqueeze", ["values", "one"], "tall", {}),
            ("Tile", ["values", "to_rows"], "rows", {}),
            ("Tile", ["tall", "to_wave"], "wave", {}),
            ("Tile", ["tall", "to_field"], "field", {}),
        ],
        [("codes", TensorProto.INT64, ["N", 1])],
        [
            ("rows", TensorProto.FLOAT, ["N", 2]),
            ("wave", TensorProto.FLOAT, ["N", 2, 1]),
            ("field", TensorProto.FLOAT, ["N", 1, 1]),
        ],
        {"one": np.array([1], np.int64)} | {f"to_{name}": value for name, value in spread.items()},
        {},
    )
    build(
        directory / "doubt.onnx",
        [
            ("Cast", ["codes"], "values", {"to": TensorProto.FLOAT}),
            ("Sub", ["latents", "values"], "gap", {}),
            ("Abs", ["gap"], "gap_size", {}),
            ("Mul", ["gap_size", "present"], "size", {}),
            ("ReduceMean", ["size", "one"], "reconstruction_error", {"keepdims": 0}),
            ("ReduceMean", ["normalized", "one"], "distance", {"keepdims": 0}),
        ],
        [
            ("codes", TensorProto.INT64, ["N", 1]),
            ("normalized", TensorProto.FLOAT, ["N", 1]),
            ("latents", TensorProto.FLOAT, ["N", 1]),
            ("present", TensorProto.FLOAT, ["P", 1]),
        ],
        [("reconstruction_error", TensorProto.FLOAT, ["N"]), ("distance", TensorProto.FLOAT, ["N"])],
        {"one": np.array([1], np.int64), "present": np.ones((1, 1), np.float32)},
        {"catvq_distance_percentiles": json.dumps(list(range(101)))},
    )
