"""Wishes about jobs over HTTP."""

import pytest

SOFT = {"assignment": {"estimator": "softmax"}}


def wish(api, job_id, what):
    return api.client.post(f"/v1/jobs/{job_id}/{what}")


def steer(api, job_id, **change):
    return api.client.patch(f"/v1/jobs/{job_id}/temperature", json=change)


def test_a_waiting_job_is_paused_and_resumed(api):
    job_id = api.job()
    paused = wish(api, job_id, "pause")
    assert (paused.status_code, paused.json()["status"]) == (202, "paused")
    assert paused.headers["location"] == f"/v1/jobs/{job_id}"
    assert wish(api, job_id, "pause").json()["code"] == "wrong_state"
    resumed = wish(api, job_id, "resume").json()
    assert (resumed["status"], resumed["queue"]["position"] > 0) == ("queued", True)
    assert wish(api, job_id, "resume").status_code == 409
    wish(api, job_id, "cancel")


def test_a_running_job_is_told_to_pause_and_to_finish(api):
    job_id = api.running_job().job.id
    assert wish(api, job_id, "pause").json()["status"] == "pausing"
    finishing = wish(api, job_id, "finish").json()
    assert (finishing["status"], "finishing" in finishing["status_reason"]) == ("running", True)


def test_a_failed_job_is_retried(api):
    claim = api.running_job()
    assert wish(api, claim.job.id, "retry").status_code == 409
    api.store.leases.fail(claim, "disk_full", "No space left.")
    retried = wish(api, claim.job.id, "retry").json()
    assert (retried["status"], retried["error"], retried["finished_at"]) == ("queued", None, None)
    wish(api, claim.job.id, "cancel")


@pytest.mark.parametrize("what", ["cancel", "pause", "resume", "finish", "retry"])
def test_a_job_links_to_what_may_be_wished_of_it_and_an_unknown_one_is_not_found(api, what):
    job_id = api.job()
    is_linked = what in api.client.get(f"/v1/jobs/{job_id}").json()["links"]
    assert wish(api, job_id, what).status_code == (202 if is_linked else 409)
    assert wish(api, "job_0", what).status_code == 404
    api.store.controls.cancel(job_id) if what != "cancel" else None


def test_a_temperature_is_held_set_and_released(api):
    claim = api.running_job(**SOFT, epochs=30)
    job_id = claim.job.id
    held = steer(api, job_id, held=True).json()
    assert (held["held"], held["temperature"]) == (True, 0.5)
    changed = steer(api, job_id, temperature=0.3).json()
    assert (changed["held"], changed["temperature"], changed["start"]) == (True, 0.3, 1.0)
    assert api.client.get(f"/v1/jobs/{job_id}").json()["temperature"] == 0.3
    assert api.client.get(f"/v1/jobs/{job_id}/temperature").json() == changed
    assert steer(api, job_id, held=False).json()["held"] is False
    assert [change.held for change in api.store.jobs.get(job_id).steering] == [True, True, False]


@pytest.mark.parametrize(
    "change",
    [
        {},
        {"held": None},
        {"held": False, "temperature": 0.5},
        {"temperature": 0},
        {"temperature": "0.5"},
        {"held": 1},
        {"schedule": "linear"},
    ],
)
def test_a_change_that_says_nothing_or_too_much_is_refused(api, change):
    assert steer(api, api.running_job(**SOFT).job.id, **change).status_code == 422


def test_what_has_no_temperature_is_not_steered(api):
    assert steer(api, api.job(**SOFT), held=True).json()["code"] == "wrong_state"
    static = api.running_job(assignment={"mode": "static"}).job.id
    assert steer(api, static, held=True).json()["code"] == "assignment_static"
