"""Rows of a dataset as a model takes them, whatever else the dataset holds and in which order.

Shapes: N rows, P prefixes, D tabular features, S streams.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from catvq.errors import ShapeError
from catvq.features.origins import find_delays
from catvq.features.sequences import Sequences, Series
from catvq.features.table import FeatureTable
from catvq.frozen.table_encoder import Codes, TableEncoder
from worker.jobs.load_dataset import open_table
from worker.store import DatasetRecord, Store


@dataclass(frozen=True, eq=False)
class ModelRows:
    """The rows of a stored dataset, and the model that encodes them.

    Attributes:
        table: All features of the dataset.
        encoder: The model.
        columns: Where the model's tabular features are among the dataset's, length D.
        others: The model's families of series and grids.
        translations: From the dataset's index of a value to the model's (NaN: none), by place.
        delays: Seconds between the origins of times, [D].
    """

    table: FeatureTable
    encoder: TableEncoder
    columns: list[int]
    others: dict[str, Sequences]
    translations: dict[int, NDArray[np.float64]]
    delays: NDArray[np.float64]

    @classmethod
    def open(cls, store: Store, source: DatasetRecord, encoder: TableEncoder) -> "ModelRows":
        """Open a dataset; nothing is read yet.

        Raises:
            FileNotFoundError: Its values are gone.
            ShapeError: It has no family that the model needs.
        """
        table = open_table(store, source)
        names = encoder.features[: encoder.num_tabular]
        return cls(
            table=table,
            encoder=encoder,
            columns=[table.features.index(name) for name in names],
            others={family.name: _select(table, family.name, encoder) for family in encoder.families},
            translations=_translations(table, encoder),
            delays=find_delays(names, encoder.origins, table.origins),
        )

    @property
    def cells_per_row(self) -> int:
        """Mean number of values of a row's series and grids."""
        cells = sum(int(other.cells.sum()) for other in self.others.values())
        return cells // max(1, len(self.table.values))

    def encode(self, start: int, stop: int, prefixes: Sequence[int]) -> Codes:
        """Encode some rows: int64 [rows, S], or [rows * P, S] where only prefixes are asked for."""
        cells = self.table.values[start:stop][:, self.columns]
        values = _translate(cells, self.translations)
        values = values.astype(np.float64) + self.delays if self.delays.any() else values
        rows = np.arange(start, stop)
        others = {name: other.take(rows) for name, other in self.others.items()}
        if not prefixes:
            return self.encoder.encode(values, others)
        codes = [self.encoder.encode(values, _begin(others, length)) for length in prefixes]
        return np.stack(codes, axis=1).reshape(-1, codes[0].shape[1])


def _begin(others: dict[str, Sequences], length: int) -> dict[str, Sequences]:
    return {
        name: other.begin(np.full(other.num_rows, length)) if isinstance(other, Series) else other
        for name, other in others.items()
    }


def _select(table: FeatureTable, name: str, encoder: TableEncoder) -> Sequences:
    """A family of a table with the channels of the model's."""
    family = next(family for family in encoder.families if family.name == name)
    wanted = [f"{name}/{channel}" for channel in family.channels]
    given = list(table.families.get(name, ()))
    if name not in table.others or not set(wanted) <= set(given):
        raise ShapeError(f"the dataset has no {family.kind} {name!r} with the channels of the model's")
    return table.others[name].select(np.array([given.index(channel) for channel in wanted]))


def _translations(table: FeatureTable, encoder: TableEncoder) -> dict[int, NDArray[np.float64]]:
    """For each categorical feature whose values are others, or in another order."""
    translations = {}
    for place, (name, values) in enumerate(zip(encoder.features, encoder.values, strict=True)):
        given = table.values_of.get(name, ())
        if values is not None and given != values:
            index = {value: number for number, value in enumerate(values)}
            translations[place] = np.array([index.get(value, np.nan) for value in given])
    return translations


def _translate(rows: NDArray[Any], translations: dict[int, NDArray[np.float64]]) -> NDArray[Any]:
    for place, translation in translations.items():
        cells = rows[:, place]
        is_there = ~np.isnan(cells)
        cells[is_there] = translation[cells[is_there].astype(np.int64)]
    return rows
