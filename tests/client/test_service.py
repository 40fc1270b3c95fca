"""The client and the command against the whole service."""

import asyncio
import json
import subprocess
import sys
import time
from itertools import pairwise

import h5py
import numpy as np
import pandas as pd
import pytest
from catvq_client import ApiError, AsyncClient, Client

pytestmark = pytest.mark.slow

ROWS = 120
COLUMNS = [f"{family}_{index}" for family in ("left", "right") for index in range(4)]


def table():
    """Two families of four features that follow one angle each."""
    random = np.random.default_rng(7)
    angles = random.uniform(0, 2 * np.pi, (ROWS, 2))
    waves = [np.cos(angles[:, side] * k + k) for side in (0, 1) for k in (1, 1, 1, 1)]
    return (np.stack(waves, axis=1) + 0.1 * random.normal(size=(ROWS, 8))).astype(np.float32)


@pytest.fixture(scope="module")
def values():
    return table()


@pytest.fixture(scope="module")
def client(service):
    with Client(service.url) as opened:
        yield opened


@pytest.fixture(scope="module")
def dataset(client, values):
    return client.datasets.upload(values, name="waves", columns=COLUMNS, families="prefix:_")


@pytest.fixture(scope="module")
def request_body(dataset):
    return {
        "dataset": dataset.id,
        "name": "waves",
        "model": {"categories": 2, "levels": 2, "hidden_dim": 16, "embedding_dim": 8},
        "assignment": {"estimator": "softmax"},  # the quickest: what is learnt is not the question here
        "training": {"epochs": 2, "batch_size": 32},
        "report": {"baselines": False},
    }


@pytest.fixture(scope="module")
def states(client, request_body):
    job = client.jobs.submit(request_body)
    return list(client.jobs.watch(job.id, timeout_s=120))


@pytest.fixture(scope="module")
def model(client, states):
    assert states[-1].status == "succeeded", states[-1].reason
    return client.models.get(states[-1].model)


@pytest.fixture(scope="module")
def catvq(service):
    def run(*arguments):
        command = [sys.executable, "-c", "from catvq_client.cli import main; main()", *map(str, arguments)]
        return subprocess.run(
            command,
            capture_output=True,
            text=True,
            check=False,
            env={"CATVQ_URL": service.url, "COLUMNS": "160", "PATH": ""},
        )

    return run


def test_every_form_of_a_table_is_the_same_dataset_of_the_service(client, dataset, values, tmp_path):
    frame = pd.DataFrame(values, columns=COLUMNS)
    assert dataset.rows == ROWS
    assert list(dataset.features) == COLUMNS
    assert {name: family.features for name, family in dataset.families.items()} == {"left": 4, "right": 4}
    assert client.datasets.upload(frame, name="waves", families="prefix:_").id == dataset.id
    frame.to_csv(tmp_path / "waves.csv", index=False)
    from_csv = client.datasets.upload(tmp_path / "waves.csv", families="prefix:_")
    assert from_csv.features == dataset.features
    families = {"left": values[:, :4], "right": values[:, 4:]}
    from_families = client.datasets.upload(families)
    assert {name: family.features for name, family in from_families.families.items()} == {
        "left": 4,
        "right": 4,
    }
    listed = {"left": COLUMNS[:4], "right": COLUMNS[4:]}
    assert client.datasets.upload(values, columns=COLUMNS, families=listed).families == dataset.families
    assert client.datasets.get(dataset.id) == dataset
    assert dataset.id in {each.id for each in client.datasets.list()}


def test_more_names_than_fit_into_a_url_arrive_all_the_same(client):
    names = [f"long/{index:04}/{'ü' * 20}" for index in range(600)]
    values = np.random.default_rng(0).normal(size=(3, 600)).astype(np.float32)
    dataset = client.datasets.upload(values, columns=names)
    assert list(dataset.features) == names
    client.datasets.delete(dataset.id)


def test_a_table_that_cannot_be_used_is_refused_by_its_place(client, values):
    spoilt = values.copy()
    spoilt[4, 2] = np.inf
    with pytest.raises(ApiError) as refusal:
        client.datasets.upload(spoilt, columns=COLUMNS)
    assert refusal.value.status == 422
    (place,) = refusal.value.problem.errors
    assert (place.column, place.row) == ("left_2", 5)
    assert refusal.value.request_id


