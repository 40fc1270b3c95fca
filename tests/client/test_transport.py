import time
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime

import numpy as np
import pytest
from catvq_client import ApiError, CatvqError, Client, NotReachableError, UnexpectedAnswerError
from catvq_client.calls import retry_after_s, segment

from tests.client.conftest import Answer

DATASET = {
    "id": "ds_1",
    "name": "digits",
    "rows": 2,
    "features": ["a"],
    "families": {"a": {"features": 1, "kind": "tabular"}},
    "digest": "sha256:0",
    "warnings": [],
}
PROBLEM = {
    "type": "about:blank",
    "title": "Unprocessable",
    "status": 422,
    "detail": "the table cannot be used",
    "code": "not_a_number",
    "errors": [{"column": "b", "row": 2, "detail": "'x' is not a number"}],
    "retryable": False,
}


def busy(answer, status=503, retry_after="0"):
    return answer(status, {"title": "Busy", "status": status, "code": "busy"}, {"Retry-After": retry_after})


@pytest.mark.parametrize("status", [429, 503])
def test_a_refusal_that_asks_for_a_retry_is_retried_with_the_whole_body(scripted, answer, status):
    scripted.answers = [busy(answer, status), busy(answer, status), answer(201, DATASET)]
    values = np.arange(4, dtype=np.float32).reshape(2, 2)
    with Client(scripted.url) as client:
        assert client.datasets.upload(values).id == "ds_1"
    assert len(scripted.requests) == 3
    assert len({request.body for request in scripted.requests}) == 1
    assert scripted.requests[0].body.startswith(b"\x93NUMPY")


def test_the_pause_is_as_long_as_the_service_asks(scripted, answer):
    scripted.answers = [busy(answer, retry_after="1"), answer(200, DATASET)]
    started = time.monotonic()
    with Client(scripted.url) as client:
        client.datasets.get("ds_1")
    assert time.monotonic() - started >= 1


def test_a_pause_too_long_to_sit_through_is_an_error_at_once(scripted, answer):
    scripted.answers = [busy(answer, 429, retry_after="3600")]
    with Client(scripted.url) as client, pytest.raises(ApiError, match="429 busy"):
        client.datasets.get("ds_1")
    assert len(scripted.requests) == 1


def test_retries_end(scripted, answer):
    scripted.answers = [busy(answer)]
    with Client(scripted.url) as client, pytest.raises(ApiError, match="503 busy"):
        client.datasets.get("ds_1")
    assert len(scripted.requests) == 6


def test_other_refusals_are_not_retried_and_carry_the_problem(scripted, answer):
    scripted.answers = [answer(422, PROBLEM, {"X-Request-Id": "req_7"})]
    with Client(scripted.url) as client, pytest.raises(ApiError) as refusal:
        client.datasets.get("ds_1")
    assert len(scripted.requests) == 1
    error = refusal.value
    assert (error.status, error.code, error.request_id) == (422, "not_a_number", "req_7")
    assert (error.problem.errors[0].column, error.problem.errors[0].row) == ("b", 2)
    assert str(error) == ("the table cannot be used: column b, row 2: 'x' is not a number (422 not_a_number)")


def test_a_refusal_is_one_line_that_says_nothing_twice_and_not_everything(scripted, answer):
    errors = [{"column": name, "detail": "missing"} for name in "abcde"]
    told = {"title": "Unprocessable", "detail": "a to e are missing", "errors": errors}
    untold = {"title": "Unprocessable", "detail": "some columns\nare gone", "errors": errors}
    scripted.answers = [answer(422, told), answer(422, untold)]
    with Client(scripted.url) as client:
        with pytest.raises(ApiError) as short:
            client.datasets.get("ds_1")
        with pytest.raises(ApiError) as long:
            client.datasets.get("ds_1")
    assert str(short.value) == "a to e are missing (422)"
    assert str(long.value) == (
        "some columns are gone: column a: missing; column b: missing; column c: missing; and 2 more (422)"
    )
    assert len(long.value.problem.errors) == 5


