import signal
import subprocess
import sys
from contextlib import suppress

import httpx
import numpy as np
import psutil
import pytest
from catvq_client.records import Assignment, Encodings, Grouping, Metrics, Model
from rich.console import Console

from examples.demo_comparison import Run, compare
from examples.demo_pictures import draw_assignments, draw_losses, draw_reconstructions, draw_temperature
from examples.demo_service import ENDING_SIGNALS, ServiceError, _wait_until_ready, running_service

METRICS = Metrics(
    columns=("epoch", "temperature"),
    points=tuple(
        {
            "epoch": n,
            "temperature": 1 / n,
            "assignment_entropy": None,
            "reconstruction": 1 / n,
            "validation": 1,
        }
        for n in (1, 2)
    ),
)


def run(mode, errors, category_of_b=1):
    members = [["a"], ["b"]] if category_of_b else [["a", "b"], []]
    features = [
        {"name": name, "family": "f", "category": category, "confidence": 1.0, "runner_up": None}
        for name, category in (("a", 0), ("b", category_of_b))
    ]
    metrics = {
        "reconstruction_error": {"train": 0.1, "test": 0.2},
        "bits_per_row": 4.0,
        "perplexity": 2.0,
        "usage": 1.0,
        "active_categories": 2,
    }
    return Run(
        mode=mode,
        seconds=1.5,
        before=Assignment(matrix=((0.6, 0.4), (0.5, 0.5)), epoch=1),
        metrics=METRICS,
        model=Model.model_construct(metrics=metrics),
        report={"codebook": {"used_bits_per_row": 3.0}},
        grouping=Grouping(
            model="m",
            digest="d",
            categories=[{"index": n, "name": f"c{n}", "features": each} for n, each in enumerate(members)],
            features=features,
        ),
        held_back=Encodings(
            model="m", codes=[[0]] * len(errors), reconstruction_error=errors, status=["ok"] * len(errors)
        ),
    )


def verdict(errors, static_errors):
    return compare(run("learnable", errors), run("static", static_errors), Console(quiet=True))


@pytest.mark.parametrize(
    ("shift", "words"),
    [
        (-0.1, "learnable rebuilds better than static: -10.0% error"),
        (0.1, "learnable rebuilds worse than static: +10.0% error"),
    ],
)
def test_the_verdict_names_the_better_one_when_the_difference_is_beyond_chance(shift, words):
    static = np.full(50, 1.0)
    jitter = np.tile([0.05, -0.05], 25)
    assert words in verdict((static + shift + jitter).tolist(), static.tolist())


def test_the_verdict_names_nobody_when_chance_explains_the_difference():
    static = np.full(50, 1.0)
    jitter = np.tile([0.5, -0.49], 25)
    words = verdict((static + jitter).tolist(), static.tolist())
    assert words.startswith("no difference between learnable and static beyond chance: +0.5% error on 50")


def test_the_comparison_counts_the_features_that_moved(capsys):
    compare(run("learnable", [1.0, 2.0], category_of_b=0), run("static", [1.0, 2.5]), Console(soft_wrap=True))
    assert "1 features are in another category" in capsys.readouterr().out


def test_pictures_are_drawn(tmp_path):
    learnable = run("learnable", [1.0, 2.0])
    draw_assignments(tmp_path / "assignment.png", learnable.before, learnable.before, learnable.grouping)
    draw_temperature(tmp_path / "temperature.png", METRICS)
    draw_losses(tmp_path / "losses.png", {"learnable": METRICS, "static": METRICS})
    images = np.zeros((3, 64), np.float32)
    draw_reconstructions(tmp_path / "reconstructions.png", {"original": images, "learnable": images})
    assert len(list(tmp_path.iterdir())) == 4
    for path in tmp_path.iterdir():
        assert path.read_bytes().startswith(b"\x89PNG")


@pytest.mark.slow
def test_the_service_serves_and_then_leaves_no_process_whatever_happened(tmp_path):
    handlers = [signal.getsignal(number) for number in ENDING_SIGNALS]
    with suppress(KeyboardInterrupt), running_service(tmp_path) as url:
        assert httpx.get(f"{url}/livez", trust_env=False).status_code == 200
        (service,) = [
            child for child in psutil.Process().children() if str(tmp_path) in " ".join(child.cmdline())
        ]
        family = [service, *service.children(recursive=True)]
        raise KeyboardInterrupt
    assert len(family) >= 3
    _, alive = psutil.wait_procs(family, timeout=10)
    assert alive == []
    assert [signal.getsignal(number) for number in ENDING_SIGNALS] == handlers


def test_a_service_that_ends_at_once_is_an_error(tmp_path):
    said = tmp_path / "stdout.txt"
    said.write_text("nothing of interest\n")
    ended = subprocess.Popen([sys.executable, "-c", "raise SystemExit(3)"])
    ended.wait()
    with pytest.raises(ServiceError, match="exit status 3"):
        _wait_until_ready(ended, said)
