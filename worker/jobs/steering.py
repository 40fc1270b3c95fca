"""Changes the course of a run as its user wishes, and repeats it exactly when the run is resumed."""

from catvq.training.run import TrainingRun
from worker.jobs.heartbeat import Heartbeat
from worker.jobs.recorder import Recorder
from worker.store import Steering


class Helm:
    """Steers one attempt at a run.

    Every change is on record, with the moment of the run at which it takes effect, before it does. An
    attempt that begins at an earlier moment makes it again there.

    Args:
        changes: What was changed so far.
        run: As it was started or resumed: what took effect before is in it.
    """

    def __init__(
        self, changes: tuple[Steering, ...], run: TrainingRun, *, recorder: Recorder, heartbeat: Heartbeat
    ) -> None:
        self._run = run
        self._recorder = recorder
        self._heartbeat = heartbeat
        self._has_wishes = any(change.moment is None for change in changes)
        self._ahead = [change for change in changes if change.moment and change.moment >= run.moment]

    def is_due(self) -> bool:
        """Whether something is to be changed before the next step."""
        # What was changed in an earlier attempt is part of the run that is repeated, so it comes first.
        if self._ahead:
            return self._run.moment >= (self._ahead[0].moment or (0, False))
        return self._has_wishes or self._heartbeat.is_steered

    def turn(self) -> None:
        """Change what is due."""
        while self._ahead and self.is_due():
            self._apply(self._ahead.pop(0))
        if not self._ahead and (self._heartbeat.take_steering() or self._has_wishes):
            moment = self._run.moment
            for change in self._recorder.settle_steering(self._run):
                if change.moment == moment:
                    self._apply(change)
            self._has_wishes = False

    def _apply(self, change: Steering) -> None:
        if change.held is not None:
            self._run.hold_temperature(change.temperature)
        if change.finish:
            self._run.finish()
