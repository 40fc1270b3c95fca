"""Opens stored datasets as the table that the core learns from."""

from dataclasses import replace

import numpy as np
from numpy.typing import NDArray
from pyarrow import parquet

from catvq.config import RunConfig
from catvq.errors import ConfigError
from catvq.features.align import align
from catvq.features.table import FeatureTable, select_features
from worker.store import DatasetRecord, Store


def load_table(store: Store, dataset_id: str, config: RunConfig) -> FeatureTable:
    """Open the features that a run learns from, with the key that it is split by and the tables held out.

    The values stay on the disk until they are read.

    Raises:
        NotFound: There is no such dataset.
        FileNotFoundError: Its values are gone.
        ConfigError: A dataset that is held out has other features, or a row weighs no
            number of at least 0.
    """
    dataset = store.datasets.get(dataset_id)
    key = config.training.split_key
    keys = {} if key is None else {key: _load_key(store, dataset.id, key)}
    weight = config.training.sample_weight
    table = replace(select_features(_open(store, dataset, weight), config.features), keys=keys)
    held_out = {
        part: align(_open(store, store.datasets.get(other), weight), table)
        for part, other in config.training.held_out_datasets.items()
    }
    return replace(table, held_out=held_out)


def _open(store: Store, dataset: DatasetRecord, weight: str | None) -> FeatureTable:
    values = np.load(store.datasets.values_path(dataset.id), mmap_mode="r", allow_pickle=False)
    families = {name: tuple(members) for name, members in dataset.families.items()}
    values_of = {
        column["name"]: tuple(column["values"])
        for column in dataset.columns
        if column["type"] == "categorical"
    }
    origins = {column["name"]: column["origin"] for column in dataset.columns if column["type"] == "datetime"}
    table = FeatureTable(values, tuple(dataset.features), families, values_of, origins=origins)
    if weight is None:
        return table
    if weight in table.features:
        weights = values[:, table.features.index(weight)].astype(np.float64)
    else:
        weights = _as_weights(weight, _load_key(store, dataset.id, weight))
    return replace(table, weights=weights)


def _as_weights(name: str, key: NDArray[np.object_]) -> NDArray[np.float64]:
    weights = np.full(len(key), np.nan)
    for row, cell in enumerate(key):
        try:
            weights[row] = np.nan if cell is None else float(cell)
        except ValueError:
            raise ConfigError(f"sample_weight {name!r}: row {row + 1} holds {cell!r}, not a number") from None
    return weights


def _load_key(store: Store, dataset_id: str, name: str) -> NDArray[np.object_]:
    column = parquet.read_table(store.datasets.keys_path(dataset_id), columns=[name]).column(name)
    return np.array(column.to_pylist(), dtype=object)
