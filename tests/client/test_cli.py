import io
import json

import numpy as np
import pytest
from catvq_client import Client
from catvq_client.terminal.following import follow
from rich.console import Console

from tests.client.conftest import Answer

JOB = {
    "id": "job_1",
    "status": "succeeded",
    "created_at": "2026-01-01T00:00:00Z",
    "config": {"dataset": "ds_1", "name": None},
    "progress": {"fraction": 1.0, "epoch": 5, "epochs": 5},
    "temperature": 0.1,
    "losses": {"total": 0.5, "reconstruction": 0.25, "validation": None},
    "model": "model_1",
}
DATASET = {
    "id": "ds_1",
    "name": "digits",
    "rows": 2,
    "features": ["a", "b"],
    "families": {"f": {"features": 2, "kind": "tabular"}},
    "digest": "sha256:0",
    "warnings": [{"code": "constant_column", "detail": "column b is constant", "column": "b"}],
}


UNKNOWN_DATASET = Answer(404, {"title": "Not found", "status": 404, "code": "dataset_not_found"})


@pytest.fixture
def config(tmp_path):
    path = tmp_path / "run.yaml"
    path.write_text("dataset: ds_1\ntraining: {epochs: 5}\nassignment: {mode: static}\n")
    return path


def test_a_usage_error_ends_with_2(catvq):
    assert catvq("unheard-of").exit_code == 2
    assert catvq("train").exit_code == 2


def test_an_error_is_one_line_on_standard_error(catvq, scripted, answer):
    scripted.answers = [answer(404, {"title": "Not found", "detail": "no job job_9", "status": 404})]
    failed = catvq("status", "job_9")
    assert (failed.stdout, failed.stderr) == ("", "error: no job job_9 (404)\n")


def test_without_a_service_the_error_says_what_to_do(catvq, unused_port):
    failed = catvq("models", "--url", f"http://127.0.0.1:{unused_port}")
    assert failed.exit_code == 3
    assert failed.stderr.count("\n") == 1
    assert "`catvq up`" in failed.stderr


def test_an_absent_file_is_an_error_of_one_line(catvq, tmp_path):
    failed = catvq("datasets", "upload", tmp_path / "absent.csv")
    assert failed.exit_code == 1
    assert failed.stderr.count("\n") == 1
    assert "absent.csv" in failed.stderr


def test_the_key_comes_from_the_environment_and_is_never_shown(catvq, scripted, answer, monkeypatch):
    monkeypatch.setenv("CATVQ_API_KEY", "s3cret")
    scripted.answers = [answer(403, {"title": "Forbidden", "status": 403})]
    failed = catvq("models")
    assert scripted.requests[0].headers["Authorization"] == "Bearer s3cret"
    assert "s3cret" not in failed.output
    assert "s3cret" not in catvq("models", "--help").output


def test_train_submits_what_the_file_says(catvq, scripted, answer, config):
    scripted.answers = [answer(202, {**JOB, "status": "queued", "model": None})]
    done = catvq("train", "--config", config, "--name", "mine")
    assert done.exit_code == 0, done.output
    assert "job_1 is queued" in done.stderr
    assert json.loads(scripted.requests[0].body) == {
        "dataset": "ds_1",
        "training": {"epochs": 5},
        "assignment": {"mode": "static"},
        "name": "mine",
    }


def test_the_learnable_flag_overrides_the_file(catvq, scripted, answer, config):
    scripted.answers = [answer(202, JOB)]
    catvq("train", "--config", config, "--learnable")
    assert json.loads(scripted.requests[0].body)["assignment"] == {"mode": "learnable"}


def test_train_uploads_the_listed_families_and_names_what_has_no_effect(catvq, scripted, answer, tmp_path):
    np.savez(tmp_path / "f.npz", a=np.zeros((2, 1)), b=np.ones((2, 1)), c=np.ones((2, 3)))
    config = tmp_path / "run.yaml"
    config.write_text(
        f"dataset_path: {tmp_path / 'f.npz'}\nrandom_seed: 3\ncheckpoint_dir: x\n"
        "families: {b: {encoder: identity}, a: {encoder: identity}}\n"
    )
    scripted.answers = [UNKNOWN_DATASET, answer(201, DATASET), answer(202, JOB)]
    done = catvq("train", "--config", config)
    assert done.exit_code == 0, done.output
    _, upload, submission = scripted.requests
    assert upload.path == "/v1/datasets?name=f"
    assert b"a.npy" in upload.body
    assert b"b.npy" in upload.body
    assert b"c.npy" not in upload.body
    assert json.loads(submission.body)["training"] == {"seed": 3}
    assert "no effect: checkpoint_dir = 'x'" in done.stderr
    assert "warning: column b is constant" in done.stderr


