"""Opens a stored dataset as the feature table that training reads."""

import numpy as np

from catvq.features.table import FeatureTable
from worker.store import Store


def load_table(store: Store, dataset_id: str) -> FeatureTable:
    """Open a dataset memory-mapped.

    Raises:
        NotFound: There is no such dataset.
        FileNotFoundError: Its values file is missing.
    """
    dataset = store.datasets.get(dataset_id)
    values = np.load(store.datasets.values_path(dataset.id), mmap_mode="r", allow_pickle=False)
    families = {name: tuple(members) for name, members in dataset.families.items()}
    return FeatureTable(values, tuple(dataset.features), families)
