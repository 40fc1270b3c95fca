"""Jobs in the published layout, fitted to a dataset and to the workers that there are."""

import json

import pytest
from catvq_client.errors import ConfigFileError
from catvq_client.job_files.fitting import fit_job
from catvq_client.job_files.run_file import RunFile
from catvq_client.records import Dataset

DATASET = Dataset.model_validate(
    {
        "id": "ds_1",
        "digest": "d",
        "rows": 100,
        "features": ["a", "b", "c", "t/x"],
        "families": {"initial": {"features": 3}, "temporal": {"features": 30, "kind": "series"}},
    }
)


def fit(job, devices=("cpu",), **run):
    return fit_job(job, RunFile(job=job, **run), DATASET, lambda: devices)


def test_a_batch_larger_than_the_rows_is_clamped_and_told():
    job, notes = fit({"training": {"batch_size": 512}})
    assert job["training"]["batch_size"] == 80
    assert notes == ["training.batch_size 512 is more than the 80 rows to train on: 80 is taken"]
    assert fit({"training": {"batch_size": 80}})[1] == []


def test_a_device_that_no_worker_has_is_left_to_the_service():
    job, notes = fit({"training": {"device": "cuda"}}, ["cpu", "cuda:0"])
    assert (job["training"]["device"], notes) == ("cuda", [])
    job, notes = fit({"training": {"device": "cuda:1"}}, ["cpu", "cuda:0"])
    assert job["training"]["device"] == "auto"
    assert notes == ["training.device: no worker has cuda:1, there are cpu, cuda:0: auto is taken"]
    assert fit({"training": {"device": "cuda"}}, [])[0]["training"]["device"] == "cuda"


def test_families_that_the_dataset_lacks_are_not_kept_apart():
    job, notes = fit({"assignment": {"isolated_families": ["temporal", "missing"]}})
    assert job["assignment"]["isolated_families"] == ["temporal"]
    assert [str(note) for note in notes] == [
        "isolated_families = ['missing']: the dataset has no such family"
    ]


def test_ranges_become_numbers_within_them_for_the_families_that_there_are():
    ranges = {"initial": (2, 5), "temporal_p0": (2, 4), "temporal_p1": (2, 6)}
    job, notes = fit({}, category_ranges=ranges)
    assert job["model"]["categories"] == {"initial": 2, "temporal": 5}
    assert job["assignment"]["per_family"] is True
    assert notes == ["categories within the ranges of per_family_params: initial 2, temporal 5"]
    assert fit({}, category_ranges={"temporal": (7, 9)})[0]["model"]["categories"]["temporal"] == 7


def test_a_number_in_all_comes_first():
    job, notes = fit({"model": {"categories": 4}}, category_ranges={"initial": (2, 5)})
    assert job["model"]["categories"] == 4
    (note,) = notes
    assert (note.key, note.reason) == ("per_family_params", "there are 4 categories in all")


def test_a_file_of_categories_names_features_or_their_positions(tmp_path):
    path = tmp_path / "map.json"
    path.write_text(json.dumps({"one": [0, "b"], "two": [2, 3]}))
    job, _ = fit({}, mapping_path=path)
    assert job["assignment"] == {"init": "user", "groups": {"one": ["a", "b"], "two": ["c", "t/x"]}}
    for wrong in ({"one": [9]}, {"one": ["z"]}, {"one": 1}, []):
        path.write_text(json.dumps(wrong))
        with pytest.raises(ConfigFileError, match=r"map\.json"):
            fit({}, mapping_path=path)
    with pytest.raises(ConfigFileError, match="not a readable file"):
        fit({}, mapping_path=tmp_path / "absent.json")
