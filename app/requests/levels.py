"""Shorter codes: those of the coarser levels of every category."""

from typing import Annotated

import numpy as np
from fastapi import Query
from numpy.typing import NDArray

from app.inference.model_lookup import ServedModel
from app.problems import InvalidError, Place

Levels = Annotated[
    int | None,
    Query(
        ge=1,
        description="Only the codes of so many levels of each category, from the coarsest; by default all.",
    ),
]


def tokens_of_levels(model: ServedModel, levels: int | None) -> NDArray[np.int64]:
    """Return the positions of those levels' tokens among the model's; all of them for None.

    Raises:
        InvalidError: The model has fewer levels.
    """
    most = model.record.document["levels"]
    if levels is not None and levels > most:
        detail = f"the model has {most} levels, not {levels}"
        raise InvalidError(detail, [Place(detail=detail, field="levels")])
    tokens = np.arange(len(model.encoder.tokens), dtype=np.int64)
    kept: NDArray[np.int64] = tokens[tokens % most < (levels or most)]
    return kept