def test_a_plan_says_what_a_job_would_do(client, request_body):
    plan = client.jobs.plan(request_body)
    assert sum(plan["rows"].values()) == ROWS
    assert plan["config"]["training"]["epochs"] == 2
    assert client.jobs.list(dataset=request_body["dataset"], status="queued") == []


def test_a_watched_job_is_seen_to_start_to_advance_and_to_end(states, client):
    assert states[0].status in {"queued", "running"}
    assert states[-1].status == "succeeded"
    assert states[-1].progress.epoch == 2
    assert states[-1].name == "waves"
    assert any(state.status == "running" for state in states)
    assert all(new != old for old, new in pairwise(states)), "only changes are reported"
    assert states[-1].id in {job.id for job in client.jobs.list(status="succeeded")}


def test_temperature_assignment_metrics_and_events_are_there_after_the_end(client, states):
    job_id = states[-1].id
    assert client.jobs.temperature(job_id).epochs == 2
    assignment = client.jobs.assignment(job_id)
    assert list(assignment.features) == COLUMNS
    np.testing.assert_allclose(np.sum(assignment.matrix, axis=1), 1, atol=1e-5)
    assert client.jobs.assignment(job_id, epoch=1).epoch == 1
    assert [point["epoch"] for point in client.jobs.metrics(job_id).points] == [1, 2]
    events = client.jobs.events(job_id)
    assert [event.id for event in events] == list(range(1, len(events) + 1))
    assert events[0].type == "submitted"


def test_the_same_submission_twice_is_one_job(client, request_body):
    first, second = (client.jobs.submit(request_body, idempotency_key="once") for _ in range(2))
    assert first.id == second.id
    client.jobs.cancel(first.id)


def test_a_long_job_is_cancelled_while_it_is_waited_for(client, request_body):
    job = client.jobs.submit({**request_body, "training": {"epochs": 100_000}})
    states = client.jobs.watch(job.id, timeout_s=60)
    next(states)
    client.jobs.cancel(job.id)
    assert [state.status for state in states][-1] == "cancelled"
    client.jobs.delete(job.id)
    with pytest.raises(ApiError, match=r"\(404 "):
        client.jobs.get(job.id)


def test_arrays_and_data_frames_are_encoded_alike_and_columns_are_matched_by_name(client, model, values):
    codes = client.models.encode(model.id, values)
    assert codes.shape == (ROWS, 2 * 2)
    shuffled = pd.DataFrame(values, columns=COLUMNS)[COLUMNS[::-1]]
    np.testing.assert_array_equal(client.models.encode(model.id, shuffled), codes)
    named = client.models.encode(model.id, values[:, ::-1], columns=COLUMNS[::-1])
    np.testing.assert_array_equal(named, codes)
    detailed = client.models.encodings(model.id, values)
    np.testing.assert_array_equal(np.array(detailed.codes), codes)
    assert set(detailed.status) == {"ok"}
    assert len(detailed.reconstruction_error) == ROWS


def test_a_whole_dataset_is_encoded_by_the_workers(client, model, dataset, values):
    job = client.jobs.wait(client.models.encode_dataset(model.id, dataset.id).id, timeout_s=60)
    assert (job.kind, job.status) == ("encoding", "succeeded"), job.reason
    np.testing.assert_array_equal(client.datasets.rows(job.result), client.models.encode(model.id, values))
    np.testing.assert_array_equal(client.datasets.rows(dataset.id), values)


def test_the_client_that_awaits_does_the_same(service, client, model, dataset, values):
    async def ask():
        async with AsyncClient(service.url) as twin:
            parts = [twin.models.encode(model.id, row) for row in np.split(values, ROWS)]
            codes = np.concatenate(await asyncio.gather(*parts))
            job = await twin.jobs.wait((await twin.models.encode_dataset(model.id, dataset.id)).id)
            events = [event.type async for event in twin.jobs.follow_events(job.id)]
            listed = {each.id for each in await twin.models.list()}
            return codes, await twin.datasets.rows(job.result), events, listed

    codes, rows, events, listed = asyncio.run(ask())
    np.testing.assert_array_equal(codes, client.models.encode(model.id, values))
    np.testing.assert_array_equal(rows, codes)
    assert (events[0], events[-1]) == ("submitted", "delivered")
    assert model.id in listed


def test_a_missing_value_is_imputed_and_an_infinity_spoils_its_own_row_only(client, model, values):
    rows = values[:3].copy()
    rows[0, 1] = np.nan
    rows[1, 1] = np.inf
    detailed = client.models.encodings(model.id, rows)
    assert detailed.status == ("imputed", "invalid", "ok")
    codes = client.models.encode(model.id, rows)
    assert (codes[1] == -1).all()
    np.testing.assert_array_equal(codes[2], client.models.encode(model.id, values[2:3])[0])


