"""Every error leaves as problem+json with the request's id, whatever went wrong."""

import errno
import gzip
import re

import pytest

PROBLEM = "application/problem+json"
FIELDS = {"type", "title", "status", "detail", "instance", "code", "errors", "retryable"}


def problem(answer, status, code):
    assert answer.status_code == status, answer.text
    assert answer.headers["content-type"] == PROBLEM
    document = answer.json()
    assert set(document) == FIELDS
    assert (document["status"], document["code"]) == (status, code)
    assert document["instance"].endswith(answer.headers["x-request-id"])
    return document


def test_an_unknown_path_is_a_problem(client):
    problem(client.get("/v1/nothing"), 404, "no_such_route")
    problem(client.get("/nothing"), 404, "no_such_route")


@pytest.mark.parametrize(
    ("method", "path", "allowed"),
    [
        ("PATCH", "/v1/datasets", "GET, HEAD, POST"),
        ("POST", "/v1/datasets/x", "DELETE, GET, HEAD"),
        ("GET", "/v1/models/x/encodings", "POST"),
        ("DELETE", "/openapi.json", "GET, HEAD"),
        ("TRACE", "/v1/aliases/x", "DELETE, GET, HEAD, PUT"),
    ],
)
def test_another_method_names_every_allowed_one(client, method, path, allowed):
    answer = client.request(method, path)
    problem(answer, 405, "method_not_allowed")
    assert answer.headers["allow"] == allowed


@pytest.mark.parametrize("path", ["datasets", "jobs", "models", "aliases"])
@pytest.mark.parametrize("key", ["nope", "a%20b", "%F0%9F%98%80", "x" * 300, "'; drop table jobs"])
def test_an_id_that_nobody_gave_out_is_unknown(client, path, key):
    assert client.get(f"/v1/{path}/{key}").status_code == 404


def test_unknown_query_parameters_are_named_everywhere(client):
    for path in ("/v1", "/livez", "/v1/datasets", "/v1/jobs", "/v1/jobs/x/metrics", "/v1/models/x/grouping"):
        document = problem(client.get(path, params={"lmit": 1, "labelteam": 2}), 422, "unknown_field")
        assert [place["field"] for place in document["errors"]] == ["lmit", "labelteam"]


@pytest.mark.parametrize("limit", ["0", "1001", "x", "", "1.5"])
def test_a_limit_out_of_range_is_named(client, limit):
    document = problem(client.get("/v1/jobs", params={"limit": limit}), 422, "invalid_field")
    assert document["errors"][0]["field"] == "limit"


@pytest.mark.parametrize("path", ["/v1/datasets", "/v1/jobs", "/v1/models", "/v1/aliases"])
def test_a_cursor_that_nobody_gave_out_is_refused(client, path):
    for cursor in ("x", "djE6", "é"):
        problem(client.get(path, params={"cursor": cursor}), 422, "invalid_cursor")


@pytest.mark.parametrize(
    "body", [b"{", b'{"dataset": NaN}', b'{"dataset": Infinity}', b"[" * 3000, b'"\xff"', b'{"a": 1e999}']
)
def test_a_body_that_is_no_strict_json_is_not_parseable(client, body):
    answer = client.post("/v1/jobs", content=body, headers={"content-type": "application/json"})
    problem(answer, 400, "invalid_json")


@pytest.mark.parametrize(
    "content_type", ["text/plain", "application/xml", "application/json; charset=utf-16", None]
)
def test_json_routes_read_nothing_else(client, content_type):
    headers = {} if content_type is None else {"content-type": content_type}
    problem(client.post("/v1/jobs", content=b"{}", headers=headers), 415, "unsupported_media_type")


@pytest.mark.parametrize(
    ("path", "encoding", "accepted"),
    [
        ("/v1/datasets", "br", "gzip, identity"),
        ("/v1/models/{}/encodings", "br", "gzip, identity"),
        ("/v1/jobs", "gzip", "identity"),
    ],
)
def test_a_body_that_is_compressed_in_another_way_is_refused_as_such(
    client, model_id, path, encoding, accepted
):
    headers = {"content-type": "application/json", "content-encoding": encoding}
    answer = client.post(path.format(model_id), content=gzip.compress(b"{}"), headers=headers)
    assert encoding in problem(answer, 415, "unsupported_media_type")["detail"]
    assert answer.headers["accept-encoding"] == accepted


def test_a_body_that_is_said_to_be_as_it_is_is_read(client):
    headers = {"content-type": "application/json", "content-encoding": "identity"}
    problem(client.post("/v1/jobs", content=b"{}", headers=headers), 422, "invalid_field")


def test_rules_between_fields_are_said_in_our_words(client):
    body = {"dataset": "x", "assignment": {"init": "user"}}
    (place,) = problem(client.post("/v1/jobs", json=body), 422, "invalid_field")["errors"]
    assert place["field"] == "assignment"
    assert place["detail"].startswith("groups belongs to")


def test_a_missing_body_is_named(client):
    problem(client.post("/v1/jobs"), 422, "invalid_field")


