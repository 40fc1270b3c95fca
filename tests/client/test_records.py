"""Records: as the service sent them, and as tables in notebooks."""

import pytest
from catvq_client import records
from catvq_client.records import Assignment, Grouping, Job, Report

HOSTILE = "<script>alert(1)</script>"


def test_a_document_is_what_the_service_sent(answer):
    sent = {
        "model": "m",
        "verdict": "v",
        "baselines": {"status": "off"},
        "by_a_newer_service": {"x": [1, None]},
    }
    assert Report.model_validate(sent).document() == sent


def test_every_record_is_exported():
    exported = {getattr(records, name) for name in records.__all__}
    known = set(records.base.Record.__subclasses__())
    assert known <= exported


@pytest.mark.parametrize(
    "record",
    [
        Job(id=HOSTILE, status="queued", created_at="2026-01-01T00:00:00Z", config={HOSTILE: [HOSTILE]}),
        Assignment(features=(HOSTILE,), categories=(HOSTILE,), matrix=((0.5,),)),
        Grouping(
            model=HOSTILE,
            digest="d",
            categories=({"index": 0, "name": HOSTILE, "features": (HOSTILE,)},),
            features=(),
        ),
    ],
)
def test_notebooks_show_a_table_in_which_names_stay_text(record):
    html = record._repr_html_()
    assert html.startswith("<table>")
    assert "<script>" not in html
    assert "&lt;script&gt;" in html


def test_a_notebook_shows_large_records_in_bounded_size():
    names = tuple(f"f{index}" for index in range(5000))
    matrix = tuple((0.01,) * 100 for _ in names)
    large = Assignment(features=names, categories=names[:100], matrix=matrix)
    assert len(large._repr_html_()) < 300_000
    assert "and 4940 more features" in large._repr_html_()
    assert Assignment()._repr_html_() == "<p>no assignment yet</p>"
    job = Job(id="j", status="queued", created_at="2026-01-01T00:00:00Z", config={"x": names})
    assert len(job._repr_html_()) < 2000
