import json

import pytest

from worker.store import NotFound
from worker.store.database.errors import Conflict, PreconditionFailed


@pytest.fixture
def publish(store, submit):
    """Publishes a model of a job of its own."""

    def put(model_id):
        claim = store.leases.claim(submit().id, "worker-1", threads=1)
        store.leases.publish(claim, model_id, {"levels": 3}, digest="abc")
        directory = store.models.directory(model_id)
        directory.mkdir(parents=True)
        grouping = {"categories": [{"name": "x", "features": ["a0"]}, {"name": "y", "features": []}]}
        (directory / "grouping.json").write_text(json.dumps(grouping))
        return store.models.get(model_id)

    return put


def test_a_model_is_found_by_its_id_and_by_its_aliases(store, publish, dataset):
    model = publish("model_1")
    assert (model.document, model.digest, model.dataset_id) == ({"levels": 3}, "abc", dataset.id)
    assert store.jobs.get(model.job_id).model_id == "model_1"
    store.aliases.put("best", "model_1")
    assert store.models.get("@best") == model
    for key in ("model_2", "@worst", "best"):
        with pytest.raises(NotFound):
            store.models.get(key)


def test_the_groups_of_a_model_are_read(store, publish):
    publish("model_1")
    assert store.models.groups("model_1") == {"x": ("a0",), "y": ()}
    with pytest.raises(NotFound):
        store.models.groups("model_2")


def test_models_are_listed_newest_first(store, publish):
    publish("model_1")
    publish("model_2")
    assert [model.id for model in store.models.list().items] == ["model_2", "model_1"]


def test_an_alias_moves_in_numbered_versions(store, publish):
    publish("model_1")
    publish("model_2")
    first = store.aliases.put("best", "model_1", expected_version=0)
    assert (first.model_id, first.version) == ("model_1", 1)
    with pytest.raises(PreconditionFailed):
        store.aliases.put("best", "model_2", expected_version=0)
    second = store.aliases.put("best", "model_2", expected_version=1)
    assert (second.model_id, second.version) == ("model_2", 2)
    assert store.aliases.get("best") == second
    assert store.aliases.list().items == [second]
    with pytest.raises(PreconditionFailed):
        store.aliases.delete("best", expected_version=1)
    store.aliases.delete("best", expected_version=2)
    with pytest.raises(NotFound):
        store.aliases.get("best")


def test_an_alias_needs_a_model(store):
    with pytest.raises(NotFound):
        store.aliases.put("best", "model_none")


def test_a_model_in_use_is_not_deleted(store, publish, submit):
    publish("model_1")
    store.aliases.put("best", "model_1")
    job = submit(assignment={"init": "model", "model": "@best"})
    assert job.start_model_id == "model_1"
    with pytest.raises(Conflict) as raised:
        store.models.delete("model_1")
    assert raised.value.code == "model_aliased"
    store.aliases.delete("best")
    with pytest.raises(Conflict) as raised:
        store.models.delete("model_1")
    assert raised.value.code == "model_in_use"
    store.controls.cancel(job.id)
    store.models.delete("model_1")
    assert not store.models.directory("model_1").exists()
    with pytest.raises(NotFound):
        store.models.delete("model_1")
