"""Tells which checkpoints belong to a run: those of its version, its table and its configuration."""

from pathlib import Path
from typing import Any

from catvq.config import RunConfig
from catvq.errors import CheckpointError
from catvq.features.table import FeatureTable
from catvq.state.checkpoint import Checkpoint

CHECKPOINT_FORMAT = 10  # rises when older checkpoints cannot be resumed from


def describe_origin(table: FeatureTable, config: RunConfig) -> dict[str, Any]:
    """What a checkpoint says of the run that wrote it, in JSON's types."""
    return {
        "format": CHECKPOINT_FORMAT,
        "config": config.to_dict(),
        "features": list(table.features),
        "rows": table.num_rows,
        "values_of": {name: list(values) for name, values in table.values_of.items()},
    }


def check_origin(checkpoint: Checkpoint, path: Path, table: FeatureTable, config: RunConfig) -> None:
    """Check that a run of this table and configuration can go on from a checkpoint.

    Raises:
        CheckpointError: It is of another version, table or configuration.
    """
    document = checkpoint.document
    if document.get("format") != CHECKPOINT_FORMAT:
        raise CheckpointError(f"checkpoint {path.name} is of another version; the job has to start anew")
    written = {**document, "config": RunConfig.from_dict(document["config"]).to_dict()}
    own = describe_origin(table, config)
    if {name: written[name] for name in own} != own:
        raise CheckpointError(f"checkpoint {path.name} belongs to another configuration or table")
