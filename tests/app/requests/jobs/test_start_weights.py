from dataclasses import replace

import pytest
from pydantic import ValidationError

from app.requests.jobs.dry_run import InvalidPlanError, resolve_plan
from catvq.config import RunConfig
from tests.app.requests.jobs.plain_dataset import FEATURES, dataset
from worker.contract.job_config import JobRequest

MODEL = {
    "features": FEATURES,
    "values": [["x", "y"], *[None] * 4],
    "origins": [None] * 5,
    "kinds": [],
    "categories": ["p", "q"],
    "levels": 3,
    "codebook_size": [[16] * 3, [32] * 3],
    "latent_dim": [[2] * 3, [3] * 3],
    "embedding_dim": 64,
    "hidden_dim": 128,
}
COLUMNS = [("a0", "categorical", ["y"])]


def misfits(columns=COLUMNS, **sections):
    start = {"init": "model", "model": "model_1", "take": "weights"}
    sections = {"assignment": start | sections.pop("assignment", {})} | sections
    config, groups = (
        JobRequest(dataset="ds_1", **sections).config,
        {"p": ["a0", "a1"], "q": ["a2", "b0", "b1"]},
    )
    settings = {"start_groups": groups, "start_document": MODEL}
    try:
        resolve_plan(config, dataset(columns=columns), **settings)
    except InvalidPlanError as error:
        return {each.field for each in error.errors if "group" not in each.field}
    return set()


@pytest.mark.parametrize(
    ("sections", "fields"),
    [
        ({}, set()),
        ({"columns": []}, {"assignment.model"}),
        ({"columns": [("a0", "categorical", ["z"])]}, {"assignment.model"}),
        ({"model": {"levels": 2}}, {"model.levels"}),
        ({"model": {"codebook_size": 16, "hidden_dim": 64}}, {"model.codebook_size", "model.hidden_dim"}),
        ({"model": {"categories": 3}}, {"model.categories"}),
        ({"cleaning": {"missing": "mean"}}, {"cleaning"}),
        ({"assignment": {"freeze_after_epochs": 3}}, {"assignment.freeze_after_epochs"}),
    ],
)
def test_what_cannot_go_on_from_a_model_is_refused(sections, fields):
    assert misfits(**sections) == fields


@pytest.mark.parametrize("kinds", [[], [{"family": "g", "kind": "grid", "channels": ["0"], "shape": [5, 7]}]])
def test_weights_of_grids_go_on_with_grids_of_their_shape_only(kinds):
    grid = {"family": "g", "kind": "grid", "channels": ["0"], "shape": [5, 6]}
    model = MODEL | {"features": ["g/0"], "values": [None], "origins": [None], "kinds": [grid]}
    own = replace(dataset(features=["g/0"]), families={"g": ["g/0"]}, kinds=kinds)
    with pytest.raises(
        InvalidPlanError, match=r"'g/0' is a grid of 5 x 6 in the model, (a grid of 5 x 7|numeric) here"
    ):
        resolve_plan(
            RunConfig.from_dict({"assignment": {"init": "model", "model": "model_1", "take": "weights"}}),
            own,
            start_groups={"p": ["g/0"]},
            start_document=model | {"categories": ["p"]},
        )


def test_weights_are_taken_from_a_model_only():
    with pytest.raises(ValidationError, match="take 'weights' belongs to init 'model'"):
        JobRequest(dataset="ds_1", assignment={"take": "weights"})
