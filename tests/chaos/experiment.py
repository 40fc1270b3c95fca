"""Jobs and their uninterrupted twins: submitted while everything is struck."""

import itertools
import random
import time
from collections import Counter
from contextlib import suppress
from dataclasses import asdict, dataclass, field

import httpx
import numpy as np
import pyarrow as pa
import sqlalchemy as sa
from catvq_client import Client

from tests.chaos.blows import HELP, Blows
from worker.contract.job_config import JobKind, JobStatus
from worker.store import StoreUnavailable
from worker.store.database.schema import jobs

# What a seed is for. The first twin's model is where others start, and what datasets are encoded by.
KINDS = ("mirror", "encoding", "series", "weights", "softmax", "gumbel", "straight_through", "static")
SIZES = {"categories": 2, "levels": 2, "embedding_dim": 8, "hidden_dim": 16}
FEATURES = [f"x_{index}" for index in range(8)]
KEYS = [f"key_{index}" for index in range(9)]
LONG_ROWS = 1_000_000  # eight parts
UPLOAD_TIMEOUT_S = 120.0
SUBMIT_TIMEOUT_S = 10.0  # of a machine whose link is cut nothing is heard
END_S = 3600.0  # after the last blow
AT_HAND = 4  # unfinished jobs: enough for every kind of blow to hit something


@dataclass(frozen=True)
class Plan:
    """How much is done.

    Args:
        jobs: At least; more while blows are missing and too few are left to be struck.
        blows: Of each kind, at least.
        pause_s: Between two blows.
    """

    seeds: int
    jobs: int
    blows: int
    pause_s: float
    epochs: int = 25


@dataclass
class Outcome:
    """What was done, and the ids of what has to come out the same.

    Args:
        datasets: By what they are for.
        model: Of the first twin.
        twins: Of each seed.
        jobs: The seed of each.
        repeats: Twins of jobs that were steered: they are told the same at the same steps.
        struck_in_parts: How often each kind of blow struck while parts of a dataset were encoded.
    """

    datasets: dict[str, str] = field(default_factory=dict)
    model: str | None = None
    twins: dict[int, str] = field(default_factory=dict)
    jobs: dict[str, int] = field(default_factory=dict)
    repeats: dict[str, str] = field(default_factory=dict)
    struck: Counter = field(default_factory=Counter)
    struck_in_parts: Counter = field(default_factory=Counter)
    seconds: float = 0.0


def run(service, plan, say=lambda _text: None):
    """Run the twins in peace, then the jobs under blows; returns when every job has ended."""
    outcome = Outcome(datasets=upload(service))
    for seed in range(plan.seeds):
        outcome.twins[seed] = submit(service, request(plan, outcome, seed), f"twin-{seed}")
        if seed == 0:
            wait_for_end(service, {outcome.twins[0]})
            outcome.model = service.store.jobs.get(outcome.twins[0]).model_id
    wait_for_end(service, set(outcome.twins.values()))
    say(f"{plan.seeds} uninterrupted twins have ended")
    started = time.monotonic()
    strike(service, plan, outcome, say)
    wait_for_end(service, set(outcome.jobs))
    outcome.seconds = time.monotonic() - started
    repeat_steered(service, plan, outcome)
    return outcome


