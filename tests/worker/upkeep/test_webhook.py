"""Webhooks: at least one signed notification of every job that ends."""

import json
import time
from http.server import BaseHTTPRequestHandler, HTTPServer
from threading import Thread

import pytest
import sqlalchemy as sa

from worker.contract.settings import WorkerSettings
from worker.store.database.schema import jobs
from worker.upkeep.webhook import Notifier, sign

SECRET = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"  # the standard's own example
KEY = bytes.fromhex("31f290f6bf06298aab4f08d43c3f082cf648a362da2da4b0")


class Receiver(BaseHTTPRequestHandler):
    def do_POST(self):
        body = self.rfile.read(int(self.headers["content-length"]))
        self.server.heard.append((self.path, self.headers, body))
        self.send_response(self.server.answers.pop(0) if self.server.answers else 204)
        self.send_header("location", "/elsewhere")
        self.send_header("content-length", "0")
        self.end_headers()

    def log_message(self, *_):
        pass


@pytest.fixture
def receiver():
    server = HTTPServer(("127.0.0.1", 0), Receiver)
    server.heard, server.answers = [], []
    thread = Thread(target=server.serve_forever)
    thread.start()
    yield server
    server.shutdown()
    thread.join()
    server.server_close()


@pytest.fixture
def notifier(store, settings, receiver):
    url = f"http://127.0.0.1:{receiver.server_port}/hook"
    told = WorkerSettings(**settings.model_dump(), webhook_url=url, webhook_secret=SECRET)
    running = Notifier(store, told)
    running.start()
    yield running
    running.stop()


@pytest.fixture
def fail(store, submit):
    def end(**fields):
        claim = store.leases.claim(submit(**fields).id, "w", threads=1)
        store.leases.fail(claim, "diverged", "The loss is infinite.")
        return claim.job.id

    return end


def wait_for(receiver, count):
    deadline = time.monotonic() + 20
    while len(receiver.heard) < count:
        assert time.monotonic() < deadline
        time.sleep(0.02)
    return receiver.heard


def hurry(settings):
    engine = sa.create_engine(settings.sqlalchemy_url)
    with engine.begin() as connection:
        connection.execute(sa.update(jobs).where(jobs.c.next_send_at.is_not(None)).values(next_send_at=0.0))
    engine.dispose()


def test_signatures_are_the_standards():
    body = b'{"test": 2432232314}'
    signature = sign(KEY, "msg_p5jXN8AQM9LWM0D4loKWxJek", 1614265330, body)
    assert signature == "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE="


def test_the_webhook_receives_one_notification_of_a_job_that_ends(notifier, receiver, store, fail, submit):
    submit()  # goes on waiting
    job_id = fail(name="n", labels={"team": "x"})
    ((path, headers, body),) = wait_for(receiver, 1)
    assert path == "/hook"
    document = json.loads(body)
    assert document["type"] == "job.failed"
    assert document["data"] | {"status_reason": None} == {
        "job": job_id,
        "name": "n",
        "labels": {"team": "x"},
        "status": "failed",
        "status_reason": None,
        "model": None,
        "error": {"code": "diverged", "text": "The loss is infinite."},
    }
    sent_at = int(headers["webhook-timestamp"])
    assert abs(time.time() - sent_at) < 60
    assert headers["webhook-signature"] == sign(KEY, headers["webhook-id"], sent_at, body)
    deadline = time.monotonic() + 20
    while store.webhook_outbox.take_due(10):
        assert time.monotonic() < deadline
    assert len(receiver.heard) == 1


@pytest.mark.parametrize("answer", [500, 302])
def test_a_notification_is_sent_again_until_it_is_acknowledged(notifier, receiver, settings, fail, answer):
    receiver.answers.append(answer)
    fail()
    wait_for(receiver, 1)
    hurry(settings)
    first, second = wait_for(receiver, 2)
    assert [path for path, *_ in receiver.heard] == ["/hook", "/hook"]  # a redirect leads nowhere
    assert first[1]["webhook-id"] == second[1]["webhook-id"]


def test_a_job_that_ends_again_is_notified_again(notifier, receiver, store, fail):
    job_id = fail()
    wait_for(receiver, 1)
    store.controls.retry(job_id)
    store.controls.cancel(job_id)
    first, second = wait_for(receiver, 2)
    assert first[1]["webhook-id"] != second[1]["webhook-id"]
    assert json.loads(second[2])["type"] == "job.cancelled"


@pytest.mark.parametrize(
    "given",
    [
        {"webhook_url": "http://127.0.0.1/"},
        {"webhook_secret": SECRET},
        {"webhook_url": "file:///etc/passwd", "webhook_secret": SECRET},
        {"webhook_url": "http://127.0.0.1/", "webhook_secret": "whsec_short"},
    ],
)
def test_a_webhook_needs_an_address_and_a_secret(given):
    with pytest.raises(ValueError, match=r"webhook|WEBHOOK") as caught:
        WorkerSettings(**given)
    assert SECRET not in str(caught.value)