def test_a_dataset_on_the_command_line_replaces_the_files(catvq, scripted, answer, config, tmp_path):
    scripted.answers = [answer(202, JOB)]
    catvq("train", "--config", config, "--dataset", "ds_other")
    assert json.loads(scripted.requests[-1].body)["dataset"] == "ds_other"
    table = tmp_path / "t.csv"
    table.write_text("a,b\n1,2\n")
    scripted.answers = [UNKNOWN_DATASET, answer(201, {**DATASET, "id": "ds_new"}), answer(202, JOB)]
    catvq("train", "--config", config, "--dataset", table)
    assert json.loads(scripted.requests[-1].body)["dataset"] == "ds_new"


def test_families_have_no_effect_on_a_dataset_that_is_uploaded_already(catvq, scripted, answer, tmp_path):
    config = tmp_path / "run.yaml"
    config.write_text("families: 'prefix:_'\n")
    table = tmp_path / "t.csv"
    table.write_text("a,b\n1,2\n")
    scripted.answers = [UNKNOWN_DATASET, answer(201, DATASET), answer(202, JOB)]
    assert "no effect" not in catvq("train", "--config", config, "--dataset", table).stderr
    assert scripted.requests[1].path == "/v1/datasets?name=t&families=prefix%3A_"
    scripted.answers = [answer(202, JOB)]
    assert "no effect: families: ds_1" in catvq("train", "--config", config, "--dataset", "ds_1").stderr


@pytest.mark.parametrize(
    ("arguments", "needle"), [((), "no dataset"), (("--dataset", "absent.csv"), "absent.csv: no such file")]
)
def test_train_without_a_dataset_says_how_to_give_one(catvq, scripted, tmp_path, arguments, needle):
    config = tmp_path / "run.yaml"
    config.write_text("training: {epochs: 5}\n")
    failed = catvq("train", "--config", config, *arguments)
    assert failed.exit_code == 1
    assert needle in failed.stderr
    assert scripted.requests == []


def test_following_shows_epochs_temperature_and_losses(catvq, scripted, answer, config):
    running = {
        **JOB,
        "status": "running",
        "progress": {"epoch": 2, "epochs": 5},
        "temperature": 0.61,
        "model": None,
    }
    scripted.answers = [
        answer(202, {**running, "status": "queued", "progress": None}),
        answer(200, running, {"ETag": '"1"'}),
        answer(200, JOB, {"ETag": '"2"'}),
    ]
    done = catvq("train", "--config", config, "--follow")
    assert done.exit_code == 0, done.output
    assert "training  epoch 2/5  temperature 0.61  total 0.5  reconstruction 0.25" in done.stderr
    assert "succeeded  epoch 5/5" in done.stderr
    assert "model model_1" in done.stderr


def test_on_a_terminal_a_bar_shows_phase_epoch_temperature_and_error(scripted, answer):
    running = {**JOB, "status": "running", "progress": {"fraction": 0.5, "epoch": 2, "epochs": 5}}
    scripted.answers = [answer(200, running, {"ETag": '"1"'}), answer(200, JOB, {"ETag": '"2"'})]
    screen = io.StringIO()
    with Client(scripted.url) as client:
        ended = follow(
            client, "job_1", Console(file=screen, force_terminal=True, width=120, color_system=None)
        )
    assert ended.status == "succeeded"
    last = screen.getvalue().rsplit("succeeded", 1)[1]
    assert "epoch 5/5  T 0.1  error 0.25" in last


def test_following_a_job_that_fails_ends_with_its_reason(catvq, scripted, answer, config):
    failure = {"code": "invalid_config", "text": "more categories than features"}
    failed = {**JOB, "status": "failed", "model": None, "error": failure}
    scripted.answers = [answer(202, {**JOB, "status": "queued"}), answer(200, failed)]
    ended = catvq("train", "--config", config, "--follow")
    assert ended.exit_code == 9
    assert ended.stderr.endswith("error: job_1 failed: more categories than features\n")


def test_json_is_the_only_thing_on_standard_output(catvq, scripted, answer, config):
    scripted.answers = [answer(202, JOB)]
    done = catvq("train", "--config", config, "--json")
    assert json.loads(done.stdout)["id"] == "job_1"


def test_names_are_never_read_as_markup(catvq, scripted, answer):
    scripted.answers = [answer(200, {"items": [{**DATASET, "name": "[red]x[/red] [/]"}]})]
    done = catvq("datasets")
    assert "[red]x[/red] [/]" in done.stdout


