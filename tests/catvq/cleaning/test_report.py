import dataclasses
import json

import numpy as np

from catvq.cleaning.cleaner import FeatureCleaner
from catvq.cleaning.report import describe_cleaning
from catvq.config import CleaningSettings

NOISE = np.random.default_rng(0).standard_normal((500, 1)).astype(np.float32)


def test_the_report_says_what_was_done_to_each_feature():
    values = np.stack([NOISE[:, 0], np.full(500, 2.0), NOISE[:, 0] * -3], axis=1).astype(np.float32)
    values[0, 0] = np.nan
    values[1, 0] = 1e5
    cleaner = FeatureCleaner.fit(values, CleaningSettings(correlation_threshold=0.9))
    report = describe_cleaning(cleaner, ["a", "b", "c"])

    assert [(line.name, line.status, line.duplicate_of) for line in report] == [
        ("a", "kept", None),
        ("b", "constant", None),
        ("c", "duplicate", "a"),
    ]
    assert (report[0].missing, report[0].clipped) == (1, 1)
    assert (report[1].centre, report[1].scale) == (2.0, 1.0)
    json.dumps([dataclasses.asdict(line) for line in report], allow_nan=False)
