import dataclasses
import json

from catvq.grouping.merging import Join
from catvq.model.metrics import AssignmentSummary, CodebookSummary
from catvq.training.collapse import Collapse
from catvq.training.progress import Move, RunProgress, RunState, SoftToHardGap

SUMMARY = AssignmentSummary(entropy=0.5, confident_fraction=0.25, changed_last_epoch=3, active_categories=2)
CODEBOOK = CodebookSummary(perplexity=3.5, usage=0.75)
COLLAPSE = Collapse("empty", "a", 0.0, "cause", "nothing", first_epoch=2, last_epoch=4)
GAP = SoftToHardGap(soft_error=0.5, hard_error=0.6, rows="validation", epoch=4)
JOIN = Join("category_2", "category_0", 3)
MOVE = Move("f3", "category_2", "category_1", 2)


def test_progress_comes_back_from_json():
    started = RunProgress(SUMMARY, {"a": 2})
    finished = RunProgress(
        SUMMARY,
        {"a": 2},
        epoch=4,
        step_in_epoch=2,
        seconds=1.5,
        is_stopped_early=True,
        is_hardened=True,
        losses={"total": 0.1, "validation": None},
        codebook=CODEBOOK,
        gap=GAP,
        collapses=[COLLAPSE],
        joins=[JOIN],
        moves=[MOVE],
        spread=0.4,
        best_error=0.1,
        best_epoch=3,
    )

    for progress in (started, finished):
        assert RunProgress.from_dict(json.loads(json.dumps(progress.to_dict()))) == progress


def test_two_runs_do_not_share_their_losses():
    first, second = RunProgress(SUMMARY, {"a": 2}), RunProgress(SUMMARY, {"a": 2})
    first.losses["total"] = 1.0

    assert second.losses == {}


def test_a_state_is_plain_nested_values():
    state = RunState(
        epoch=1,
        epochs=2,
        step=3,
        steps=6,
        temperature=None,
        losses={"total": 0.5, "validation": None},
        assignment=SUMMARY,
        codebook=CODEBOOK,
        collapses=[COLLAPSE],
        settled_epoch=1,
        joins=[JOIN],
        moves=[MOVE],
        best_epoch=1,
        spread=0.4,
    )

    plain = state.to_dict()

    assert json.loads(json.dumps(plain)) == plain
    assert plain["assignment"] == dataclasses.asdict(SUMMARY)
    assert plain["codebook"] == {"perplexity": 3.5, "usage": 0.75}
    assert plain["collapses"] == [dataclasses.asdict(COLLAPSE)]
