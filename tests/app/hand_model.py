"""A small model made by hand, without torch: its codes are easy to work out."""

import json

import numpy as np
from onnx import TensorProto, helper, numpy_helper

FEATURES = ["a", "b", "c"]
TOKENS = ["first/0", "second/0"]
FILL = np.array([1.0, 2.0, 3.0], np.float32)
CENTRE = np.array([1.0, 2.0, 3.0], np.float32)
SCALE = np.array([2.0, 2.0, 1.0], np.float32)
TO_LATENTS = np.array([[0.5, 0], [0.5, 0], [0, 1]], np.float32)  # the mean of a and b; c alone
BOOKS = np.array([[-1, 1, 1e9], [-1, 0, 1]], np.float32)  # 2 and 3 codes
TO_ROWS = np.array([[1, 1, 0], [0, 0, 1]], np.float32)
GROUPING = {
    "categories": [
        {"index": 0, "name": "first", "features": ["a", "b"]},
        {"index": 1, "name": "second", "features": ["c"]},
    ],
    "features": [
        {"name": "a", "family": "features", "category": 0, "confidence": 0.75, "runner_up": 1},
        {"name": "b", "family": "features", "category": 0, "confidence": 1.0, "runner_up": None},
        {"name": "c", "family": "features", "category": 1, "confidence": 0.875, "runner_up": 0},
    ],
}


def save_graph(path, nodes, inputs, outputs, notes):
    constants = {
        "fill": FILL,
        "centre": CENTRE,
        "scale": SCALE,
        "to_latents": TO_LATENTS,
        "books": BOOKS[np.newaxis],
        "flat_books": BOOKS.ravel(),
        "offsets": np.array([0, 3], np.int64),
        "to_rows": TO_ROWS,
        "last": np.array([2], np.int64),
        "one": np.array([1], np.int64),
        "present": np.ones((1, 3), np.float32),  # where nothing else is given
    }
    graph = helper.make_graph(
        [helper.make_node(kind, sources, [target], **more) for kind, sources, target, more in nodes],
        "hand_made",
        [helper.make_tensor_value_info(*value) for value in inputs],
        [helper.make_tensor_value_info(*value) for value in outputs],
        [
            numpy_helper.from_array(value, name)
            for name, value in constants.items()
            if all(name != target for _, _, target, _ in nodes)
        ],
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 20)])
    model.ir_version = 10
    helper.set_model_props(model, notes)
    path.write_bytes(model.SerializeToString())


