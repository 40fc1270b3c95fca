"""Models and aliases: reads models, encodes rows, decodes codes, moves aliases."""

import json
import uuid
from collections.abc import AsyncIterator, Sequence
from pathlib import Path
from typing import Any, Literal, Unpack

import numpy as np
import numpy.typing as npt

from catvq_client.asynchronous.transport import AsyncTransport
from catvq_client.calls import Call, segment
from catvq_client.picture import Picture, PictureKind
from catvq_client.records import (
    Alias,
    Assignment,
    Codebook,
    Encodings,
    Grouping,
    Job,
    Model,
    ModelDiff,
    Report,
)
from catvq_client.tables.bodies import NPY, Array, Table, table_body
from catvq_client.tables.body import CSV, Body
from catvq_client.tables.codes import read_codes
from catvq_client.tables.reading import RowReading, reading_params
from catvq_client.tables.rows import names_of, read_npy, row_bodies


class AsyncModels:
    """Reads models and encodes rows. An id may be `@alias`."""

    def __init__(self, transport: AsyncTransport) -> None:
        self._transport = transport
        self._known: dict[str, Model] = {}

    async def get(self, model_id: str) -> Model:
        """Return a model's description."""
        return await self._transport.record(Model, Call("GET", _path(model_id)))

    def iterate(self) -> AsyncIterator[Model]:
        """Yield all models, newest first; pages are read as they are needed."""
        return self._transport.records(Model, Call("GET", "/v1/models"))

    async def list(self) -> list[Model]:
        """Return all models, newest first."""
        return [model async for model in self.iterate()]

    async def delete(self, model_id: str) -> None:
        """Delete a model that no alias refers to."""
        await self._transport.send(Call("DELETE", _path(model_id)))

    async def grouping(self, model_id: str) -> Grouping:
        """Return the frozen category of every feature."""
        return await self._transport.record(Grouping, Call("GET", f"{_path(model_id)}/grouping"))

    async def assignment(self, model_id: str, *, kind: str = "soft") -> Assignment:
        """Return the assignment at the freeze, `soft` or `hard`."""
        call = Call("GET", f"{_path(model_id)}/assignment", params={"kind": kind})
        return await self._transport.record(Assignment, call)

    async def plot(
        self,
        model_id: str,
        what: Literal["grouping", "assignment"] = "grouping",
        *,
        kind: PictureKind = "svg",
    ) -> Picture:
        """Return a picture of the frozen grouping, or of the assignment at the freeze."""
        return await self._transport.picture(f"{_path(model_id)}/{what}", kind)

    async def diff(self, model_id: str, to: str) -> ModelDiff:
        """Compare a model's grouping with that of another; categories are matched one to one."""
        return await self._transport.record(
            ModelDiff, Call("GET", f"{_path(model_id)}/diff", params={"to": to})
        )

    async def codebook(self, model_id: str) -> Codebook:
        """Return all codebooks with their usage."""
        return await self._transport.record(Codebook, Call("GET", f"{_path(model_id)}/codebook"))

    async def report(self, model_id: str) -> Report:
        """Return the report on the model and its training; its `document()` holds all of it."""
        return await self._transport.record(Report, Call("GET", f"{_path(model_id)}/report"))

    async def artifact(self, model_id: str) -> bytes:
        """Return the encoder as one ONNX file."""
        return (await self._transport.send(Call("GET", f"{_path(model_id)}/artifact"))).content

    async def encode(
        self, model_id: str, rows: Table, *, columns: Sequence[str] | None = None, levels: int | None = None
    ) -> npt.NDArray[np.int64]:
        """Encode rows, in binary and in as many requests as needed.

        Args:
            model_id: Id or `@alias`.
            rows: Array [N, D] in the dataset's column order; or whatever an upload takes, matched by name:
                frames, tables of Arrow, one list per column, a file's path. Columns that the model does not
                have are not sent.
            columns: Names of an array's columns, in any order.
            levels: Of each category, from the coarsest; by default all.

        Returns:
            Codes [N, G * L]: category 0 level 0, category 0 level 1, ...; -1 in a row with an infinity.
        """
        names, model = names_of(rows, columns), None
        if names is not None:
            model = await self._model(model_id)
            model_id = model.id  # an alias may move meanwhile
        bodies = row_bodies(rows, names, model)
        parts = [await self._encode(model_id, body, levels) for body in bodies]
        return np.concatenate(parts).astype(np.int64, copy=False)

    async def encodings(
        self,
        model_id: str,
        rows: Table,
        *,
        columns: Sequence[str] | None = None,
        keys: Sequence[str] = (),
        **reading: Unpack[RowReading],
    ) -> Encodings:
        """Encode rows in one request; also return each row's reconstruction error and status.

        Args:
            model_id: Id or `@alias`.
            rows: Whatever an upload takes; named columns are matched by name.
            columns: Names of an array's columns.
            keys: Columns that come back beside the codes.
            reading: How to read the rows, beyond what the model remembers of its dataset.
        """
        params = reading_params(reading) | ({"keys": json.dumps(list(keys))} if keys else {})
        call = Call("POST", f"{_path(model_id)}/encodings", params=params, body=table_body(rows, columns))
        found = await self._transport.record(Encodings, call)
        tokens = (await self._model(found.model)).tokens
        return found.model_copy(update={"tokens": tokens})

    async def encode_file(self, model_id: str, path: Path, *, as_csv: bool) -> bytes:
        """Encode the rows of a file; return the codes as NPY or CSV bytes."""
        accept = CSV if as_csv else NPY
        call = Call("POST", f"{_path(model_id)}/encodings", body=table_body(path), headers={"Accept": accept})
        return (await self._transport.send(call)).content

    async def decode(
        self, model_id: str, codes: npt.ArrayLike, *, levels: int | None = None
    ) -> npt.NDArray[np.floating[Any]]:
        """Decode codes [N, G * L] to rows [N, D] in the dataset's units.

        Args:
            model_id: Id or `@alias`.
            codes: As `encode` returns.
            levels: As the codes were encoded with.
        """
        body = {"codes": np.asarray(codes).tolist()}
        path = f"{_path(model_id)}/decodings"
        call = Call("POST", path, json=body, params=_levels(levels), headers={"Accept": NPY})
        return read_npy((await self._transport.send(call)).content)

    async def decode_file(
        self, model_id: str, path: Path, *, kind: Literal["npy", "csv", "json"] = "npy"
    ) -> bytes:
        """Decode the codes of a file, as `encode_file` writes them; return the rows in the given format."""
        accept = {"npy": NPY, "csv": CSV, "json": "application/json"}[kind]
        model = await self._model(model_id)
        codes = read_codes(path, model.tokens)
        levels = codes.shape[-1] // max(1, len(model.categories))
        call = Call(
            "POST",
            f"{_path(model.id)}/decodings",
            params=_levels(None if levels == model.levels else levels),
            body=table_body(codes),
            headers={"Accept": accept},
        )
        return (await self._transport.send(call)).content

    async def encode_dataset(
        self,
        model_id: str,
        dataset_id: str,
        *,
        name: str | None = None,
        keys: Sequence[str] = (),
        prefixes: Sequence[int] = (),
    ) -> Job:
        """Submit a job that encodes a dataset of any size; its `result` is a dataset of codes.

        Args:
            model_id: Id or `@alias`.
            dataset_id: Has the model's features.
            name: Of the job and its result, for people.
            keys: Those of the dataset that the result has, too.
            prefixes: Lengths of series: the result has a row for each row and length, and tells both.
        """
        body: dict[str, Any] = {"dataset": dataset_id, "name": name, "keys": list(keys)}
        call = Call(
            "POST",
            f"{_path(model_id)}/encoding-jobs",
            json=body | ({"prefixes": list(prefixes)} if prefixes else {}),
            headers={"Idempotency-Key": uuid.uuid4().hex},
        )
        return await self._transport.record(Job, call)

    async def _encode(self, model_id: str, body: Body, levels: int | None) -> Array:
        path = f"{_path(model_id)}/encodings"
        call = Call("POST", path, body=body, params=_levels(levels), headers={"Accept": NPY})
        return read_npy((await self._transport.send(call)).content)

    async def _model(self, model_id: str) -> Model:
        """Return a model, cached by id; aliases are not cached, as they may move."""
        model = self._known.get(model_id) or await self.get(model_id)
        self._known[model.id] = model
        return model


