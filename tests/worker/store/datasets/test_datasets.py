from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest

from worker.contract.job_config import JobStatus
from worker.store import NotFound
from worker.store.database import pagination
from worker.store.database.errors import Conflict


def test_a_stored_dataset_has_its_values_and_the_order_of_its_families(store, dataset):
    assert list(store.datasets.get(dataset.id).families) == ["a", "b"]
    values = np.load(store.datasets.values_path(dataset.id), mmap_mode="r")
    assert values.shape == (dataset.rows, len(dataset.features))
    assert list(store.spool_dir.iterdir()) == []


def test_the_same_table_again_is_the_same_dataset_even_at_the_same_moment(store, add_dataset):
    with ThreadPoolExecutor(4) as pool:
        ids = set(pool.map(lambda name: add_dataset(name=name).id, ["a", "b", "c", "d"]))
    assert len(ids) == 1
    files = list(store.datasets.values_path(ids.pop()).parent.parent.iterdir())
    assert len(files) == 1


def test_datasets_are_listed_newest_first(store, add_dataset):
    made = [add_dataset(seed=seed).id for seed in range(3)]
    page = store.datasets.list(limit=2)
    assert [record.id for record in page.items] == made[:0:-1]
    rest = store.datasets.list(limit=2, cursor=page.next_cursor)
    assert ([record.id for record in rest.items], rest.next_cursor) == (made[:1], None)


def test_a_page_of_large_items_is_full_early_and_leads_to_the_rest(store, add_dataset, monkeypatch):
    made = [add_dataset(seed=seed).id for seed in range(3)]
    monkeypatch.setattr(pagination, "MAX_PAGE_BYTES", 10)
    found, cursor = [], None
    while not found or cursor:
        page = store.datasets.list(limit=1000, cursor=cursor)
        assert len(page.items) == 1
        found.append(page.items[0].id)
        cursor = page.next_cursor
    assert found == made[::-1]


def test_a_dataset_stays_while_an_unfinished_job_needs_it(store, dataset, submit):
    job = submit()
    with pytest.raises(Conflict, match=job.id):
        store.datasets.delete(dataset.id)
    assert store.controls.cancel(job.id).status is JobStatus.CANCELLED
    store.datasets.delete(dataset.id)
    with pytest.raises(NotFound):
        store.datasets.get(dataset.id)
    assert not store.datasets.values_path(dataset.id).exists()
    with pytest.raises(NotFound):
        store.datasets.delete(dataset.id)
