"""Opens stored datasets as the table that the core learns from."""

from dataclasses import replace

import numpy as np
from numpy.typing import NDArray
from pyarrow import parquet

from catvq.config import RunConfig
from catvq.features.align import align
from catvq.features.table import FeatureTable, select_features
from worker.store import DatasetRecord, Store


def load_table(store: Store, dataset_id: str, config: RunConfig) -> FeatureTable:
    """Open the features that a run learns from, with the key that it is split by and the tables held out.

    The values stay on the disk until they are read.

    Raises:
        NotFound: There is no such dataset.
        FileNotFoundError: Its values are gone.
        ConfigError: A dataset that is held out has other features.
    """
    dataset = store.datasets.get(dataset_id)
    key = config.training.split_key
    keys = {} if key is None else {key: _load_key(store, dataset.id, key)}
    table = replace(select_features(_open(store, dataset), config.features), keys=keys)
    held_out = {
        part: align(_open(store, store.datasets.get(other)), table)
        for part, other in config.training.held_out_datasets.items()
    }
    return replace(table, held_out=held_out)


def _open(store: Store, dataset: DatasetRecord) -> FeatureTable:
    values = np.load(store.datasets.values_path(dataset.id), mmap_mode="r", allow_pickle=False)
    families = {name: tuple(members) for name, members in dataset.families.items()}
    values_of = {
        column["name"]: tuple(column["values"])
        for column in dataset.columns
        if column["type"] == "categorical"
    }
    origins = {column["name"]: column["origin"] for column in dataset.columns if column["type"] == "datetime"}
    return FeatureTable(values, tuple(dataset.features), families, values_of, origins=origins)


def _load_key(store: Store, dataset_id: str, name: str) -> NDArray[np.object_]:
    column = parquet.read_table(store.datasets.keys_path(dataset_id), columns=[name]).column(name)
    return np.array(column.to_pylist(), dtype=object)
