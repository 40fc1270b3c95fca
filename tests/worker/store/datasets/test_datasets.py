from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest

from worker.contract.job_config import JobStatus
from worker.contract.settings import ServiceSettings
from worker.store import NewDataset, NewFiles, NotFound, QuotaExceeded, Store
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


def of_series(store):
    """A dataset of a series and a grid, and no table, before it is stored."""
    arrays = {
        "values": np.zeros((2, 0), np.float32),
        "s": np.arange(6, dtype=np.float32).reshape(3, 2),
        "ends": np.array([0, 1, 3]),
        "g": np.zeros((2, 1, 4, 5), np.float32),
    }
    paths = {name: store.spool_dir / f"{name}.npy" for name in arrays}
    for name, array in arrays.items():
        np.save(paths[name], array)
    new = NewDataset(
        name="waves",
        features=["s/x", "s/y", "g/0"],
        families={"s": ["s/x", "s/y"], "g": ["g/0"]},
        kinds=[
            {"family": "s", "kind": "series", "channels": ["x", "y"], "length": {"min": 1, "max": 2}},
            {"family": "g", "kind": "grid", "channels": ["0"], "shape": [4, 5]},
        ],
        digest="waves",
        rows=2,
        warnings=[],
    )
    return new, NewFiles(values=paths["values"], families=((paths["s"], paths["ends"]), (paths["g"], None)))


def test_a_dataset_that_tests_stays_as_long_and_must_be_there(store, submit, add_dataset):
    other = add_dataset(seed=1)
    job = submit(training={"split": {"test": other.id}})
    with pytest.raises(Conflict, match=job.id):
        store.datasets.delete(other.id)
    store.controls.cancel(job.id)
    store.datasets.delete(other.id)
    with pytest.raises(Conflict, match="retried"):
        store.controls.retry(job.id)
    with pytest.raises(NotFound):
        submit(training={"split": {"validation": other.id}})


def test_series_and_grids_have_files_of_their_own_that_go_with_the_dataset(store, tmp_path):
    new, files = of_series(store)
    found, _ = store.datasets.create(new, files)
    assert found.kinds == new.kinds
    assert list(store.spool_dir.iterdir()) == []
    assert np.load(store.datasets.family_values_path(found.id, 0)).tolist() == [[0, 1], [2, 3], [4, 5]]
    assert np.load(store.datasets.family_offsets_path(found.id, 0)).tolist() == [0, 1, 3]
    assert np.load(store.datasets.family_values_path(found.id, 1)).shape == (2, 1, 4, 5)
    assert not store.datasets.family_offsets_path(found.id, 1).exists()
    store.backups.make(tmp_path / "backup")
    store.datasets.delete(found.id)
    assert not store.datasets.values_path(found.id).parent.exists()
    restored = Store.open(ServiceSettings(data_dir=tmp_path / "restored"))
    restored.backups.restore(tmp_path / "backup")
    assert np.load(restored.datasets.family_offsets_path(found.id, 0)).tolist() == [0, 1, 3]
    restored.close()


def test_the_quota_counts_the_bytes_of_series_and_grids(settings, store):
    new, files = of_series(store)
    table_bytes = files.values.stat().st_size
    small = Store.open(settings.model_copy(update={"max_stored_bytes": table_bytes + 100}))
    with pytest.raises(QuotaExceeded):
        small.datasets.create(new, files)
    small.close()
    assert list(store.spool_dir.iterdir()) == []
