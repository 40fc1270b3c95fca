"""LitServe with its batching."""

import sys
from typing import Any

import litserve
import numpy as np
from session import Session

PORT = sys.argv[1]


class Encode(litserve.LitAPI):
    """Encodes the rows of a batch of requests."""

    def setup(self, _device: Any) -> None:
        """Load the model."""
        self._session = Session()

    def decode_request(self, request) -> Any:  # type: ignore[no-untyped-def]  # noqa: ANN001 - an annotation would be the schema
        """Read one request."""
        return np.array(request["rows"], np.float32)

    def batch(self, inputs: Any) -> Any:
        """Leave them apart: they differ in rows."""
        return inputs

    def predict(self, batch: Any) -> Any:
        """Encode all."""
        return self._session.encode_each(batch)

    def unbatch(self, output: Any) -> Any:
        """They are apart already."""
        return output

    def encode_response(self, output: Any) -> Any:
        """Write one answer."""
        return {"codes": output.tolist()}


if __name__ == "__main__":
    server = litserve.LitServer(Encode(max_batch_size=64, batch_timeout=0.001), accelerator="cpu")
    server.run(
        port=int(PORT), host="127.0.0.1", num_api_servers=1, generate_client_file=False, log_level="warning"
    )
