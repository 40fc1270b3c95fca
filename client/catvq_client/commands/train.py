"""Command `catvq train`: uploads a table, submits a training job and follows it."""

import json
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Annotated, Any

import typer
import yaml
from rich.console import Console

from catvq_client.errors import ApiError, ConfigFileError
from catvq_client.job_files.config_file import read_config_file
from catvq_client.job_files.family_file import FAMILY_SUFFIXES, HDF5_SUFFIXES, open_families
from catvq_client.job_files.fitting import fit_job
from catvq_client.job_files.published_data import read_published
from catvq_client.job_files.run_file import IgnoredKey, PublishedData, RunFile
from catvq_client.job_files.settings import with_settings
from catvq_client.records import Dataset, Job
from catvq_client.synchronous.client import Client
from catvq_client.tables.bodies import MAX_URL_JSON
from catvq_client.tables.files import MEDIA_TYPES
from catvq_client.terminal.command import Output, command
from catvq_client.terminal.exit_codes import ExitCode
from catvq_client.terminal.following import follow
from catvq_client.terminal.session import fail, say

NO_DATASET = "ds_0"  # of no dataset


@command
def train(  # noqa: PLR0913 - options of a command
    client: Client,
    table: Annotated[
        str | None, typer.Argument(help="A table to upload, or the id of a dataset; overrides the file's.")
    ] = None,
    config: Annotated[
        Path | None,
        typer.Option("--config", help="YAML or JSON file, with the API's names or the published layout."),
    ] = None,
    settings: Annotated[
        list[str] | None,
        typer.Option("--set", help="KEY=VALUE, such as model.categories=6 or families=prefix:_; repeatable."),
    ] = None,
    *,
    learnable: Annotated[
        bool, typer.Option("--learnable", help="Learn the assignment; overrides the file.")
    ] = False,
    is_followed: Annotated[
        bool | None,
        typer.Option(
            "--follow/--no-follow",
            help="Show progress until the job has ended; by default where no --config is given.",
        ),
    ] = None,
    verbose: Annotated[
        bool, typer.Option("--verbose", help="Show the job's plan before it is submitted.")
    ] = False,
    epochs: Annotated[int | None, typer.Option("--epochs", help="Passes over the rows.")] = None,
    batch_size: Annotated[int | None, typer.Option("--batch-size", help="Rows of a step.")] = None,
    learning_rate: Annotated[float | None, typer.Option("--learning-rate", help="Of the model.")] = None,
    device: Annotated[str | None, typer.Option("--device", help="cpu, cuda or auto.")] = None,
    output: Annotated[
        Path | None, typer.Option("--output", help="Directory for the model's files; waits for the model.")
    ] = None,
    trim: Annotated[
        bool, typer.Option("--trim", help="Leave out rows of an HDF5 file that are all zero, or repeated.")
    ] = False,
    strict: Annotated[
        bool, typer.Option("--strict", help="Refuse a file with keys that have no effect.")
    ] = False,
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Upload the table, show the job's plan, and train nothing.")
    ] = False,
    dataset: Annotated[str | None, typer.Option("--dataset", help="The same as TABLE.")] = None,
    name: Annotated[str | None, typer.Option("--name", help="A name for the job.")] = None,
) -> Output | None:
    """Train a model on a table, with the defaults, a configuration file or single settings."""
    if table is not None and dataset is not None:
        fail("give the table once: as an argument, or with --dataset", ExitCode.USAGE)
    if table is None and dataset is None and config is None:
        fail("give a table, the id of a dataset, or a --config that names one", ExitCode.USAGE)
    run_file = RunFile(job={}) if config is None else read_config_file(config)
    run_file = with_settings(_with_dataset(run_file, table or dataset), settings or ())
    given = {"epochs": epochs, "batch_size": batch_size, "learning_rate": learning_rate, "device": device}
    run_file = _with_training(run_file, given, trim=trim)
    _say_ignored(run_file, strict=strict)
    request = _request(run_file, learnable=learnable, name=name)
    uploaded = _uploaded(client, run_file, request)
    request["dataset"] = run_file.dataset if uploaded is None else uploaded.id
    if run_file.published is not None:
        request = _fit(client, run_file, request, uploaded, strict=strict)
    if verbose or run_file.is_verbose or dry_run:
        say(yaml.safe_dump(client.jobs.plan(request).document(), sort_keys=False, allow_unicode=True))
    if dry_run:
        return None
    job = client.jobs.submit(request)
    say(f"{job.id} is {job.status}")
    if output is not None or (config is None if is_followed is None else is_followed):
        job = follow(client, job.id, Console(stderr=True))
    if output is not None and job.model is not None:
        _write_model(client, job.model, output)
    return Output(job.document, lambda: _tell(job), ExitCode.JOB_FAILED if _has_failed(job) else 0)


def _with_training(run_file: RunFile, given: dict[str, Any], *, trim: bool) -> RunFile:
    """Return a run with settings of `training` that were given as options."""
    said = {name: value for name, value in given.items() if value is not None}
    job = (
        {**run_file.job, "training": {**(run_file.job.get("training") or {}), **said}}
        if said
        else run_file.job
    )
    published = run_file.published
    if trim and published is None:
        raise ConfigFileError("--trim is for HDF5 files in the published layout")
    return replace(
        run_file, job=job, published=replace(published, trim=True) if published and trim else published
    )


