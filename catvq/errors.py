"""Exceptions of the learning core; callers can tell a bad request from a bug."""


class CatvqError(Exception):
    """Base of all errors that the core raises deliberately; the text is for the user."""


class ConfigError(CatvqError, ValueError):
    """The settings are invalid, or do not fit the data."""


class ShapeError(CatvqError, ValueError):
    """An array has another shape than the model or table requires."""


class CheckpointError(CatvqError, ValueError):
    """A checkpoint is incomplete, corrupt or from another run; nothing was resumed from it."""


class Interrupted(CatvqError):  # noqa: N818 - a requested stop, not an error
    """The caller requested a stop within an epoch; the last checkpoint remains valid."""


class RankLost(CatvqError, RuntimeError):  # noqa: N818 - as LeaseLost
    """A process that computes a part of each step does not answer; the last checkpoint remains valid."""


class FreezeError(CatvqError, RuntimeError):
    """A frozen model gives other codes than the trained model; it must not be published."""