@pytest.mark.parametrize(
    ("content", "text"),
    [
        (b"<html>Bad Gateway</html>", "Bad Gateway (502)"),
        (b"[1]", "Bad Gateway (502)"),
        (b'{"detail": "broken", "errors": 7}', "broken (502)"),
        (b'{"detail": ["a"]}', "Bad Gateway (502)"),
    ],
)
def test_a_refusal_that_is_no_problem_document_still_reads_well(scripted, answer, content, text):
    scripted.answers = [answer(502, content=content)]
    with Client(scripted.url) as client, pytest.raises(ApiError) as refusal:
        client.datasets.get("ds_1")
    assert str(refusal.value) == text


def test_a_dropped_connection_is_tried_again_only_where_that_is_harmless(scripted, answer):
    dropped = answer(drops_connection=True)
    with Client(scripted.url) as client:
        scripted.answers = [answer(200, DATASET), dropped, answer(200, DATASET)]
        client.datasets.get("ds_1")
        client.datasets.get("ds_1")
        scripted.answers = [dropped, answer(201, DATASET)]
        with pytest.raises(NotReachableError):
            client.datasets.upload(np.zeros((1, 1)))


def test_a_service_that_was_never_there_fails_at_once(unused_port):
    started = time.monotonic()
    with (
        Client(f"http://127.0.0.1:{unused_port}") as client,
        pytest.raises(NotReachableError, match="no answer"),
    ):
        client.jobs.list()
    assert time.monotonic() - started < 1


def test_a_slow_answer_is_an_error_and_not_asked_for_twice(scripted, answer):
    scripted.answers = [answer(200, DATASET), answer(200, DATASET, delay_s=1.5)]
    with Client(scripted.url, timeout_s=0.5) as client:
        client.datasets.get("ds_1")
        with pytest.raises(NotReachableError, match="timed out"):
            client.datasets.get("ds_1")
    assert len(scripted.requests) == 2


@pytest.mark.parametrize(
    ("content", "text"),
    [
        (b"<html>", "expected JSON"),
        (b"{}", "`rows` Field required"),
        (b'{"id": "ds_1", "rows": "x"}', "`rows`"),
    ],
)
def test_an_answer_of_something_else_is_named(scripted, answer, content, text):
    scripted.answers = [answer(200, content=content)]
    with Client(scripted.url) as client, pytest.raises(UnexpectedAnswerError, match=text):
        client.datasets.get("ds_1")


def test_lists_are_followed_to_their_last_page(scripted, answer):
    other = {**DATASET, "id": "ds_2"}
    link = {"Link": '</v1/datasets?cursor=a%2Bb&limit=1>; rel="next"'}
    scripted.answers = [answer(200, {"items": [DATASET]}, link), answer(200, {"items": [other]})]
    with Client(scripted.url) as client:
        assert [dataset.id for dataset in client.datasets.list()] == ["ds_1", "ds_2"]
    assert scripted.requests[1].path == "/v1/datasets?cursor=a%2Bb&limit=1"


def test_a_list_without_items_is_named(scripted, answer):
    scripted.answers = [answer(200, [])]
    with Client(scripted.url) as client, pytest.raises(UnexpectedAnswerError, match="`items`"):
        client.datasets.list()


def test_fields_of_a_newer_service_are_kept(scripted, answer):
    scripted.answers = [answer(200, {**DATASET, "colour": "blue"})]
    with Client(scripted.url) as client:
        assert client.datasets.get("ds_1").document()["colour"] == "blue"


def test_the_key_is_sent_as_a_bearer_token_and_never_shown(scripted, answer):
    scripted.answers = [answer(401, {"title": "Unauthorized", "status": 401})]
    with Client(scripted.url, "s3cret") as client:
        with pytest.raises(ApiError) as refusal:
            client.datasets.get("ds_1")
        shown = repr(client) + repr(client.datasets.__dict__) + repr(refusal.value) + str(refusal.value)
    assert scripted.requests[0].headers["Authorization"] == "Bearer s3cret"
    assert "s3cret" not in shown


def test_a_key_in_the_environment_is_sent_unless_another_is_given(scripted, answer, monkeypatch):
    monkeypatch.setenv("CATVQ_API_KEY", "s3cret")
    scripted.answers = [answer(200, {"items": []})]
    for given in (None, "other", ""):
        with Client(scripted.url, given) as client:
            client.workers()
    sent = [request.headers.get("Authorization") for request in scripted.requests]
    assert sent == ["Bearer s3cret", "Bearer other", None]


