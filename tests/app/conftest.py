"""What the API's tests share: a real server, a client, and a small model made by hand, without torch."""

import json
import threading
import time
from contextlib import contextmanager
from dataclasses import dataclass

import httpx
import numpy as np
import pytest
import uvicorn
from onnx import TensorProto, helper, numpy_helper

from app.main import create_app
from app.protocol import Protocol
from app.settings import ApiSettings
from app.tables.table import TableLimits
from worker.store import Progress, Store

FEATURES = ["a", "b", "c"]
TOKENS = ["first/0", "second/0"]
FILL = np.array([1.0, 2.0, 3.0], np.float32)
CENTRE = np.array([1.0, 2.0, 3.0], np.float32)
SCALE = np.array([2.0, 2.0, 1.0], np.float32)
TO_LATENTS = np.array([[0.5, 0], [0.5, 0], [0, 1]], np.float32)  # the mean of a and b; c alone
BOOKS = np.array([[-1, 1, 1e9], [-1, 0, 1]], np.float32)  # 2 and 3 codes
TO_ROWS = np.array([[1, 1, 0], [0, 0, 1]], np.float32)


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
    }
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


def write_model(directory, digest="sha256:hand", test_codes=((0, 0), (1, 2))):
    """The files of a model of 3 features, 2 categories and 1 level, whose codes are easy to work out."""
    directory.mkdir(parents=True)
    notes = {
        "catvq_features": json.dumps(FEATURES),
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
            ("Sub", ["filled", "centre"], "centred", {}),
            ("Div", ["centred", "scale"], "normalized", {}),
            ("MatMul", ["normalized", "to_latents"], "latents", {}),
            ("Unsqueeze", ["latents", "last"], "column", {}),
            ("Sub", ["column", "books"], "gap", {}),
            ("Mul", ["gap", "gap"], "distance", {}),
            ("ArgMin", ["distance"], "codes", {"axis": 2, "keepdims": 0}),
        ],
        [("rows", TensorProto.FLOAT, ["N", 3])],
        [
            ("codes", TensorProto.INT64, ["N", 2]),
            ("normalized", TensorProto.FLOAT, ["N", 3]),
            ("latents", TensorProto.FLOAT, ["N", 2]),
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
            ("ReduceMean", ["squared", "one"], "reconstruction_error", {"keepdims": 0}),
            ("Sub", ["latents", "values"], "own_gap", {}),
            ("Mul", ["own_gap", "own_gap"], "own_squared", {}),
            ("ReduceMean", ["own_squared", "one"], "distance", {"keepdims": 0}),
        ],
        [
            ("codes", TensorProto.INT64, ["N", 2]),
            ("normalized", TensorProto.FLOAT, ["N", 3]),
            ("latents", TensorProto.FLOAT, ["N", 2]),
        ],
        [("reconstruction_error", TensorProto.FLOAT, ["N"]), ("distance", TensorProto.FLOAT, ["N"])],
        {"catvq_distance_percentiles": json.dumps([number / 100 for number in range(101)])},
    )
    grouping = {
        "digest": digest,
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
    report = {"losses": {"test": 0.5}, "soft_to_hard_gap": 0.0, "warnings": []}
    for name, document in {"grouping": grouping, "codebook": codebook, "report": report}.items():
        (directory / f"{name}.json").write_text(json.dumps(document))
    np.save(directory / "assignment.npy", np.array([[0.75, 0.25], [1, 0], [0.125, 0.875]], np.float32))


DOCUMENT = {
    "digest": "sha256:hand",
    "features": FEATURES,
    "families": {"features": FEATURES},
    "categories": ["first", "second"],
    "levels": 1,
    "codebook_size": [[2], [3]],
    "latent_dim": [[1], [1]],
    "metrics": {"reconstruction_error": {"test": 0.5}},
    "training_seconds": 2.0,
}


@dataclass
class Api:
    """A running API: its client, its store, and how to make what a worker would make."""

    client: httpx.Client
    store: Store
    app: object

    def half_done(self):
        """What uploads have left on the disk so far, apart from datasets."""
        files = (path for path in self.store.spool_dir.rglob("*") if path.is_file())
        return [path for path in files if path.name != ".lock"]

    def dataset(self, rows=32, seed=0, name=None):
        values = np.random.default_rng(seed).normal(size=(rows, 3)).astype(np.float32)
        text = "a,b,c\n" + "".join(",".join(map(repr, row)) + "\n" for row in values.tolist())
        params = {} if name is None else {"name": name}
        answer = self.client.post(
            "/v1/datasets", content=text, params=params, headers={"content-type": "text/csv"}
        )
        assert answer.status_code in {200, 201}, answer.text
        return answer.json()["id"]

    def job(self, **fields):
        answer = self.client.post("/v1/jobs", json={"dataset": self.dataset()} | fields)
        assert answer.status_code == 202, answer.text
        return answer.json()["id"]

    def running_job(self, epochs=3, recorded=2, **fields):
        """A job that some worker has claimed, with some of its epochs recorded; returns the claim."""
        job_id = self.job(training={"epochs": epochs}, **fields)
        claim = self.store.leases.claim(job_id, "tester", threads=1)
        for epoch in range(1, recorded + 1):
            self.record(claim, epoch, epochs)
        return claim

    def record(self, claim, epoch, epochs):
        share = epoch / (epochs + 1)
        self.store.recordings.record_progress(
            claim,
            Progress(
                epoch=epoch,
                epochs=epochs,
                step=10 * epoch,
                steps=10 * epochs,
                temperature=1 / epoch,
                losses={"total": 2.0 / epoch, "reconstruction": 1.0 / epoch, "validation": None},
                assignment={
                    "entropy": 0.5,
                    "confident_fraction": 0.5,
                    "changed_last_epoch": 1,
                    "active_categories": 2,
                },
                codebook={"perplexity": 2.0, "usage": 1.0},
                eta_seconds=1.0,
                matrix=np.array([[share, 1 - share], [1, 0], [0, 1]], np.float32),
                categories=["first", "second"],
                metrics={"total": 2.0 / epoch, "validation": None},
            ),
        )

    def model(self, *, baselines=False):
        """A published model; returns its id."""
        claim = self.running_job(report={"baselines": baselines})
        model_id = f"model_{claim.job.id.removeprefix('job_')}"
        write_model(self.store.models.directory(model_id))
        self.store.leases.publish(claim, model_id, DOCUMENT, "sha256:hand")
        return model_id


@contextmanager
def serving(settings):
    """A real uvicorn in a thread of this process, and a client of it."""
    app = create_app(settings)
    config = uvicorn.Config(app, host="127.0.0.1", port=0, log_level="warning", http=Protocol, ws="none")
    server = uvicorn.Server(config)
    thread = threading.Thread(target=server.run)
    thread.start()
    try:
        deadline = time.monotonic() + 20
        while not server.started:
            assert thread.is_alive()
            assert time.monotonic() < deadline
            time.sleep(0.01)
        port = server.servers[0].sockets[0].getsockname()[1]
        with httpx.Client(base_url=f"http://127.0.0.1:{port}", timeout=30) as client:
            yield Api(client, app.state.services.store, app)
    finally:
        server.should_exit = True
        thread.join()


@pytest.fixture(scope="session")
def base_settings(tmp_path_factory):
    """Settings with small limits; nothing listens at the broker's address."""
    return ApiSettings(
        data_dir=tmp_path_factory.mktemp("api"),
        redis_url="redis://127.0.0.1:1/0",
        max_body_bytes=1 << 20,
        max_json_bytes=1 << 18,
        max_document_bytes=1 << 18,
        max_expanded_bytes=1 << 20,
        max_rows=5000,
        max_features=100,
        max_encode_rows=1000,
    )


@pytest.fixture(scope="session")
def api(base_settings):
    with serving(base_settings) as running:
        yield running


@pytest.fixture(scope="session")
def client(api):
    return api.client


@pytest.fixture(scope="session")
def model_id(api):
    return api.model()


@pytest.fixture
def make_model():
    return write_model


@pytest.fixture(scope="session")
def serve():
    return serving


@pytest.fixture
def limits(tmp_path):
    return TableLimits(max_rows=1000, max_features=50, max_expanded_bytes=1 << 20, scratch_dir=tmp_path)
