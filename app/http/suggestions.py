"""Says which known name an unknown one was probably meant to be."""

from collections.abc import Iterable, Sequence
from difflib import get_close_matches
from typing import Any, get_args

from pydantic import BaseModel

MAX_LENGTH = 100  # of a name that is compared; longer ones are no misspellings


def unknown_field(name: str, known: Iterable[str]) -> str:
    """Return the text of an error about an unknown field."""
    near = get_close_matches(name, known, n=1) if len(name) <= MAX_LENGTH else []
    return f"unknown field; did you mean {near[0]!r}?" if near else "unknown field"


def fields_at(model: Any, path: Sequence[int | str]) -> Iterable[str]:
    """Return the names of the fields at a path inside a body, none where it is not an object of known fields.

    Args:
        model: The type of the body.
        path: Field names; the names of union members, which pydantic inserts, are skipped.
    """
    for part in path:
        field = model.model_fields.get(part) if _is_model(model) else None
        if field is not None:
            model = next(
                (each for each in (field.annotation, *get_args(field.annotation)) if _is_model(each)), None
            )
    return tuple(model.model_fields) if _is_model(model) else ()


def _is_model(candidate: Any) -> bool:
    return isinstance(candidate, type) and issubclass(candidate, BaseModel)