@pytest.mark.parametrize("key", ["a\nb", "a b", "schlüssel"])
def test_a_key_that_no_header_can_carry_is_refused_without_showing_it(key):
    with pytest.raises(CatvqError, match="API key") as refusal:
        Client("http://127.0.0.1:1", key)
    assert key not in str(refusal.value)


@pytest.mark.parametrize("url", ["", "127.0.0.1:8000", "ftp://host", "http://", "http://host:port"])
def test_what_is_no_address_is_refused(url):
    with pytest.raises(CatvqError, match="not an address"):
        Client(url)


def test_a_proxy_of_the_environment_is_not_asked_about_loopback(scripted, answer, monkeypatch, unused_port):
    monkeypatch.setenv("HTTP_PROXY", f"http://127.0.0.1:{unused_port}")
    scripted.answers = [answer(200, DATASET)]
    with Client(scripted.url) as client:
        assert client.datasets.get("ds_1").id == "ds_1"


@pytest.mark.parametrize(
    ("identifier", "quoted"), [("job_1", "job_1"), ("@latest", "@latest"), ("a/b?c", "a%2Fb%3Fc")]
)
def test_an_id_stays_one_segment_of_the_path(identifier, quoted):
    assert segment(identifier) == quoted


@pytest.mark.parametrize("identifier", ["", ".", ".."])
def test_an_id_that_would_name_another_path_is_refused(identifier):
    with pytest.raises(CatvqError, match="not an id"):
        segment(identifier)


def test_retry_after_is_read_as_seconds_or_as_a_date():
    assert retry_after_s("7") == 7
    assert retry_after_s(None) is None
    assert retry_after_s("soon") is None
    in_a_minute = format_datetime(datetime.now(UTC) + timedelta(seconds=60), usegmt=True)
    assert 55 < retry_after_s(in_a_minute) <= 60
    assert retry_after_s("Thu, 01 Jan 1970 00:00:00 GMT") == 0


BROKEN = [
    Answer(200, content=b'{"items": [', missing_bytes=9),
    Answer(200, content=b"not gzip", headers={"Content-Encoding": "gzip"}),
    Answer(200, content=b"[" * 100_000),
    Answer(200, content=b"\xff\xfe{"),
    Answer(200, content=b""),
    Answer(500, content=b"[" * 100_000),
    Answer(302, content=b"", headers={"Location": "/elsewhere"}),
    Answer(drops_connection=True),
]


@pytest.mark.parametrize("answered", BROKEN)
def test_whatever_comes_back_a_failure_is_a_catvq_error_of_one_line(scripted, answered):
    scripted.answers = [answered]
    with Client(scripted.url) as client:
        for ask in (
            client.models.list,
            lambda: client.models.get("model_1"),
            lambda: client.models.encode("model_1", np.ones((1, 1))),
            lambda: client.jobs.submit({"dataset": "ds_1"}),
        ):
            with pytest.raises(CatvqError) as failure:
                ask()
            assert "\n" not in str(failure.value)


def test_what_cannot_be_sent_is_a_catvq_error(scripted, tmp_path):
    (tmp_path / "directory.csv").mkdir()
    with Client(scripted.url) as client:
        for send in (
            lambda: client.jobs.submit({"dataset": float("nan")}),
            lambda: client.jobs.submit({"dataset": object()}),
            lambda: client.datasets.upload(tmp_path / "absent.csv"),
            lambda: client.datasets.upload(tmp_path / "directory.csv"),
        ):
            with pytest.raises(CatvqError):
                send()
    assert scripted.requests == []


def test_pages_are_read_as_they_are_needed(scripted, answer):
    alias = {"name": "a", "model": "model_1", "version": 1}
    link = {"Link": '</v1/aliases?cursor=x>; rel="next"'}
    scripted.answers = [answer(200, {"items": [alias] * 2}, link), answer(200, {"items": [alias]})]
    with Client(scripted.url) as client:
        pages = client.aliases.iterate()
        assert [next(pages).name, next(pages).name] == ["a", "a"]
        assert len(scripted.requests) == 1
        assert len(list(pages)) == 1
    assert scripted.requests[1].path == "/v1/aliases?cursor=x"
