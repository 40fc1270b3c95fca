"""Says which known name an unknown one was probably meant to be."""

from collections.abc import Iterable
from difflib import get_close_matches


def did_you_mean(name: str, known: Iterable[str]) -> str:
    """Return `; did you mean ...?` where a known name is near, else nothing."""
    near = get_close_matches(name, [*known], n=1)
    return f"; did you mean {near[0]!r}?" if near else ""
