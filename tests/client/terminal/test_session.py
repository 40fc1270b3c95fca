"""How commands end: exit statuses by the kind of error, and errors as JSON."""

import json
from pathlib import Path

import pytest
from catvq_client.terminal.exit_codes import BY_STATUS, ExitCode

ROOT = Path(__file__).parents[3]
STATUSES = {400: 7, 401: 4, 403: 4, 404: 5, 405: 1, 409: 6, 410: 5, 412: 6, 413: 7, 422: 7, 500: 10, 507: 8}


@pytest.mark.parametrize(("status", "code"), STATUSES.items())
def test_the_exit_status_tells_the_kind_of_error(catvq, scripted, answer, status, code):
    scripted.answers = [answer(status, {"title": "x", "status": status})]
    assert catvq("models").exit_code == code


def test_the_documented_table_lists_every_exit_status():
    text = (ROOT / "docs" / "reference" / "command-line.md").read_text()
    lines = [line for line in text.splitlines() if line.startswith("| ") and line[2].isdigit()]
    listed = {int(line.split("|")[1]) for line in lines}
    assert listed == {0, *ExitCode}
    assert set(BY_STATUS.values()) < set(ExitCode)


def test_with_json_an_error_is_the_problem_document_alone(catvq, scripted, answer):
    problem = {"type": "t", "title": "Not Found", "status": 404, "detail": "no", "code": "job_not_found"}
    problem |= {"errors": [{"field": "job", "detail": "no"}], "retryable": False, "instance": "urn:x"}
    scripted.answers = [answer(404, problem)]
    failed = catvq("status", "job_9", "--json")
    assert (failed.exit_code, json.loads(failed.stdout), failed.stderr) == (5, problem, "")


def test_with_json_own_errors_are_problems_too(catvq, unused_port):
    failed = catvq("models", "--json", "--url", f"http://127.0.0.1:{unused_port}")
    document = json.loads(failed.stdout)
    assert (failed.exit_code, document["code"]) == (3, "not_reachable")
    assert "no answer" in document["detail"]
    assert catvq("models", "--url", f"http://127.0.0.1:{unused_port}").stdout == "", "JSON is not remembered"


@pytest.mark.parametrize(
    "arguments",
    [
        ("status",),
        ("status", "job_1"),
        ("assignment", "job_1"),
        ("metrics", "job_1"),
        ("events", "job_1"),
        ("temperature", "job_1"),
        ("cancel", "job_1"),
        ("models",),
        ("grouping", "@a"),
        ("report", "@a"),
        ("diff", "@a", "@b"),
        ("artifact", "@a"),
        ("alias",),
        ("alias", "a", "model_1"),
        ("alias", "a", "--delete"),
        ("delete", "job_1"),
        ("datasets",),
        ("datasets", "list"),
        ("datasets", "delete", "ds_1"),
        ("keys",),
        ("keys", "create", "--scope", "read"),
        ("keys", "rotate", "key_1"),
        ("keys", "revoke", "key_1"),
        ("plot", "job_1", "-o", "x.svg"),
        ("workers",),
        ("train", "ds_1"),
    ],
)
def test_every_command_takes_json_and_ends_by_the_kind_of_error(catvq, scripted, answer, arguments):
    scripted.answers = [answer(403, {"title": "Forbidden", "status": 403})]
    failed = catvq(*arguments, "--json")
    assert (failed.exit_code, json.loads(failed.stdout)["status"]) == (4, 403)