def test_an_assignment_is_shown_by_each_features_likeliest_categories(catvq, scripted, answer):
    document = {
        "features": ["a", "b"],
        "categories": ["first", "second", "third"],
        "matrix": [[0.7, 0.2, 0.1], [0.0, 0.25, 0.75]],
        "temperature": 0.5,
        "epoch": 3,
    }
    scripted.answers = [answer(200, document)]
    lines = [line.split() for line in catvq("assignment", "job_1").stdout.splitlines()]
    cells = [[cell for cell in line if cell.isalnum() or "." in cell] for line in lines]
    assert ["a", "first", "0.7", "second", "0.2"] in cells
    assert ["b", "third", "0.75", "second", "0.25"] in cells


def test_an_assignment_of_one_category_has_no_runner_up(catvq, scripted, answer):
    document = {"features": ["a"], "categories": ["all"], "matrix": [[1.0]], "temperature": 1, "epoch": 1}
    scripted.answers = [answer(200, document)]
    done = catvq("assignment", "job_1")
    assert done.exit_code == 0, done.output


def test_an_assignment_before_the_first_step_is_not_an_error(catvq, scripted, answer):
    nothing = dict.fromkeys(("features", "categories", "matrix", "temperature", "epoch"))
    scripted.answers = [answer(200, nothing)]
    done = catvq("assignment", "job_1")
    assert done.exit_code == 0
    assert "has no assignment yet" in done.stderr


def test_codes_are_written_in_the_form_that_the_file_is_named_for(catvq, scripted, answer, tmp_path):
    rows = tmp_path / "rows.csv"
    rows.write_text("a,b\n1,2\n")
    scripted.answers = [answer(200, content=b"codes")]
    assert catvq("encode", "model_1", rows, "-o", tmp_path / "out.npy").exit_code == 0
    assert catvq("encode", "model_1", rows, "-o", tmp_path / "out.csv").exit_code == 0
    printed = catvq("encode", "model_1", rows)
    assert (tmp_path / "out.npy").read_bytes() == (tmp_path / "out.csv").read_bytes() == b"codes"
    assert printed.stdout == "codes"
    assert [request.headers["Accept"] for request in scripted.requests] == [
        "application/x-npy",
        "text/csv",
        "text/csv",
    ]


def test_codes_in_another_form_are_refused_before_anything_is_sent(catvq, scripted, tmp_path):
    failed = catvq("encode", "model_1", tmp_path / "rows.csv", "-o", tmp_path / "out.xlsx")
    assert failed.exit_code == 1
    assert scripted.requests == []


DIFF = {
    "from": "model_1",
    "to": "model_2",
    "agreement": 0.8421,
    "pairs": [{"from": "category_0", "to": "category_3", "shared": 14}],
    "moved": [{"name": "p9", "from": "category_0", "to": "category_1"}],
    "only_in": {"from": ["p3"], "to": []},
}


def test_two_models_are_compared_in_tables_or_json(catvq, scripted, answer):
    scripted.answers = [answer(200, DIFF)]
    shown = catvq("diff", "model_1", "@new").stdout
    assert scripted.requests[0].path == "/v1/models/model_1/diff?to=%40new"
    for text in ("0.8421", "category_3", "14", "p9", "only in model_1", "p3"):
        assert text in shown
    assert "only in model_2" not in shown
    assert json.loads(catvq("diff", "model_1", "@new", "--json").stdout) == DIFF


def test_workers_are_listed_with_their_jobs(catvq, scripted, answer):
    times = {"since": "2026-01-01T12:00:00Z", "last_heard_of": "2026-01-01T12:30:00Z"}
    worker = {"name": "w1", "device": "cuda:0", "job": "job_1"} | times
    scripted.answers = [answer(200, {"items": [worker]})]
    shown = catvq("workers").stdout
    assert all(text in shown for text in ("w1", "cuda:0", "job_1", "2026-01-01 12:00"))
    assert json.loads(catvq("workers", "--json").stdout) == [worker]


def test_pictures_are_written_in_the_format_of_the_files_suffix(catvq, scripted, answer, tmp_path):
    scripted.answers = [answer(200, content=b"<svg/>"), answer(200, content=b"\x89PNG")]
    assert catvq("plot", "job_1", "--show", "metrics", "-o", tmp_path / "a.svg").exit_code == 0
    assert catvq("plot", "@best", "-o", tmp_path / "a.png").exit_code == 0
    assert [(request.path, request.headers["Accept"]) for request in scripted.requests] == [
        ("/v1/jobs/job_1/metrics", "image/svg+xml"),
        ("/v1/models/@best/grouping", "image/png"),
    ]
    assert (tmp_path / "a.png").read_bytes() == b"\x89PNG"
    assert "must end in .svg or .png" in catvq("plot", "job_1", "-o", tmp_path / "a.gif").stderr
    assert "has no grouping" in catvq("plot", "job_1", "--show", "grouping", "-o", tmp_path / "a.svg").stderr