def _fit(
    client: Client, run_file: RunFile, request: dict[str, Any], uploaded: Dataset | None, *, strict: bool
) -> dict[str, Any]:
    """Fit a job in the published layout to its dataset and to the workers."""
    dataset = uploaded or client.datasets.get(request["dataset"])
    job, notes = fit_job(request, run_file, dataset, lambda: client.service().devices)
    for note in notes:
        if isinstance(note, str):
            say(note, style="yellow")
    _say_without_effect([note for note in notes if isinstance(note, IgnoredKey)], strict=strict)
    return job


def _write_model(client: Client, model: str, directory: Path) -> None:
    directory.mkdir(parents=True, exist_ok=True)
    (directory / "encoder.onnx").write_bytes(client.models.artifact(model))
    for name, document in (
        ("grouping.json", client.models.grouping(model).document()),
        ("report.json", client.models.report(model).document()),
    ):
        (directory / name).write_text(json.dumps(document, indent=2), encoding="utf-8")
    say(f"wrote {directory}/encoder.onnx, grouping.json, report.json")


def _say_ignored(run_file: RunFile, *, strict: bool) -> None:
    """Tell of all keys without effect, and end there where there may be none."""
    _say_without_effect(run_file.ignored_keys, strict=strict)
    if run_file.dataset is not None and (run_file.families or run_file.family_names):
        say(f"no effect: families: {run_file.dataset} has its own", style="yellow")


def _say_without_effect(keys: Sequence[IgnoredKey], *, strict: bool) -> None:
    for key in keys:
        say(f"no effect: {key}", style="yellow")
    if strict and keys:
        fail(f"--strict: {len(keys)} keys have no effect", ExitCode.USAGE)


def _with_dataset(run_file: RunFile, dataset: str | None) -> RunFile:
    if dataset is not None and Path(dataset).is_file():
        run_file = replace(run_file, dataset=None, dataset_path=Path(dataset))
    elif dataset is not None:
        run_file = replace(run_file, dataset=dataset, dataset_path=None)
    if run_file.dataset is not None and Path(run_file.dataset).suffix.lower() in MEDIA_TYPES:
        raise ConfigFileError(f"{run_file.dataset}: no such file")
    return run_file


def _uploaded(client: Client, run_file: RunFile, request: dict[str, Any]) -> Dataset | None:
    """Upload the table; None where there is a dataset already."""
    if run_file.dataset is not None:
        return None
    if run_file.dataset_path is None:
        raise ConfigFileError("no dataset: set dataset_path or dataset in the file, or give --dataset")
    _check_settings(client, request)
    return _upload(client, run_file.dataset_path, run_file)


def _check_settings(client: Client, request: dict[str, Any]) -> None:
    """Ask the service whether it would take the settings, before a table is sent for nothing."""
    try:
        client.jobs.plan({**request, "dataset": NO_DATASET})
    except ApiError as error:
        if error.code != "dataset_not_found":
            raise


def _request(run_file: RunFile, *, learnable: bool, name: str | None) -> dict[str, Any]:
    request = dict(run_file.job)
    if learnable:
        request["assignment"] = {**(request.get("assignment") or {}), "mode": "learnable"}
    if name is not None:
        request["name"] = name
    return request


def _upload(client: Client, path: Path, run_file: RunFile) -> Dataset:
    if run_file.published and run_file.published.families and path.suffix.lower() in HDF5_SUFFIXES:
        dataset = _upload_published(client, path, run_file.published)
    elif run_file.family_names and path.suffix.lower() in FAMILY_SUFFIXES:
        with open_families(path, run_file.family_names) as families:
            dataset = client.datasets.upload(families, name=path.stem)
    else:
        dataset = client.datasets.upload(path, name=path.stem, families=run_file.families)
    sizes = f"{len(dataset.features)} features in {len(dataset.families)} families"
    say(f"{dataset.id}: {dataset.rows} rows, {sizes}")
    for warning in dataset.warnings:
        say(f"warning: {warning.detail}", style="yellow")
    return dataset


def _upload_published(client: Client, path: Path, wanted: PublishedData) -> Dataset:
    table = read_published(path, wanted)
    for note in table.notes:
        say(note, style="yellow")
    columns, channels = table.columns, table.channels
    if max(map(len, (json.dumps(columns), json.dumps(channels)))) > MAX_URL_JSON:
        say("the names of features are too long for a URL: they are numbered", style="yellow")
        columns, channels = None, {}
    return client.datasets.upload(table.arrays, name=path.stem, columns=columns, channels=channels)


def _has_failed(job: Job) -> bool:
    return job.status in {"failed", "cancelled"}


def _tell(job: Job) -> None:
    if _has_failed(job):
        fail(f"{job.id} {job.status}: {job.reason or 'no reason was given'}", ExitCode.JOB_FAILED)
    if job.model is not None:
        say(f"model {job.model}: `catvq grouping {job.model}`, `catvq encode {job.model} ROWS`")
