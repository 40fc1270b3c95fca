"""Compares a published model with baseline groupings."""

from collections.abc import Callable
from typing import Any

from catvq.comparison.compare import compare
from catvq.comparison.learnt_model import LearntModel
from catvq.config import RunConfig
from catvq.errors import CatvqError
from catvq.frozen.start_model import StartModel
from worker.jobs.load_dataset import load_labels, load_table
from worker.store import NotFound, PieceRecord, Store

DATASET_GONE = "its dataset was deleted before the comparison was made"


def make_comparison(store: Store, piece: PieceRecord, should_stop: Callable[[], bool]) -> dict[str, Any]:
    """Make the comparison of a model; returns its document.

    Raises:
        Interrupted: `should_stop` said so.
        CatvqError: The dataset is gone.
    """
    model = store.models.get(str(piece.model_id))
    directory = store.models.directory(model.id)
    learnt = LearntModel.read(directory, model.document["training_seconds"])
    config = RunConfig.from_dict(piece.task)
    try:
        table = load_table(store, model.dataset_id, config)
    except (NotFound, FileNotFoundError) as error:
        raise CatvqError(DATASET_GONE) from error
    if config.assignment.take == "weights":  # its features are in the order of the model it went on from
        table = StartModel.read(directory).align(table)
    labels = load_labels(store, model.dataset_id, config)
    return compare(table, config, learnt, labels=labels, should_stop=should_stop).to_dict()
