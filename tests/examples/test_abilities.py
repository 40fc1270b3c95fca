import csv

import numpy as np

from catvq.config import RunConfig
from catvq.features.table import FeatureTable
from catvq.training.run import TrainingRun
from examples.abilities import ABILITIES, FILE, describe

PUBLISHED = {test: number for number, tests in enumerate(ABILITIES.values()) for test in tests}


def test_the_table_has_a_score_of_every_test_for_every_pupil():
    with FILE.open() as file:
        rows = list(csv.DictReader(file))

    assert len(rows) == 301
    assert set(rows[0]) == set(PUBLISHED)
    assert all(float(score) >= 0 for row in rows for score in row.values())


def test_the_sentence_says_whether_the_published_abilities_were_found():
    assert describe(PUBLISHED, 301).endswith(
        "9 tests fell into the published abilities: visual, verbal, speed"
    )
    moved = PUBLISHED | {"cubes": PUBLISHED["word_meaning"]}
    assert "agree with the published abilities (visual, verbal, speed) to 0." in describe(moved, 301)


def test_from_the_scores_alone_the_job_starts_in_the_published_abilities():
    values = np.genfromtxt(FILE, delimiter=",", skip_header=1, dtype=np.float32)
    names = tuple(FILE.read_text().splitlines()[0].split(","))
    config = RunConfig.from_dict({"model": {"categories": len(ABILITIES)}, "training": {"device": "cpu"}})

    run = TrainingRun.start(FeatureTable(values, names, {"all": names}), config)

    found = dict(zip(names, run.soft_assignment().argmax(axis=1).tolist(), strict=True))
    assert describe(found, 301).endswith("fell into the published abilities: visual, verbal, speed")
