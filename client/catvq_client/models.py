"""Models: what a job leaves behind, and the encodings they make; and the aliases that name them."""

import io
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from catvq_client.bodies import CSV, NPY, Array, DataFrameLike, Table, table_body
from catvq_client.errors import UnexpectedAnswerError
from catvq_client.records import Alias, Assignment, Encodings, Grouping, Model
from catvq_client.transport import Call, Transport, read_json, segment

ROWS_PER_REQUEST = 16_384  # well below any service's limit; larger requests gain no speed

Rows = Array | DataFrameLike


class Models:
    """Reads models and encodes rows with them. An id may be `@alias`."""

    def __init__(self, transport: Transport) -> None:
        self._transport = transport

    def get(self, model_id: str) -> Model:
        """Return a model's summary."""
        return self._transport.record(Model, Call("GET", _path(model_id)))

    def list(self) -> list[Model]:
        """Return every model, newest first."""
        return list(self._transport.records(Model, Call("GET", "/v1/models")))

    def delete(self, model_id: str) -> None:
        """Delete a model that no alias names."""
        self._transport.send(Call("DELETE", _path(model_id)))

    def grouping(self, model_id: str) -> Grouping:
        """Return the frozen category of every feature."""
        return self._transport.record(Grouping, Call("GET", f"{_path(model_id)}/grouping"))

    def assignment(self, model_id: str, *, kind: str = "soft") -> Assignment:
        """Return the assignment at the freeze, `soft` or `hard`."""
        call = Call("GET", f"{_path(model_id)}/assignment", params={"kind": kind})
        return self._transport.record(Assignment, call)

    def codebook(self, model_id: str) -> Any:
        """Return every codebook with its usage."""
        return read_json(self._transport.send(Call("GET", f"{_path(model_id)}/codebook")))

    def report(self, model_id: str) -> dict[str, Any]:
        """Return how the training went and what was done to each feature."""
        document: dict[str, Any] = read_json(self._transport.send(Call("GET", f"{_path(model_id)}/report")))
        return document

    def artifact(self, model_id: str) -> bytes:
        """Return the encoder as one ONNX file."""
        return self._transport.send(Call("GET", f"{_path(model_id)}/artifact")).content

    def encode(
        self, model_id: str, rows: Rows, *, columns: Sequence[str] | None = None
    ) -> npt.NDArray[np.int64]:
        """Turn rows into codes, over the binary path, in as many requests as needed.

        Args:
            model_id: Id or `@alias`.
            rows: Array [N, D] in the dataset's column order; or a DataFrame, matched by name.
            columns: Names of an array's columns, in any order.

        Returns:
            Codes [N, G * L]: category 0 level 0, category 0 level 1, ...; -1 in a row that holds an infinity.
        """
        parts = [self._encode(model_id, part, columns) for part in _parts(rows)]
        return np.concatenate(parts).astype(np.int64, copy=False)

    def encodings(self, model_id: str, rows: Table, *, columns: Sequence[str] | None = None) -> Encodings:
        """Turn rows into codes with the reconstruction error and the status of each, in one request."""
        call = Call("POST", f"{_path(model_id)}/encodings", body=table_body(rows, columns))
        return self._transport.record(Encodings, call)

    def encode_file(self, model_id: str, path: Path, *, as_csv: bool) -> bytes:
        """Send a table's file as it is and return the codes as NPY or CSV bytes."""
        accept = CSV if as_csv else NPY
        call = Call("POST", f"{_path(model_id)}/encodings", body=table_body(path), headers={"Accept": accept})
        return self._transport.send(call).content

    def decode(self, model_id: str, codes: npt.ArrayLike) -> npt.NDArray[np.float32]:
        """Turn codes [N, G * L] back into rows [N, D] in the dataset's units."""
        body = {"codes": np.asarray(codes).tolist()}
        call = Call("POST", f"{_path(model_id)}/decodings", json=body, headers={"Accept": NPY})
        return _read_npy(self._transport.send(call).content).astype(np.float32, copy=False)

    def _encode(self, model_id: str, rows: Rows, columns: Sequence[str] | None) -> Array:
        call = Call(
            "POST",
            f"{_path(model_id)}/encodings",
            body=table_body(rows, columns),
            headers={"Accept": NPY},
        )
        return _read_npy(self._transport.send(call).content)


class Aliases:
    """Names that point to models and can be moved."""

    def __init__(self, transport: Transport) -> None:
        self._transport = transport

    def put(self, name: str, model_id: str, *, if_match: str | None = None) -> Alias:
        """Point a name to a model; with `if_match` only if nobody has moved it since."""
        headers = {} if if_match is None else {"If-Match": if_match}
        call = Call("PUT", f"/v1/aliases/{segment(name)}", json={"model": model_id}, headers=headers)
        return self._transport.record(Alias, call)

    def get(self, name: str) -> Alias:
        """Return where a name points."""
        return self._transport.record(Alias, Call("GET", f"/v1/aliases/{segment(name)}"))

    def list(self) -> list[Alias]:
        """Return every alias."""
        return list(self._transport.records(Alias, Call("GET", "/v1/aliases")))

    def delete(self, name: str) -> None:
        """Forget a name; the model stays."""
        self._transport.send(Call("DELETE", f"/v1/aliases/{segment(name)}"))


def _path(model_id: str) -> str:
    return f"/v1/models/{segment(model_id)}"


def _parts(rows: Rows) -> list[Rows]:
    if isinstance(rows, DataFrameLike):
        table: Any = rows.iloc  # type: ignore[attr-defined]
        count = len(rows)  # type: ignore[arg-type]
    else:
        table = np.asarray(rows)
        count = table.shape[0] if table.ndim else 0
    starts = range(0, max(count, 1), ROWS_PER_REQUEST)  # no rows at all: let the service say so
    return [table[start : start + ROWS_PER_REQUEST] for start in starts]


def _read_npy(content: bytes) -> Array:
    try:
        array: Array = np.load(io.BytesIO(content), allow_pickle=False)
    except (ValueError, OSError) as error:
        raise UnexpectedAnswerError(f"expected an NPY array: {error}") from error
    return array
