"""Steps that several processes divide: what one process learns, with nothing left of the others."""

import json
import os
import subprocess
import sys
from contextlib import suppress

import numpy as np
import psutil
import pytest
import torch

from catvq.config import TrainingSettings
from catvq.errors import ConfigError, Interrupted, RankLost
from catvq.training.run import TrainingRun
from catvq.training.stage.ranks import count_ranks

pytestmark = pytest.mark.slow

ROUNDING = 1e-6  # most that a loss differed by in the settings below was 1.2e-7
SETTINGS = {
    "soft": {},
    "hard": {"assignment": {"mode": "static"}},
    "noise": {"assignment": {"estimator": "gumbel", "freeze_after_epochs": None}, "model": {"dropout": 0.3}},
    "all losses": {
        "model": {
            "codebook_orthogonality_weight": 0.1,
            "informativeness_weight": 0.1,
            "topographic_weight": 0.2,
            "topographic_samples": 100,  # of 128 rows: more than a rank has
        }
    },
    "gradient codebook": {"model": {"codebook_update": "gradient", "codebook_orthogonality_weight": 0.1}},
}


def train(run):
    losses = []
    while not run.is_finished:
        losses.append(run.train_epoch().losses)
    return losses


def train_to(step, table, config, path):
    run = TrainingRun.start(table, config)
    with suppress(Interrupted):
        while run.state().step < step:
            run.train_epoch(lambda: run.state().step >= step)
    run.save(path)


def others():
    """The processes of other ranks that this process has started."""
    return [child for child in psutil.Process().children() if "catvq.training.stage.ranks" in child.cmdline()]


@pytest.fixture
def configure(make_config):
    """A small run's configuration, with a number of devices."""

    def with_devices(devices, **sections):
        training = sections.pop("training", {}) | {"devices": devices}
        return make_config(training=training, **sections)

    return with_devices


@pytest.mark.parametrize(("name", "devices"), [*((name, 2) for name in SETTINGS), ("noise", 3)])
def test_several_processes_learn_what_one_does(blemished_table, configure, name, devices):
    alone = TrainingRun.start(blemished_table, configure(1, **SETTINGS[name]))
    divided = TrainingRun.start(blemished_table, configure(devices, **SETTINGS[name]))
    for expected, found in zip(train(alone), train(divided), strict=True):
        assert found == pytest.approx(expected, rel=1e-5, abs=ROUNDING)
    assert len(others()) == devices - 1
    one, several = alone.freeze(), divided.freeze()
    assert others() == []
    assert several.grouping == one.grouping
    assert several.report["codes"] == one.report["codes"]
    assert [frozen.report["training"]["devices"] for frozen in (one, several)] == [1, devices]


@pytest.mark.parametrize("step", [4, 10])  # within an epoch, and in the last one
def test_a_divided_run_that_is_resumed_is_the_uninterrupted_one(make_table, configure, tmp_path, step):
    config = configure(2, **SETTINGS["noise"])
    whole = TrainingRun.start(make_table(), config)
    train(whole)
    expected = whole.freeze()
    train_to(step, make_table(), config, tmp_path / "checkpoint")
    assert others() == []  # they have ended with the run
    resumed = TrainingRun.resume(make_table(), config, tmp_path / "checkpoint")
    train(resumed)
    found = resumed.freeze()
    assert found.digest == expected.digest
    assert json.dumps(found.report) == json.dumps(expected.report)


def test_a_lost_rank_ends_the_attempt_and_the_checkpoint_before_it_is_gone_on_from(
    make_table, configure, tmp_path
):
    config = configure(2)
    run = TrainingRun.start(make_table(), config)
    run.train_epoch()
    run.save(tmp_path / "checkpoint")
    (other,) = others()
    other.kill()
    with pytest.raises(RankLost, match="lost"):
        run.train_epoch()
    del run
    resumed = TrainingRun.resume(make_table(), config, tmp_path / "checkpoint")
    train(resumed)
    assert resumed.freeze().report["training"]["epochs"] == 4


@pytest.mark.parametrize(("devices", "expected"), [(1, 1), (3, 3), ("all", 1)])
def test_a_cpu_counts_as_many_devices_as_are_asked_for(devices, expected):
    assert count_ranks(TrainingSettings(devices=devices), torch.device("cpu")) == expected


def test_more_gpus_than_there_are_is_an_error():
    wanted = torch.cuda.device_count() + 1
    with pytest.raises(ConfigError, match=f"devices is {wanted + 1}, and this machine has {wanted - 1} GPUs"):
        count_ranks(TrainingSettings(devices=wanted + 1), torch.device("cuda"))
    with pytest.raises(ConfigError, match="'cuda:1' is a single one"):
        TrainingSettings(device="cuda:1", devices=2)


SCRIPT = """
import os, signal, sys, threading, time
from pathlib import Path
import numpy as np
from catvq import FeatureTable, RunConfig, TrainingRun
from catvq.training.stage.divided_step import serve

directory, is_to_be_lost = Path(sys.argv[1]), "lost" in sys.argv
checkpoint = directory / "checkpoint"


def be_lost():
    while not checkpoint.exists():
        time.sleep(0.01)
    os.kill(os.getpid(), signal.SIGKILL)


if os.environ["RANK"] != "0":
    if is_to_be_lost and os.environ["TORCHELASTIC_RESTART_COUNT"] == "0":
        threading.Thread(target=be_lost, daemon=True).start()
    serve()
else:
    values = np.load(directory / "values.npy")
    names = tuple(f"f{index}" for index in range(values.shape[1]))
    table = FeatureTable(values, names, {"all": names})
    training = {"epochs": 40, "batch_size": 16, "devices": "all"}
    config = RunConfig.from_dict({"model": {"categories": 3}, "training": training})
    if checkpoint.exists():
        run = TrainingRun.resume(table, config, checkpoint)
    else:
        run = TrainingRun.start(table, config)
    first = run.epoch
    while not run.is_finished:
        run.train_epoch()
        run.save(checkpoint)
    frozen = run.freeze()
    checkpoint.unlink()
    devices = frozen.report["training"]["devices"]
    (directory / "result").write_text(f"{frozen.digest} {devices} {first > 0}")
"""


def torchrun(directory, *words):
    """Divide a run between two processes; its digest, their number, and whether it was resumed."""
    command = [sys.executable, "-m", "torch.distributed.run", "--standalone", "--nproc-per-node", "2"]
    subprocess.run(
        [*command, "--max-restarts", "1", directory / "script.py", directory, *words],
        env=os.environ | {"OMP_NUM_THREADS": "1", "TORCH_DISABLE_SHARE_RDZV_TCP_STORE": "1"},
        check=True,
        timeout=200,
    )
    return (directory / "result").read_text().split()


def test_the_processes_of_torchrun_divide_a_run_and_resume_it_when_one_is_lost(make_table, tmp_path):
    (tmp_path / "script.py").write_text(SCRIPT)
    np.save(tmp_path / "values.npy", make_table().values)
    undisturbed, resumed = torchrun(tmp_path), torchrun(tmp_path, "lost")
    assert undisturbed[1:] == ["2", "False"]
    assert resumed == [undisturbed[0], "2", "True"]
