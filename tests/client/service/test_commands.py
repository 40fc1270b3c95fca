"""The command against the whole service."""

import json
import time

import h5py
import numpy as np
import pytest

from tests.client.service.conftest import ROWS

pytestmark = pytest.mark.slow


def test_the_command_goes_from_a_published_file_to_codes(catvq, values, tmp_path):
    with h5py.File(tmp_path / "features.h5", "w") as file:
        file["features/left"] = values[:, :4]
        file["features/right/aggregated"] = values[:, 4:]
        file["features/unused"] = values
    config = tmp_path / "run.yaml"
    config.write_text(
        f"dataset_path: {tmp_path / 'features.h5'}\n"
        "random_seed: 1\ncheckpoint_dir: x\n"
        "families: {left: {encoder: identity}, right: {encoder: identity}}\n"
        "model: {group_embedding_dim: 8, group_hidden_dim: 16, compression_ratios: '0.5:1.0'}\n"
        "training: {num_epochs: 2, batch_size: 32}\n"
        "learnable_assignment: {assignment_lr: 0.01}\n"
        "category_assignment_config: {per_family: true, per_family_params: "
        "{left: {min_clusters: 1, max_clusters: 1}, right: {min_clusters: 2, max_clusters: 2}}}\n"
        "logging: {verbose: true}\n"
    )
    trained = catvq("train", "--config", config, "--learnable", "--follow", "--json")
    assert trained.returncode == 0, trained.stderr
    assert "no effect: checkpoint_dir" in trained.stderr
    assert "epoch 2/2" in trained.stderr
    job = json.loads(trained.stdout)
    assert job["config"]["assignment"]["mode"] == "learnable"

    model = job["model"]
    assert model in catvq("models").stdout
    shown = catvq("grouping", model)
    assert "left 4" in shown.stdout
    grouping = json.loads(catvq("grouping", model, "--json").stdout)
    assert len(grouping["categories"]) == 3

    rows = tmp_path / "rows.npy"
    np.save(rows, values)
    encoded = catvq("encode", model, rows, "-o", tmp_path / "codes.npy")
    assert encoded.returncode == 0, encoded.stderr
    codes = np.load(tmp_path / "codes.npy")
    assert codes.shape == (ROWS, 3 * 2)
    printed = catvq("encode", model, rows).stdout.splitlines()
    assert len(printed) == ROWS + 1
    as_json = json.loads(catvq("encode", model, rows, "--json").stdout)
    assert as_json["codes"] == codes.tolist()

    (tmp_path / "codes.csv").write_text("\n".join(printed) + "\n")
    for kind in ("npy", "csv"):
        decoded = catvq("decode", model, tmp_path / f"codes.{kind}", "-o", tmp_path / f"from-{kind}.npy")
        assert decoded.returncode == 0, decoded.stderr
    from_npy, from_csv = (np.load(tmp_path / f"from-{kind}.npy") for kind in ("npy", "csv"))
    assert from_npy.shape == values.shape
    np.testing.assert_array_equal(from_npy, from_csv)
    for name, arguments in (("a.png", (model,)), ("b.svg", (job["id"], "--show", "metrics"))):
        assert catvq("plot", *arguments, "-o", tmp_path / name).returncode == 0
    assert (tmp_path / "a.png").read_bytes().startswith(b"\x89PNG")


@pytest.mark.parametrize("command", ["status", "temperature", "assignment"])
def test_a_jobs_state_is_shown_as_a_table_and_as_json(catvq, states, command):
    job_id = states[-1].id
    shown = catvq(command, job_id)
    assert shown.returncode == 0, shown.stderr
    assert "temperature" in shown.stdout
    assert "temperature" in json.loads(catvq(command, job_id, "--json").stdout)


@pytest.mark.parametrize("arguments", [("status",), ("datasets",), ("datasets", "list"), ("models",)])
def test_lists_name_what_there_is(catvq, dataset, model, states, arguments):
    shown = catvq(*arguments)
    assert shown.returncode == 0, shown.stderr
    expected = {"status": states[-1].id, "datasets": dataset.id, "models": model.id}[arguments[0]]
    assert expected in shown.stdout


def test_a_report_is_shown_and_given_as_json(catvq, client, model):
    shown = catvq("report", model.id)
    assert shown.returncode == 0, shown.stderr
    assert "soft_to_hard_gap" in shown.stdout
    assert json.loads(catvq("report", model.id, "--json").stdout) == client.models.report(model.id).document()


def test_a_model_is_compared_with_simpler_ones_once_it_is_published(catvq, client, request_body):
    job = client.jobs.submit({**request_body, "report": {"baselines": True}})
    model = client.jobs.wait(job.id, timeout_s=120).model
    report = client.models.report(model)
    deadline = time.monotonic() + 120
    while report.baselines.status in {"pending", "running"}:
        assert report.verdict.startswith("Not yet compared")
        assert time.monotonic() < deadline
        time.sleep(0.1)
        report = client.models.report(model)
    assert report.baselines.status == "done"
    assert report.verdict.startswith(("Better: ", "As good: ", "Worse: "))
    shown = catvq("report", model)
    assert shown.returncode == 0, shown.stderr
    assert shown.stdout.startswith(report.verdict)
    assert shown.stdout.index("spectral_coclustering") < shown.stdout.index("soft_to_hard_gap")


def test_a_dataset_is_uploaded_and_deleted(catvq, tmp_path):
    path = tmp_path / "small.csv"
    path.write_text("a_1,a_2,b_1\n" + "\n".join(f"{n},{n * n},1" for n in range(9)) + "\n")
    uploaded = catvq("datasets", "upload", path, "--families", "prefix:_", "--json")
    assert uploaded.returncode == 0, uploaded.stderr
    dataset = json.loads(uploaded.stdout)
    assert (dataset["name"], list(dataset["families"])) == ("small", ["a", "b"])
    assert catvq("datasets", "upload", path, "--families", "prefix:_", "--strict").returncode == 7
    written = path.with_name("written.npz")
    assert catvq("datasets", "download", dataset["id"], "-o", written).returncode == 0
    assert set(np.load(written)) == set(dataset["families"])
    assert catvq("datasets", "delete", dataset["id"]).returncode == 0
    assert catvq("datasets", "delete", dataset["id"]).returncode == 5


def test_a_job_that_has_ended_cannot_be_cancelled(catvq, states):
    refused = catvq("cancel", states[-1].id)
    assert refused.returncode == 6
    assert refused.stderr.count("\n") == 1
    assert "409" in refused.stderr


def test_a_field_that_the_service_does_not_know_is_named(catvq, dataset, tmp_path):
    config = tmp_path / "run.yaml"
    config.write_text(f"dataset: {dataset.id}\ntraining: {{epoch: 3}}\n")
    refused = catvq("train", "--config", config)
    assert refused.returncode == 7
    assert "did you mean 'epochs'?" in refused.stderr
    assert "training.epoch" in refused.stderr
    assert refused.stderr.count("\n") == 1