def write_model(
    directory,
    digest="sha256:hand",
    test_codes=((0, 0), (1, 2)),
    grouping=GROUPING,
    origins=(None, None, None),
):
    """The files of a model of 3 features, 2 categories and 1 level, whose codes are easy to work out."""
    directory.mkdir(parents=True)
    notes = {
        "catvq_features": json.dumps(FEATURES),
        "catvq_values": json.dumps([None] * len(FEATURES)),
        "catvq_origins": json.dumps(origins),
        "catvq_kinds": "[]",
        "catvq_codes": json.dumps(TOKENS),
        "catvq_test_rows": json.dumps([[-1, 0, 2], [3, 4, 4]]),
        "catvq_test_codes": json.dumps(test_codes),
        "catvq_version": "0",
    }
    save_graph(
        directory / "encoder.onnx",
        [
            ("IsNaN", ["rows"], "missing", {}),
            ("Where", ["missing", "fill", "rows"], "filled", {}),
            ("Not", ["missing"], "there", {}),
            ("Cast", ["there"], "present", {"to": TensorProto.FLOAT}),
            ("Sub", ["filled", "centre"], "centred", {}),
            ("Div", ["centred", "scale"], "normalized", {}),
            ("MatMul", ["normalized", "to_latents"], "latents", {}),
            ("Unsqueeze", ["latents", "last"], "column", {}),
            ("Sub", ["column", "books"], "gap", {}),
            ("Mul", ["gap", "gap"], "distance", {}),
            ("ArgMin", ["distance"], "codes", {"axis": 2, "keepdims": 0}),
            ("ReduceSum", ["rows"], "total", {"keepdims": 0}),
        ],
        [("rows", TensorProto.FLOAT, ["N", 3])],
        [
            ("codes", TensorProto.INT64, ["N", 2]),
            ("normalized", TensorProto.FLOAT, ["N", 3]),
            ("latents", TensorProto.FLOAT, ["N", 2]),
            ("present", TensorProto.FLOAT, ["N", 3]),
            ("total", TensorProto.FLOAT, []),
        ],
        notes,
    )
    save_graph(
        directory / "decoder.onnx",
        [
            ("Add", ["codes", "offsets"], "index", {}),
            ("Gather", ["flat_books", "index"], "values", {}),
            ("MatMul", ["values", "to_rows"], "decoded", {}),
            ("Mul", ["decoded", "scale"], "scaled", {}),
            ("Add", ["scaled", "centre"], "rows", {}),
        ],
        [("codes", TensorProto.INT64, ["N", 2])],
        [("rows", TensorProto.FLOAT, ["N", 3])],
        {},
    )
    save_graph(
        directory / "doubt.onnx",
        [
            ("Add", ["codes", "offsets"], "index", {}),
            ("Gather", ["flat_books", "index"], "values", {}),
            ("MatMul", ["values", "to_rows"], "decoded", {}),
            ("Sub", ["decoded", "normalized"], "gap", {}),
            ("Mul", ["gap", "gap"], "squared", {}),
            ("Mul", ["squared", "present"], "counted", {}),
            ("ReduceSum", ["counted", "one"], "sum", {"keepdims": 0}),
            ("ReduceSum", ["present", "one"], "count", {"keepdims": 0}),
            ("Div", ["sum", "count"], "reconstruction_error", {}),
            ("Sub", ["latents", "values"], "own_gap", {}),
            ("Mul", ["own_gap", "own_gap"], "own_squared", {}),
            ("ReduceMean", ["own_squared", "one"], "distance", {"keepdims": 0}),
        ],
        [
            ("codes", TensorProto.INT64, ["N", 2]),
            ("normalized", TensorProto.FLOAT, ["N", 3]),
            ("latents", TensorProto.FLOAT, ["N", 2]),
            ("present", TensorProto.FLOAT, ["P", 3]),
        ],
        [("reconstruction_error", TensorProto.FLOAT, ["N"]), ("distance", TensorProto.FLOAT, ["N"])],
        {"catvq_distance_percentiles": json.dumps([number / 100 for number in range(101)])},
    )
    level = {
        "level": 0,
        "codebook_size": 2,
        "latent_dim": 1,
        "codes": [[-1.0], [1.0]],
        "usage": 1.0,
        "perplexity": 2.0,
    }
    other = level | {"codebook_size": 3, "codes": [[-1.0], [0.0], [1.0]], "perplexity": 3.0}
    codebook = {
        "categories": [
            {"index": 0, "name": "first", "levels": [level]},
            {"index": 1, "name": "second", "levels": [other]},
        ]
    }
    report = {
        "losses": {"test": 0.5},
        "reconstruction_error": {"test": 0.5},
        "soft_to_hard_gap": 0.0,
        "warnings": [],
    }
    for name, document in {
        "grouping": {"digest": digest, **grouping},
        "codebook": codebook,
        "report": report,
    }.items():
        (directory / f"{name}.json").write_text(json.dumps(document))
    np.save(directory / "assignment.npy", np.array([[0.75, 0.25], [1, 0], [0.125, 0.875]], np.float32))


DOCUMENT = {
    "digest": "sha256:hand",
    "rows_dtype": "float32",
    "features": FEATURES,
    "values": [None] * len(FEATURES),
    "origins": [None] * len(FEATURES),
    "families": {"features": FEATURES},
    "kinds": [],
    "categories": ["first", "second"],
    "levels": 1,
    "codebook_size": [[2], [3]],
    "latent_dim": [[1], [1]],
    "embedding_dim": 1,
    "hidden_dim": 1,
    "metrics": {"reconstruction_error": {"test": 0.5}},
    "training_seconds": 2.0,
    "reading": {},
}
