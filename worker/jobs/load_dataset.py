"""Opens a stored dataset as the table that the core learns from."""

import numpy as np
from numpy.typing import NDArray
from pyarrow import parquet

from catvq.config import RunConfig
from catvq.features.table import FeatureTable
from worker.store import Store


def load_table(store: Store, dataset_id: str, config: RunConfig) -> FeatureTable:
    """Open a dataset, with the key that a run splits it by; its values stay on the disk until they are read.

    Raises:
        NotFound: There is no such dataset.
        FileNotFoundError: Its values are gone.
    """
    dataset = store.datasets.get(dataset_id)
    values = np.load(store.datasets.values_path(dataset.id), mmap_mode="r", allow_pickle=False)
    families = {name: tuple(members) for name, members in dataset.families.items()}
    key = config.training.split_key
    keys = {} if key is None else {key: _load_key(store, dataset.id, key)}
    values_of = {
        column["name"]: tuple(column["values"])
        for column in dataset.columns
        if column["type"] == "categorical"
    }
    return FeatureTable(values, tuple(dataset.features), families, values_of, keys)


def _load_key(store: Store, dataset_id: str, name: str) -> NDArray[np.object_]:
    column = parquet.read_table(store.datasets.keys_path(dataset_id), columns=[name]).column(name)
    return np.array(column.to_pylist(), dtype=object)
