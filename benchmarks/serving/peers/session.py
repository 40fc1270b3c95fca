"""The artifact in ONNX Runtime, one thread, as every peer runs it."""

import os
from typing import Any

import numpy as np
import onnxruntime
from numpy.typing import NDArray


class Session:
    """Encodes rows with the model that the environment names."""

    def __init__(self) -> None:
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = 1
        self._session = onnxruntime.InferenceSession(
            f"{os.environ['CATVQ_BENCH_MODEL']}/encoder.onnx", options, providers=["CPUExecutionProvider"]
        )

    def encode(self, rows: NDArray[np.float32]) -> NDArray[np.int64]:
        """Encode one batch."""
        codes: NDArray[np.int64] = self._session.run(["codes"], {"rows": rows})[0]
        return codes

    def encode_each(self, requests: list[NDArray[np.float32]]) -> list[NDArray[Any]]:
        """Encode the rows of several requests in one batch."""
        codes = self.encode(np.concatenate(requests))
        return np.split(codes, np.cumsum([len(rows) for rows in requests])[:-1])
