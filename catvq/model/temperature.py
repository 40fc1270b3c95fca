"""Temperature schedules of the assignment."""

import math
from dataclasses import dataclass
from typing import get_args

from catvq.config import ScheduleKind
from catvq.errors import ConfigError

SCHEDULE_KINDS: tuple[ScheduleKind, ...] = get_args(ScheduleKind)

# softmax(logits / 0) is NaN. At 0.001 a lead of 0.1 between two logits already gives a probability of 1 in
# float32 (e^-100 is far below its rounding), so a lower temperature would change nothing.
MIN_TEMPERATURE = 1e-3


@dataclass(frozen=True)
class TemperatureSchedule:
    """The temperature as a function of progress; both end points are exact.

    Source: the linear and exponential forms are those of Jang et al. 2017, arXiv:1611.01144; the
    cosine is Loshchilov and Hutter 2017, arXiv:1608.03983, equation 5, without restarts.

    Args:
        kind: "constant" stays at `start` and ignores `end`.
        start: Temperature at progress 0, above 0, no unit. Lower is closer to one-hot.
        end: Temperature at progress 1, above 0; may lie above `start`.
        floor: Lower bound of the returned temperature.

    Raises:
        ConfigError: The kind is unknown, or a temperature is not finite and above 0.
    """

    kind: ScheduleKind
    start: float
    end: float
    floor: float = MIN_TEMPERATURE

    def __post_init__(self) -> None:
        if self.kind not in SCHEDULE_KINDS:
            raise ConfigError(f"temperature schedule must be one of {SCHEDULE_KINDS}, got {self.kind!r}")
        for name in ("start", "end", "floor"):
            value = getattr(self, name)
            if not (math.isfinite(value) and value > 0):
                raise ConfigError(f"temperature {name} must be finite and above 0, got {value}")

    def at(self, progress: float) -> float:
        """Return the temperature at a point of the run.

        Args:
            progress: Completed fraction of the run, from 0 to 1.

        Raises:
            ConfigError: `progress` is outside 0 to 1.
        """
        if not 0 <= progress <= 1:
            raise ConfigError(f"progress must be from 0 to 1, got {progress}")
        low, high = sorted((self.start, self.last))
        # Rounding may take a formula slightly past its end points.
        return max(self.floor, min(high, max(low, self._formula(progress))))

    @property
    def last(self) -> float:
        """Final temperature, before the floor is applied."""
        return self.start if self.kind == "constant" else self.end

    def _formula(self, progress: float) -> float:
        if progress == 1:
            return self.last
        match self.kind:
            case "constant":
                return self.start
            case "linear":
                return self.start + (self.end - self.start) * progress
            case "exponential":
                return self.start * math.pow(self.end / self.start, progress)
            case "cosine":
                return self.start + (self.end - self.start) * (1 - math.cos(math.pi * progress)) / 2