class AsyncAliases:
    """Creates, moves, reads and deletes aliases."""

    def __init__(self, transport: AsyncTransport) -> None:
        self._transport = transport

    async def put(self, name: str, model_id: str, *, if_match: str | None = None) -> Alias:
        """Point an alias to a model; with `if_match` only if it has not been moved since."""
        headers = {} if if_match is None else {"If-Match": if_match}
        call = Call("PUT", f"/v1/aliases/{segment(name)}", json={"model": model_id}, headers=headers)
        return await self._transport.record(Alias, call)

    async def get(self, name: str) -> Alias:
        """Return an alias with its model."""
        return await self._transport.record(Alias, Call("GET", f"/v1/aliases/{segment(name)}"))

    def iterate(self) -> AsyncIterator[Alias]:
        """Yield all aliases; pages are read as they are needed."""
        return self._transport.records(Alias, Call("GET", "/v1/aliases"))

    async def list(self) -> list[Alias]:
        """Return all aliases."""
        return [alias async for alias in self.iterate()]

    async def delete(self, name: str) -> None:
        """Delete an alias; its model is kept."""
        await self._transport.send(Call("DELETE", f"/v1/aliases/{segment(name)}"))


def _levels(levels: int | None) -> dict[str, str]:
    return {} if levels is None else {"levels": str(levels)}


def _path(model_id: str) -> str:
    return f"/v1/models/{segment(model_id)}"
