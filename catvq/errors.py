"""The errors of the learning core, so that a caller can tell a bad request from a bug."""


class CatvqError(Exception):
    """Base of every error the core raises on purpose; its text is written for the user."""


class ConfigError(CatvqError, ValueError):
    """The settings, or the settings together with the data, cannot be trained as asked."""


class ShapeError(CatvqError, ValueError):
    """An array does not have the shape that the model or the table was made for."""


class CheckpointError(CatvqError, ValueError):
    """A checkpoint is torn, corrupt or of another run, so nothing was resumed from it."""


class Interrupted(CatvqError):  # noqa: N818 - a wish that was granted, not an error
    """The caller asked a run to stop in the middle of an epoch; its last checkpoint still holds."""


class FreezeError(CatvqError, RuntimeError):
    """A frozen model gives other codes than the model it was frozen from; it must not be published."""