def test_rows_of_the_wrong_width_are_refused(client, model, values):
    with pytest.raises(ApiError) as refusal:
        client.models.encode(model.id, values[:, :3])
    assert refusal.value.status == 422


def test_codes_are_decoded_to_rows(client, model, values):
    rows = client.models.decode(model.id, client.models.encode(model.id, values))
    assert rows.shape == values.shape
    assert np.isfinite(rows).all()


def test_the_grouping_covers_every_feature_once(client, model):
    grouping = client.models.grouping(model.id)
    members = [feature for category in grouping.categories for feature in category.features]
    assert sorted(members) == sorted(COLUMNS)
    assert [feature.name for feature in grouping.features] == COLUMNS
    hard = client.models.assignment(model.id, kind="hard")
    assert [row.index(1.0) for row in hard.matrix] == [feature.category for feature in grouping.features]
    assert grouping.digest == model.digest


def test_everything_else_of_a_model_can_be_read(client, model):
    assert client.models.report(model.id)
    assert len(client.models.codebook(model.id)["categories"]) == 2
    assert len(client.models.artifact(model.id)) > 1000
    assert model.id in {each.id for each in client.models.list()}


def test_an_alias_stands_for_its_model_until_it_is_deleted(client, model, values):
    alias = client.aliases.put("client-test", model.id)
    assert client.aliases.get("client-test") == alias
    assert "client-test" in {each.name for each in client.aliases.list()}
    assert client.models.get("@client-test").id == model.id
    assert client.models.encode("@client-test", values[:1]).shape == (1, 4)
    with pytest.raises(ApiError, match=r"\(409 "):
        client.models.delete(model.id)
    client.aliases.delete("client-test")
    with pytest.raises(ApiError, match=r"\(404 "):
        client.models.get("@client-test")


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
    assert json.loads(catvq("report", model.id, "--json").stdout) == client.models.report(model.id)


def test_a_model_is_compared_with_simpler_ones_once_it_is_published(catvq, client, request_body):
    job = client.jobs.submit({**request_body, "report": {"baselines": True}})
    model = client.jobs.wait(job.id, timeout_s=120).model
    report = client.models.report(model)
    deadline = time.monotonic() + 120
    while report["baselines"]["status"] in {"pending", "running"}:
        assert report["verdict"].startswith("Not yet compared")
        assert time.monotonic() < deadline
        time.sleep(0.1)
        report = client.models.report(model)
    assert report["baselines"]["status"] == "done"
    assert report["verdict"].startswith(("Better: ", "As good: ", "Worse: "))
    shown = catvq("report", model)
    assert shown.returncode == 0, shown.stderr
    assert shown.stdout.startswith(report["verdict"])
    assert shown.stdout.index("spectral_coclustering") < shown.stdout.index("soft_to_hard_gap")


def test_a_dataset_is_uploaded_and_deleted(catvq, tmp_path):
    path = tmp_path / "small.csv"
    path.write_text("a_1,a_2,b_1\n" + "\n".join(f"{n},{n * n},1" for n in range(9)) + "\n")
    uploaded = catvq("datasets", "upload", path, "--families", "prefix:_", "--json")
    assert uploaded.returncode == 0, uploaded.stderr
    dataset = json.loads(uploaded.stdout)
    assert (dataset["name"], list(dataset["families"])) == ("small", ["a", "b"])
    assert catvq("datasets", "upload", path, "--families", "prefix:_", "--strict").returncode == 1
    assert catvq("datasets", "delete", dataset["id"]).returncode == 0
    assert catvq("datasets", "delete", dataset["id"]).returncode == 1


def test_a_job_that_has_ended_cannot_be_cancelled(catvq, states):
    refused = catvq("cancel", states[-1].id)
    assert refused.returncode == 1
    assert refused.stderr.count("\n") == 1
    assert "409" in refused.stderr


def test_a_field_that_the_service_does_not_know_is_named(catvq, dataset, tmp_path):
    config = tmp_path / "run.yaml"
    config.write_text(f"dataset: {dataset.id}\ntraining: {{epoch: 3}}\n")
    refused = catvq("train", "--config", config)
    assert refused.returncode == 1
    assert "training.epoch" in refused.stderr
    assert refused.stderr.count("\n") == 1
