"""The published layout against the whole service: every kind of family, and every key of the example."""

import json
from pathlib import Path

import h5py
import numpy as np
import pytest
import yaml

pytestmark = pytest.mark.slow

EXAMPLE = Path(__file__).parents[3] / "examples" / "published_layout.yaml"
ROWS = 60


@pytest.fixture(scope="module")
def data(tmp_path_factory):
    """A file with each kind of family; its last rows were never written."""
    random = np.random.default_rng(7)
    cause = random.normal(size=(ROWS, 1))
    path = tmp_path_factory.mktemp("published") / "data.h5"
    with h5py.File(path, "w") as file:
        for name, array in {
            "features/initial/aggregated/features": cause + 0.1 * random.normal(size=(ROWS, 4)),
            "features/summary/per_trajectory/features": cause[:, None] + random.normal(size=(ROWS, 2, 5)),
            "features/temporal/features": cause[:, :, None] * random.normal(size=(ROWS, 16, 3)),
            "parameters/vectors": random.normal(size=(ROWS, 3)),
            "inputs/fields": cause[:, :, None, None, None] * random.normal(size=(ROWS, 2, 1, 6, 6)),
        }.items():
            array[-3:] = 0
            file[name] = array.astype(np.float32)
        file["features/initial"].attrs["feature_registry"] = json.dumps(
            {"spatial": {"mean": 0, "variance": 1}, "spectral": {"peak": 2, "slope": 3}}
        )
    return path


def configuration(data, tmp_path, **families):
    document = yaml.safe_load(EXAMPLE.read_text())
    document["dataset_path"] = str(data)
    document["families"] |= families
    path = tmp_path / "run.yaml"
    path.write_text(yaml.safe_dump(document))
    return path


OTHERS = {
    "summary": {"encoder": "MLPEncoder"},
    "architecture": {"encoder": "IdentityEncoder"},
    "ic": {"encoder": "ICCNNEncoder"},
}
QUICK = ("--epochs", "1", "--learning-rate", "0.002")


def test_a_file_of_every_kind_of_family_is_trained_on(catvq, data, tmp_path):
    config = configuration(data, tmp_path, **OTHERS)
    output = tmp_path / "model"
    done = catvq("train", "--config", config, *QUICK, "--trim", "--output", output, "--json")
    assert done.returncode == 0, done.stderr
    assert "3 of 60 rows are all zero" in done.stderr
    assert "training.batch_size 512 is more than the" in done.stderr
    assert (output / "encoder.onnx").stat().st_size > 0
    grouping = json.loads((output / "grouping.json").read_text())
    families = {feature["family"] for feature in grouping["features"]}
    assert families == {"initial", "temporal", "summary", "architecture", "ic"}
    assert "initial_mean" in {feature["name"] for feature in grouping["features"]}
    assert json.loads(done.stdout)["config"]["training"]["learning_rate"] == 0.002


def test_the_example_runs_with_nothing_changed_but_the_path(catvq, data, tmp_path):
    done = catvq("train", "--config", configuration(data, tmp_path), "--dry-run")
    assert done.returncode == 0, done.stderr
    assert "epochs: 500" in done.stderr
    refused = catvq("train", "--config", configuration(data, tmp_path), "--strict")
    assert refused.returncode != 0
    assert "have no effect" in refused.stderr


def test_strict_refuses_what_has_no_effect_beside_the_dataset(catvq, data, tmp_path):
    path = tmp_path / "run.yaml"
    document = {
        "dataset_path": str(data),
        "families": {"initial": {"encoder": "identity"}},
        "training": {"num_categories_auto": 2},
        "category_assignment_config": {"per_family_params": {"initial": {"max_clusters": 3}}},
    }
    path.write_text(yaml.safe_dump(document))
    assert catvq("train", "--config", path, "--dry-run").returncode == 0
    refused = catvq("train", "--config", path, "--dry-run", "--strict")
    assert refused.returncode != 0
    assert "no effect: per_family_params" in refused.stderr
