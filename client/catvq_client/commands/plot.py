"""Command `catvq plot`."""

from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer

from catvq_client.errors import CatvqError
from catvq_client.picture import MEDIA_TYPES
from catvq_client.synchronous.client import Client
from catvq_client.terminal.command import Output, command, file_at

JOB_PREFIX = "job_"


class Shown(StrEnum):
    """What a picture can show."""

    ASSIGNMENT = "assignment"
    METRICS = "metrics"
    GROUPING = "grouping"


@command
def plot(
    client: Client,
    name: Annotated[str, typer.Argument(help="Id of a job or model, or @alias.")],
    output: Annotated[Path, typer.Option("--output", "-o", help="SVG or PNG file.")],
    shown: Annotated[
        Shown | None,
        typer.Option("--show", help="By default the assignment of a job, the grouping of a model."),
    ] = None,
) -> Output:
    """Draw a job's assignment or metrics, or a model's grouping or assignment."""
    is_job = name.startswith(JOB_PREFIX)
    default, other = (Shown.ASSIGNMENT, Shown.METRICS) if is_job else (Shown.GROUPING, Shown.ASSIGNMENT)
    what = default if shown is None else shown
    kind = next((kind for kind in MEDIA_TYPES if output.suffix.lower() == f".{kind}"), None)
    if kind is None:
        raise CatvqError(f"{output}: the output file must end in .svg or .png")
    if what not in {default, other}:
        raise CatvqError(f"{name} has no {what}; it has {default} and {other}")
    if is_job:
        picture = client.jobs.plot(name, "metrics" if what is Shown.METRICS else "assignment", kind=kind)
    else:
        picture = client.models.plot(
            name, "assignment" if what is Shown.ASSIGNMENT else "grouping", kind=kind
        )
    picture.save(output)
    return file_at(output)
