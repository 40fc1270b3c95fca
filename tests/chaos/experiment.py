"""Jobs and their uninterrupted twins: submitted while everything is struck, and compared at the end."""

import random
import time
from collections import Counter
from contextlib import suppress
from dataclasses import dataclass, field

import numpy as np
from catvq_client import CatvqError

from tests.chaos.blows import Blows
from worker.contract.job_config import JobStatus
from worker.store import StoreUnavailable

ESTIMATORS = ("mirror", "softmax", "gumbel", "straight_through", "static")
FEATURES = [f"x_{index}" for index in range(8)]
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
    """What was done, and the ids of what has to come out the same."""

    struck: Counter = field(default_factory=Counter)
    twins: dict[int, str] = field(default_factory=dict)
    jobs: dict[str, int] = field(default_factory=dict)  # the seed of each
    seconds: float = 0.0


def run(service, plan, say=lambda _text: None):
    """Train the twins in peace, then the jobs under blows; returns when every job has ended."""
    outcome = Outcome()
    dataset = upload(service)
    for seed in range(plan.seeds):
        outcome.twins[seed] = submit(service, request(plan, dataset, seed), f"twin-{seed}")
    wait_for_end(service, set(outcome.twins.values()))
    say(f"{plan.seeds} uninterrupted twins have ended")
    started = time.monotonic()
    strike(service, plan, dataset, outcome, say)
    wait_for_end(service, set(outcome.jobs))
    outcome.seconds = time.monotonic() - started
    return outcome


def strike(service, plan, dataset, outcome, say):
    """Submit all jobs, spread over the blows, and strike until every kind has hit often enough."""
    generator = random.Random(0)
    blows = Blows(service, generator)
    seeds = [seed for seed in range(plan.seeds) for _ in range(plan.jobs // plan.seeds)]
    generator.shuffle(seeds)
    wanted = plan.blows * len(blows.kinds)
    while len(outcome.jobs) < plan.jobs or any(outcome.struck[kind] < plan.blows for kind in blows.kinds):
        share = sum(min(outcome.struck[kind], plan.blows) for kind in blows.kinds) / wanted
        while len(outcome.jobs) < share * plan.jobs or count_unfinished(service) < AT_HAND:
            seed = seeds[len(outcome.jobs) % len(seeds)]
            key = f"job-{len(outcome.jobs)}"
            # A frozen worker may hold SQLite's only lock: it has to go on for anything to be submitted.
            outcome.jobs[submit(service, request(plan, dataset, seed), key, blows.thaw)] = seed
        behind = [kind for kind in blows.kinds if outcome.struck[kind] < plan.blows]
        kind = generator.choice(behind or list(blows.kinds))
        with suppress(StoreUnavailable):
            outcome.struck[kind] += blows.kinds[kind]()
        until = time.monotonic() + plan.pause_s
        while time.monotonic() < until:
            time.sleep(0.05)
            blows.thaw()
            service.keep_running()
        if sum(outcome.struck.values()) % 50 == 0:
            say(f"{sum(outcome.struck.values())} blows, {len(outcome.jobs)} jobs submitted")
    blows.thaw(everything=True)


def request(plan, dataset, seed):
    """A small job; its seed also chooses how it learns."""
    estimator = ESTIMATORS[seed % len(ESTIMATORS)]
    learning = {"mode": "static"} if estimator == "static" else {"estimator": estimator}
    return {
        "dataset": dataset,
        "model": {"categories": 2, "levels": 2, "embedding_dim": 8, "hidden_dim": 16},
        "assignment": learning,
        "training": {"epochs": plan.epochs, "batch_size": 16, "seed": seed},
        "report": {"baselines": False},
    }


def upload(service):
    causes = np.random.default_rng(0).normal(size=(96, 2)).repeat(4, axis=1)
    noise = np.random.default_rng(1).normal(size=(96, 8))
    with service.client() as client:
        return client.datasets.upload((causes + 0.3 * noise).astype(np.float32), columns=FEATURES).id


def submit(service, body, key, meanwhile=lambda: None):
    """Submit a job as a stubborn client does: with one idempotency key until it is in."""
    while True:
        meanwhile()
        service.keep_running()
        with suppress(CatvqError), service.client() as client:
            return client.jobs.submit(body, idempotency_key=key).id
        time.sleep(0.2)


def count_unfinished(service):
    """The jobs that have not ended; as many as are wanted while the database cannot tell."""
    with suppress(StoreUnavailable):
        waiting = (JobStatus.QUEUED, JobStatus.RUNNING)
        return sum(len(service.store.jobs.list(status=status, limit=AT_HAND).items) for status in waiting)
    return AT_HAND


def wait_for_end(service, job_ids):
    deadline = time.monotonic() + END_S
    while job_ids:
        assert time.monotonic() < deadline, f"{len(job_ids)} jobs have not ended"
        service.keep_running()
        with suppress(StoreUnavailable):
            job_ids = {each for each in job_ids if not service.store.jobs.get(each).status.is_terminal}
        time.sleep(0.2)


def find_faults(service, plan, outcome):
    """Everything that is not as it should be; empty when nothing was lost, doubled or changed."""
    store = service.store
    faults = [f"{kind}: only {count}" for kind, count in outcome.struck.items() if count < plan.blows]
    if len(outcome.jobs) < plan.jobs or len(outcome.twins) != plan.seeds:
        faults.append(f"only {len(outcome.jobs)} jobs and {len(outcome.twins)} twins were submitted")
    known = {*outcome.jobs, *outcome.twins.values()}
    stored = all_of(store.jobs.list)
    if {job.id for job in stored} != known or len(stored) != len(known):
        faults.append(f"{len(stored)} jobs are stored, {len(known)} were submitted")
    models = all_of(store.models.list)
    per_job = Counter(model.job_id for model in models)
    for job in stored:
        if job.status is not JobStatus.SUCCEEDED or per_job[job.id] != 1:
            faults.append(f"{job.id} is {job.status} ({job.status_reason}) with {per_job[job.id]} models")
        faults += stale_writes(job.id, store.jobs.events(job.id, limit=100_000))
    files = set(store.models._files.names("models"))
    if files != {model.id for model in models}:
        faults.append(f"{len(files)} directories of models, {len(models)} models")
    by_job = {model.job_id: model.id for model in models}
    for job_id, seed in outcome.jobs.items():
        twin = by_job.get(outcome.twins[seed])
        if job_id in by_job and contents(store, by_job[job_id]) != contents(store, twin):
            faults.append(f"{job_id} differs from its twin of seed {seed}")
    return faults


def stale_writes(job_id, events):
    """Writes of a worker whose job had been given to another by then."""
    faults, current = [], None
    for event in events:
        if event.type in {"started", "released"}:
            current = event.data.get("token")
        elif "token" in event.data and event.data["token"] != current:
            faults.append(f"{job_id}: {event.type} with token {event.data['token']}, not {current}")
    published = [event for event in events if event.type == "published"]
    if len(published) > 1:
        faults.append(f"{job_id} was published {len(published)} times")
    return faults


def contents(store, model_id):
    """The files of a model that hold what was learnt."""
    directory = store.models.directory(model_id)
    names = ("assignment.npy", "grouping.json", "codebook.json", "encoder.onnx", "decoder.onnx")
    return {name: (directory / name).read_bytes() for name in names}


def all_of(list_page):
    items, cursor = [], None
    while True:
        page = list_page(limit=500, cursor=cursor)
        items += page.items
        cursor = page.next_cursor
        if cursor is None:
            return items
