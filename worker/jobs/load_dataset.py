"""Opens stored datasets as the table that the core learns from."""

from dataclasses import replace

import numpy as np
from numpy.typing import NDArray
from pyarrow import parquet

from catvq.config import RunConfig
from catvq.errors import ConfigError
from catvq.features.align import align
from catvq.features.sequences import Grids, Sequences, Series
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
    table = replace(select_features(open_table(store, dataset, weight), config.features), keys=keys)
    held_out = {
        part: align(open_table(store, store.datasets.get(other), weight), table)
        for part, other in config.training.held_out_datasets.items()
    }
    return replace(table, held_out=held_out)


def open_table(store: Store, dataset: DatasetRecord, weight: str | None = None) -> FeatureTable:
    """Open all features of a dataset, without its keys.

    Args:
        weight: Name of the column that tells how much each row counts.

    Raises:
        FileNotFoundError: Its values are gone.
        ConfigError: The weight is no number.
    """
    values = np.load(store.datasets.values_path(dataset.id), mmap_mode="r", allow_pickle=False)
    families = {name: tuple(members) for name, members in dataset.families.items()}
    values_of = {
        column["name"]: tuple(column["values"])
        for column in dataset.columns
        if column["type"] == "categorical"
    }
    origins = {column["name"]: column["origin"] for column in dataset.columns if column["type"] == "datetime"}
    others = {kind["family"]: _open_family(store, dataset.id, k) for k, kind in enumerate(dataset.kinds)}
    table = FeatureTable(
        values,
        tuple(dataset.features),
        families,
        values_of,
        origins=origins,
        others=others,
        spool_dir=store.spool_dir,
    )
    if weight is None:
        return table
    if weight in table.features[: values.shape[1]]:
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


def _open_family(store: Store, dataset_id: str, k: int) -> Sequences:
    values = np.load(store.datasets.family_values_path(dataset_id, k), mmap_mode="r", allow_pickle=False)
    if values.ndim == 4:
        return Grids(values)
    offsets = np.load(store.datasets.family_offsets_path(dataset_id, k), allow_pickle=False)
    return Series.divide(values, offsets)


def load_labels(store: Store, dataset_id: str, config: RunConfig) -> dict[str, NDArray[np.object_]]:
    """Keys of a dataset, text or None of each row by name, but for the one that the run is split by."""
    keys = [column["name"] for column in store.datasets.get(dataset_id).columns if column["type"] == "key"]
    return {key: _load_key(store, dataset_id, key) for key in keys if key != config.training.split_key}


def _load_key(store: Store, dataset_id: str, name: str) -> NDArray[np.object_]:
    path = store.datasets.keys_path(dataset_id)
    # Equal cells are one text: of a key of few values, a row then takes no more than a reference.
    column = parquet.read_table(path, columns=[name], read_dictionary=[name]).column(name)
    cells = column.unify_dictionaries().combine_chunks()
    texts = np.array([*cells.dictionary.to_pylist(), None], dtype=object)
    found: NDArray[np.object_] = texts[cells.indices.fill_null(len(texts) - 1).to_numpy()]
    return found
