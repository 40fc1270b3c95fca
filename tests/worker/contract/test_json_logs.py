"""Every line of a log is one JSON document that says what it is about."""

import json
import logging
import sys
import threading

from worker.contract.json_logs import JsonLines, log_context


def line(message, *arguments, exc_info=None):
    record = logging.LogRecord(
        "worker.jobs.train", logging.WARNING, __file__, 1, message, arguments, exc_info
    )
    text = JsonLines().format(record)
    assert "\n" not in text
    return json.loads(text)


def test_a_line_says_when_who_and_what():
    document = line("job %s\nwas taken", "job_1")
    assert document.pop("time").endswith("+00:00")
    assert document == {"level": "warning", "logger": "worker.jobs.train", "message": "job job_1\nwas taken"}


def test_a_line_names_its_subject_where_there_is_one():
    with log_context(request_id="req_1"):
        assert line("x")["request_id"] == "req_1"
        others = []
        thread = threading.Thread(target=lambda: others.append(line("y")))
        thread.start()
        thread.join()
    assert "request_id" not in others[0]
    assert "request_id" not in line("z")


def test_an_exception_stays_on_its_line():
    try:
        int("\ud800\n")
    except ValueError:
        document = line("failed", exc_info=sys.exc_info())
    assert document["trace"].startswith("Traceback")
    assert "ValueError" in document["trace"]
