"""What is secret appears nowhere: not in logs, not in errors, not in what the service says of itself."""

import httpx
import pytest

from worker.contract.settings import ServiceSettings
from worker.store import Scope, Store

BROKER_PASSWORD = "hidden-broker-password"
WRONG_KEY = "catvq_0123456789abcdef01234567_wrong-and-hidden-wrong-and-hidden-wrong-an"


@pytest.fixture(scope="module")
def told(start_api, tmp_path_factory):
    """Everything that a service with keys and passwords says while it is used, well and badly."""
    data_dir = tmp_path_factory.mktemp("secrets")
    store = Store.open(ServiceSettings(data_dir=data_dir))
    secret = store.keys.create(Scope.ADMIN).secret
    settings = {
        "CATVQ_REQUIRE_KEYS": "true",
        "CATVQ_REDIS_URL": f"redis://:{BROKER_PASSWORD}@127.0.0.1:1/0",
        "CATVQ_MAX_JOBS_PER_MINUTE": "3",
    }
    with (
        start_api(data_dir, **settings) as running,
        httpx.Client(base_url=running.url, headers={"authorization": f"Bearer {secret}"}) as client,
    ):
        answers = use(client)
        running.process.terminate()
        running.process.wait(30)
        log = running.log.read_text()
    store.close()
    return {"secret": secret, "answers": answers, "log": log}


def use(client):
    """Answers good and bad."""
    dataset = client.post(
        "/v1/datasets", content="a,b\n" + "1,2\n3,4\n" * 8, headers={"content-type": "text/csv"}
    )
    body = {"dataset": dataset.json()["id"]}
    wrong = {"authorization": f"Bearer {WRONG_KEY}"}
    answers = [
        dataset,
        client.post("/v1/jobs", json=body),  # the broker is away, which is logged
        client.post("/v1/jobs", json=body | {"unknown": 1}),
        client.post("/v1/jobs", content=b"{", headers={"content-type": "application/json"}),
        client.get("/v1/jobs", headers=wrong),
        client.get("/v1/nothing"),
        client.get("/v1"),
        client.get("/openapi.json"),
        client.get("/metrics"),
        client.get("/docs"),
    ]
    answers += [client.get("/v1/keys")]
    answers += [client.post("/v1/jobs", json=body) for _ in range(3)]  # in the end too often
    assert {answer.status_code for answer in answers} == {200, 201, 202, 400, 401, 404, 422, 429}
    return answers


@pytest.mark.parametrize("hidden", ["key", "wrong key", "broker's password"])
def test_no_secret_is_logged_or_answered(told, hidden):
    secret = {
        "key": told["secret"].rpartition("_")[2],
        "wrong key": WRONG_KEY.rpartition("_")[2],
        "broker's password": BROKER_PASSWORD,
    }[hidden]
    assert secret not in told["log"]
    assert [answer for answer in told["answers"] if secret in answer.text + str(answer.headers)] == []


def test_the_log_was_not_empty(told):
    assert "the broker does not answer" in told["log"]
    assert "starts when a worker finds it" in told["log"]


def test_no_digest_of_a_key_is_answered(told):
    listed = next(answer for answer in told["answers"] if answer.request.url.path == "/v1/keys").json()
    assert set(listed["items"][0]) == {"id", "name", "scope", "created_at", "rotated_at"}
