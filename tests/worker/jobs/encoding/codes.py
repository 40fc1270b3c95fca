"""What an encoding should give, and when it was written."""

import time

import numpy as np
import onnxruntime

ROWS = 1000


def values_of(store, dataset_id):
    return np.load(store.datasets.values_path(dataset_id))


def codes_by_hand(store, model, dataset_id):
    session = onnxruntime.InferenceSession(store.models.directory(model.id) / "encoder.onnx")
    return session.run(["codes"], {"rows": values_of(store, dataset_id)})[0]


def when_written(store, monkeypatch, rows, act):
    """Acts once, when that many rows are written for good."""
    record = store.recordings.record_rows
    acts = [act]

    def record_and_act(claim, *, done, **more):
        record(claim, done=done, **more)
        if done == rows and acts:
            acts.pop()()

    monkeypatch.setattr(store.recordings, "record_rows", record_and_act)


def wait_for(is_so):
    until = time.monotonic() + 30
    while not is_so():
        assert time.monotonic() < until
        time.sleep(0.01)