def test_every_wrong_field_is_named_once_by_its_path(client):
    body = {
        "dataset": 1,
        "unknown": True,
        "model": {"categories": "many", "levels": 0},
        "training": {"epochs": 0},
        "assignment": {"groups": {"a": "x"}},
    }
    document = problem(client.post("/v1/jobs", json=body), 422, "invalid_field")
    assert {place["field"] for place in document["errors"]} == {
        "dataset",
        "unknown",
        "model.categories",
        "model.levels",
        "training.epochs",
        "assignment.groups.a",
    }


def test_numbers_are_not_read_from_text_or_booleans(client):
    for epochs in ("5", True, 5.5, [5]):
        document = problem(
            client.post("/v1/jobs", json={"dataset": "x", "training": {"epochs": epochs}}),
            422,
            "invalid_field",
        )
        assert document["errors"][0]["field"] == "training.epochs"


def test_a_missing_field_is_named(client):
    document = problem(client.post("/v1/jobs", json={}), 422, "invalid_field")
    assert document["errors"][0]["field"] == "dataset"


def test_a_request_keeps_its_own_id_when_it_is_usable(client):
    assert client.get("/livez", headers={"x-request-id": "mine-1"}).headers["x-request-id"] == "mine-1"
    for unusable in ("a b", "x" * 129, ""):
        assert (
            client.get("/livez", headers={"x-request-id": unusable})
            .headers["x-request-id"]
            .startswith("req_")
        )


def test_a_failure_of_the_service_is_a_problem_too(base_settings, serve, tmp_path):
    settings = base_settings.model_copy(update={"data_dir": tmp_path})
    with serve(settings) as api:

        def fail():
            raise RuntimeError("a defect")

        api.app.add_api_route("/fail", fail)
        document = problem(api.client.get("/fail"), 500, "internal_error")
    assert "a defect" not in document["detail"]


def test_a_full_disk_is_said_to_be_full(base_settings, serve, tmp_path):
    with serve(base_settings.model_copy(update={"data_dir": tmp_path})) as api:

        def fill():
            raise OSError(errno.ENOSPC, "No space left on device", "/data/spool/upload-1")

        api.app.add_api_route("/fill", fill)
        answer = api.client.get("/fill")
    document = problem(answer, 507, "disk_full")
    assert document["retryable"]
    assert "upload-1" not in answer.text


@pytest.mark.parametrize("path", ["/livez", "/v1", "/v1/jobs/none", "/docs"])
def test_no_answer_can_be_framed_sniffed_or_run_as_a_page(client, path):
    headers = client.get(path).headers
    assert headers["x-content-type-options"] == "nosniff"
    assert headers["x-frame-options"] == "DENY"
    assert headers["referrer-policy"] == "no-referrer"
    assert headers["cross-origin-resource-policy"] == "same-origin"
    assert headers["cache-control"] == "no-store"
    policy = headers["content-security-policy"]
    assert "frame-ancestors 'none'" in policy
    assert ("script-src" in policy) == (path == "/docs")


def test_everything_that_the_page_of_the_documentation_loads_is_allowed(client):
    page = client.get("/docs")
    names = re.findall(r"(?:src|href)=\"docs/([^\"]+)\"", page.text)
    assert len(names) == 3
    for name in names:
        file = client.get(f"/docs/{name}")
        assert (file.status_code, file.headers["cache-control"]) == (200, "no-cache")
        assert file.headers["content-type"].partition(";")[0] in {"text/css", "text/javascript"}
        assert client.get(f"/docs/{name}", headers={"if-none-match": file.headers["etag"]}).status_code == 304
    assert "http" not in page.headers["content-security-policy"], "nothing comes from elsewhere"
    assert "unsafe" not in page.headers["content-security-policy"]
    assert client.get("/docs/index.html").status_code == 404
    assert client.get("/docs/swagger-ui.LICENSE.txt").status_code == 200


def test_what_may_be_kept_is_not_forbidden_to_be_kept(client, model_id):
    assert "immutable" in client.get(f"/v1/models/{model_id}/grouping").headers["cache-control"]


@pytest.mark.parametrize(
    ("path", "document", "status"),
    [
        ("/v1/jobs", {"dataset": "d"} | {f"x{number}": 1 for number in range(20_000)}, 422),
        ("/v1/jobs", {"dataset": "d"} | {f"x{number}": 1 for number in range(100_000)}, 413),
        ("/v1/jobs", {"dataset": "d", "labels": {f"x{number}": "y" for number in range(20_000)}}, 422),
        ("/v2/models/{}/infer", {"inputs": [], "outputs": [{"": 1}] * 37_000}, 422),
        ("/v1/models/{}/decodings", {"codes": [], **{f"x{number}": 1 for number in range(10_000)}}, 422),
    ],
)
def test_very_many_faults_are_refused_in_few_words(client, model_id, path, document, status):
    answer = client.post(path.format(model_id), json=document)
    assert (answer.status_code, len(answer.content) < 10_000) == (status, True)


def test_more_labels_than_a_job_may_have_are_not_asked_for(client):
    for count, status in ((32, 200), (33, 422), (1000, 422)):
        labels = {f"label.a{number}": "x" for number in range(count)}
        assert client.get("/v1/jobs", params=labels).status_code == status