def strike(service, plan, outcome, say):
    """Submit all jobs, spread over the blows, and strike until every kind has hit often enough."""
    generator = random.Random(0)
    blows = Blows(service, generator)
    seeds = [seed for seed in range(plan.seeds) for _ in range(plan.jobs // plan.seeds)]
    generator.shuffle(seeds)
    wanted = plan.blows * len(blows.kinds)
    while len(outcome.jobs) < plan.jobs or any(outcome.struck[kind] < plan.blows for kind in blows.kinds):
        share = sum(min(outcome.struck[kind], plan.blows) for kind in blows.kinds) / wanted
        is_help_missing = outcome.struck[HELP] < plan.blows
        while True:
            number = len(outcome.jobs)
            seed = seeds[number % len(seeds)]
            is_alone = is_help_missing and kind_of(seed) == "encoding"
            if not needs_more(service, is_alone=is_alone, is_behind=number < share * plan.jobs):
                break
            body = request(plan, outcome, seed, number + 1)
            # A frozen worker may hold SQLite's only lock: it has to go on for anything to be submitted.
            outcome.jobs[submit(service, body, f"job-{number}", blows.thaw)] = seed
        behind = [kind for kind in blows.kinds if outcome.struck[kind] < plan.blows]
        kind = generator.choice(behind or list(blows.kinds))
        with suppress(StoreUnavailable):
            is_in_parts = bool(service.store.pieces.busy_workers())
            has_hit = blows.kinds[kind]()
            outcome.struck[kind] += has_hit
            outcome.struck_in_parts[kind] += has_hit and is_in_parts
            if has_hit and sum(outcome.struck.values()) % 50 == 0:
                say(f"{sum(outcome.struck.values())} blows, {len(outcome.jobs)} jobs submitted")
        until = time.monotonic() + plan.pause_s
        while time.monotonic() < until:
            time.sleep(0.05)
            blows.thaw()
            service.keep_running()
    blows.thaw(everything=True)


def request(plan, outcome, seed, number=0):
    """Where a small job is submitted, and its body; its seed also chooses what it does.

    Args:
        number: Of the job; two encodings of one dataset with the same keys would be one.
    """
    kind = kind_of(seed)
    if kind == "encoding":
        keys = [key for index, key in enumerate(KEYS) if number >> index & 1]
        return f"/v1/models/{outcome.model}/encoding-jobs", {
            "dataset": outcome.datasets["long"],
            "keys": keys,
        }
    body = {
        "dataset": outcome.datasets["series" if kind == "series" else "table"],
        "training": {"epochs": plan.epochs, "batch_size": 16, "seed": seed},
        "report": {"baselines": False},
    }
    if kind == "weights":
        start = {"init": "model", "model": outcome.model, "take": "weights"}
        return "/v1/jobs", body | {"assignment": start, "model": SIZES}
    estimator = "mirror" if kind == "series" else kind
    learning = {"mode": "static"} if kind == "static" else {"estimator": estimator}
    return "/v1/jobs", body | {"assignment": learning, "model": SIZES}


def upload(service):
    """A small table, the same beside series, and a long one with keys; their ids by what they are for."""
    causes = np.random.default_rng(0).normal(size=(96, 2)).repeat(4, axis=1)
    noise = np.random.default_rng(1).normal(size=(96, 8))
    table = (causes + 0.3 * noise).astype(np.float32)
    waves = np.random.default_rng(2).normal(size=(96, 24, 1)).cumsum(axis=1).astype(np.float32)
    rows = np.random.default_rng(3).normal(size=(LONG_ROWS, len(FEATURES))).astype(np.float32)
    same = pa.array(["a"] * LONG_ROWS).dictionary_encode()
    long = pa.table(dict(zip(FEATURES, rows.T, strict=True)) | dict.fromkeys(KEYS, same))
    with Client(service.url(), timeout_s=UPLOAD_TIMEOUT_S) as client:
        return {
            "table": client.datasets.upload(table, columns=FEATURES).id,
            "series": client.datasets.upload({"table": table, "wave": waves}).id,
            "long": client.datasets.upload(long, types=dict.fromkeys(KEYS, "key")).id,
        }


def submit(service, body, key, meanwhile=lambda: None):
    """Submit a job as a stubborn client does: with one idempotency key until it is in."""
    path, document = body
    while True:
        meanwhile()
        service.keep_running()
        with suppress(httpx.HTTPError):
            answer = httpx.post(
                service.url() + path,
                json=document,
                headers={"Idempotency-Key": key},
                timeout=SUBMIT_TIMEOUT_S,
            )
            if answer.is_success:
                return answer.json()["id"]
            assert answer.status_code != httpx.codes.UNPROCESSABLE_ENTITY, answer.text
        time.sleep(0.2)


def kind_of(seed):
    return KINDS[seed % len(KINDS)]


def needs_more(service, *, is_alone, is_behind):
    """Whether another job is due: not while the database cannot tell, nor beside one that is done in parts.

    Only workers without a job take parts of another's: one that should be helped with begins alone.
    """
    with suppress(StoreUnavailable):
        waiting = (JobStatus.QUEUED, JobStatus.RUNNING)
        unfinished = [
            job for status in waiting for job in service.store.jobs.list(status=status, limit=AT_HAND).items
        ]
        is_in_parts = any(job.kind is JobKind.ENCODING for job in unfinished)
        has_room = not unfinished if is_alone else is_behind or len(unfinished) < AT_HAND
        return has_room and not is_in_parts
    return False


def wait_for_end(service, job_ids):
    deadline = time.monotonic() + END_S
    while job_ids:
        assert time.monotonic() < deadline, f"{len(job_ids)} jobs have not ended"
        service.keep_running()
        with suppress(StoreUnavailable):
            job_ids = {each for each in job_ids if not service.store.jobs.get(each).status.is_terminal}
        time.sleep(0.2)


def repeat_steered(service, plan, outcome):
    """Give each job that was steered a twin that is told the same at the same steps, and wait for these."""
    engine = sa.create_engine(service.settings.sqlalchemy_url)
    attempts = itertools.count()
    for job_id, seed in list(outcome.jobs.items()):
        changes = [asdict(each) for each in service.store.jobs.get(job_id).steering if each.step is not None]
        while changes and job_id not in outcome.repeats:
            twin = submit(service, request(plan, outcome, seed), f"steered-{next(attempts)}")
            if service.store.controls.pause(twin).status is JobStatus.PAUSED:  # before a worker had it
                with engine.begin() as connection:
                    connection.execute(sa.update(jobs).where(jobs.c.id == twin).values(steering=changes))
                outcome.repeats[job_id] = twin
            else:
                outcome.jobs[twin] = seed
            service.store.controls.resume(twin)
    engine.dispose()
    wait_for_end(service, {*outcome.jobs, *outcome.repeats.values()})
