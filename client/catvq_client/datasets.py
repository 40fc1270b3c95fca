"""Datasets: tables of named features in named families."""

from collections.abc import Mapping, Sequence

from catvq_client.bodies import Table, families_param, table_body
from catvq_client.records import Dataset
from catvq_client.transport import Call, Transport, segment


class Datasets:
    """Uploads, lists and deletes datasets."""

    def __init__(self, transport: Transport) -> None:
        self._transport = transport

    def upload(
        self,
        table: Table,
        *,
        name: str | None = None,
        families: str | Mapping[str, Sequence[str]] | None = None,
        columns: Sequence[str] | None = None,
        strict: bool = False,
    ) -> Dataset:
        """Stream a table to the service; the same table and settings again give the same dataset.

        Args:
            table: Array [rows, features], DataFrame, one array per family, or a file's path.
            name: A name for people.
            families: `{family: [feature, ...]}`, or a rule such as `prefix:_`.
            columns: Names of an array's columns.
            strict: Refuse missing values and constant columns instead of handling them.

        Raises:
            ApiError: The service refused the table, naming column and row.
        """
        params = {"strict": "true"} if strict else {}
        if name is not None:
            params["name"] = name
        if families is not None:
            params["families"] = families_param(families)
        call = Call("POST", "/v1/datasets", params=params, body=table_body(table, columns))
        return self._transport.record(Dataset, call)

    def get(self, dataset_id: str) -> Dataset:
        """Return a dataset."""
        return self._transport.record(Dataset, Call("GET", f"/v1/datasets/{segment(dataset_id)}"))

    def list(self) -> list[Dataset]:
        """Return every dataset, newest first."""
        return list(self._transport.records(Dataset, Call("GET", "/v1/datasets")))

    def delete(self, dataset_id: str) -> None:
        """Delete a dataset that no job needs."""
        self._transport.send(Call("DELETE", f"/v1/datasets/{segment(dataset_id)}"))
