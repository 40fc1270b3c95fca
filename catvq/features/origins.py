"""From when features of times count their seconds, and how far apart that is in two tables."""

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime

import numpy as np
from numpy.typing import NDArray

from catvq.errors import ConfigError


def find_delays(
    features: Sequence[str], own: Mapping[str, str], given: Mapping[str, str]
) -> NDArray[np.float64]:
    """Return how much later than its own the given origin of each feature is, in seconds [features].

    Args:
        features: Names; those without an origin are no times.
        own: Origins in ISO 8601, by feature; without a zone they are UTC.
        given: Those of the same features elsewhere.

    Raises:
        ConfigError: A feature is a time in one place only, or a time of day.
    """
    delays = np.zeros(len(features))
    for place, name in enumerate(features):
        pair = [origins.get(name) for origins in (own, given)]
        if len({None if origin is None else "-" in origin for origin in pair}) > 1:
            raise ConfigError(f"feature {name!r} is a time in one table, and none or one of day in the other")
        if pair[0] is not None:
            delays[place] = _seconds(given[name]) - _seconds(own[name])
    return delays


def _seconds(origin: str) -> float:
    has_day = "-" in origin
    moment = datetime.fromisoformat(origin if has_day else f"1970-01-01T{origin}")
    return moment.replace(tzinfo=UTC).timestamp()
