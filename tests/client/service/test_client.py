"""The client against the whole service."""

import asyncio
from itertools import pairwise

import numpy as np
import pandas as pd
import pytest
from catvq_client import ApiError, AsyncClient

from tests.client.service.conftest import COLUMNS, ROWS

pytestmark = pytest.mark.slow


def test_every_form_of_a_table_is_the_same_dataset_of_the_service(client, dataset, values, tmp_path):
    frame = pd.DataFrame(values, columns=COLUMNS)
    assert dataset.rows == ROWS
    assert list(dataset.features) == COLUMNS
    assert {name: family.features for name, family in dataset.families.items()} == {"left": 4, "right": 4}
    assert client.datasets.upload(frame, families="prefix:_").features == dataset.features
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
    assert plan.rows.train + plan.rows.validation + plan.rows.test == ROWS
    assert plan.config["training"]["epochs"] == 2
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
            events = [event.type async for event in twin.jobs.follow(job.id)]
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
    assert len(client.models.codebook(model.id).categories) == 2
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
