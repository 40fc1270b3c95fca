"""A job is refused where no worker has the memory for it."""

import pytest


def submit(api, headers=None, params=None, **fields):
    body = {"dataset": api.dataset()} | fields
    return api.client.post("/v1/jobs", json=body, headers=headers or {}, params=params or {})


@pytest.fixture
def add_worker(api):
    """Has a worker of some memory report itself."""
    names = []

    def add(memory_bytes):
        names.append(f"worker-{len(names)}")
        api.report_worker(names[-1], memory_bytes=memory_bytes)

    yield add
    for name in names:
        api.store.workers.leave(name)


LARGE = {"model": {"categories": 3, "levels": 8, "codebook_size": 4096, "latent_dim": 512}}


def test_a_job_beyond_the_memory_of_every_worker_is_refused_with_what_drives_it(api, add_worker):
    add_worker(512 << 20)
    add_worker(1 << 30)
    before = len(api.client.get("/v1/jobs", params={"limit": 1000}).json()["items"])
    answer = submit(api, **LARGE)
    problem = answer.json()
    assert (answer.status_code, problem["code"]) == (422, "too_large_for_workers")
    assert "1024 MiB that the largest worker has" in problem["detail"]
    assert "model.levels 8, model.codebook_size 4096, model.latent_dim 512" in problem["detail"]
    fields = {error["field"] for error in problem["errors"]}
    assert {"model.latent_dim", "model.codebook_size", "model.categories"} <= fields
    assert len(api.client.get("/v1/jobs", params={"limit": 1000}).json()["items"]) == before
    plan = submit(api, params={"dry_run": "true"}, **LARGE).json()
    assert plan["warnings"][-1] == problem["detail"]
    assert plan["estimate"]["memory_bytes"] > 1 << 30


def test_where_not_even_a_small_job_fits_no_setting_is_blamed(api, add_worker):
    add_worker(256 << 20)
    problem = submit(api).json()
    assert (problem["code"], problem["errors"]) == ("too_large_for_workers", [])
    assert problem["detail"].endswith("any job takes most of that")


def test_a_job_is_taken_where_a_worker_has_the_memory_or_none_is_there_to_tell(api, add_worker):
    for memory_bytes in (None, 1 << 40):
        if memory_bytes:
            add_worker(1 << 30)
            add_worker(memory_bytes)
        answer = submit(api, **LARGE)
        assert answer.status_code == 202, answer.text
        api.client.post(f"/v1/jobs/{answer.json()['id']}/cancel")


def test_an_ordinary_job_fits_into_2_gb(api, add_worker):
    add_worker(2_000_000_000)
    rows = "\n".join(",".join(f"{(row * 7 + column) % 10}" for column in range(60)) for row in range(3500))
    names = ",".join(f"c{column}" for column in range(60))
    headers = {"content-type": "text/csv"}
    dataset = api.client.post("/v1/datasets", content=f"{names}\n{rows}\n", headers=headers).json()
    answer = submit(api, dataset=dataset["id"])
    assert answer.status_code == 202, answer.text
    api.client.post(f"/v1/jobs/{answer.json()['id']}/cancel")
