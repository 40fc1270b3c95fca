"""Datasets: uploads, downloads, lists and deletes tables."""

from collections.abc import AsyncIterator, Mapping, Sequence
from pathlib import Path
from typing import Any, Unpack

import numpy as np
import numpy.typing as npt

from catvq_client.asynchronous.transport import AsyncTransport
from catvq_client.calls import Call, segment
from catvq_client.records import Dataset, Preview
from catvq_client.tables.bodies import NPY, Table, families_param, table_body
from catvq_client.tables.files import written_type
from catvq_client.tables.reading import Reading, reading_params
from catvq_client.tables.rows import read_npy


class AsyncDatasets:
    """Uploads, reads, lists and deletes datasets."""

    def __init__(self, transport: AsyncTransport) -> None:
        self._transport = transport

    async def upload(
        self,
        table: Table,
        *,
        name: str | None = None,
        families: str | Mapping[str, Sequence[str]] | None = None,
        columns: Sequence[str] | None = None,
        strict: bool = False,
        **reading: Unpack[Reading],
    ) -> Dataset:
        """Upload a table; the same table and settings give the same dataset.

        Args:
            table: Array [rows, features], DataFrame, one array per family, one list per column, or a file's
                path.
            name: A name for people.
            families: `{family: [feature, ...]}`, or a rule such as `prefix:_`.
            columns: Names of an array's columns.
            strict: Refuse what would be a warning, such as missing values and text.
            reading: How to read the table, see `Reading`.

        Raises:
            ApiError: The table is invalid; the error names column and row.
        """
        params = {"strict": "true"} if strict else {}
        if name is not None:
            params["name"] = name
        if families is not None:
            params["families"] = families_param(families)
        call = Call(
            "POST", "/v1/datasets", params=params | reading_params(reading), body=table_body(table, columns)
        )
        return await self._transport.record(Dataset, call)

    async def check(
        self,
        table: Table,
        *,
        families: str | Mapping[str, Sequence[str]] | None = None,
        columns: Sequence[str] | None = None,
        **reading: Unpack[Reading],
    ) -> Preview:
        """Say how the service would read a table, and store nothing.

        Raises:
            ApiError: The service refused the table, naming columns and rows.
        """
        params = {"dry_run": "true"} | reading_params(reading)
        if families is not None:
            params["families"] = families_param(families)
        call = Call("POST", "/v1/datasets", params=params, body=table_body(table, columns))
        return await self._transport.record(Preview, call)

    async def get(self, dataset_id: str) -> Dataset:
        """Return a dataset."""
        return await self._transport.record(Dataset, Call("GET", f"/v1/datasets/{segment(dataset_id)}"))

    async def rows(self, dataset_id: str) -> npt.NDArray[np.floating[Any]]:
        """Return every row [rows, features], float32 or float64; NaN is missing, a category its index."""
        call = Call("GET", f"/v1/datasets/{segment(dataset_id)}/rows", headers={"Accept": NPY})
        return read_npy((await self._transport.send(call)).content)

    async def download(self, dataset_id: str, path: Path) -> None:
        """Write a dataset as a file of the kind that the path's suffix names; NPZ and HDF5 hold series, too.

        Raises:
            CatvqError: No dataset is written with such a suffix.
        """
        call = Call("GET", f"/v1/datasets/{segment(dataset_id)}/rows", headers={"Accept": written_type(path)})
        async with self._transport.stream(call) as response:
            pieces = response.aiter_bytes()
            with path.open("wb") as file:
                async for piece in pieces:
                    file.write(piece)

    def iterate(self) -> AsyncIterator[Dataset]:
        """Yield all datasets, newest first; pages are read as they are needed."""
        return self._transport.records(Dataset, Call("GET", "/v1/datasets"))

    async def list(self) -> list[Dataset]:
        """Return all datasets, newest first."""
        return [dataset async for dataset in self.iterate()]

    async def delete(self, dataset_id: str) -> None:
        """Delete a dataset that no job uses."""
        await self._transport.send(Call("DELETE", f"/v1/datasets/{segment(dataset_id)}"))
