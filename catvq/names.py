"""The characters that names and labels must not contain."""

import re
from collections.abc import Callable
from dataclasses import dataclass
from typing import Annotated, Any, Literal

from annotated_types import Len, Predicate

# Controls (C0, DEL, C1), line and paragraph separators, bidirectional and zero-width marks: all invisible, so
# a log, a terminal or a page shows a different text.
# Joiners (U+200C, U+200D) are allowed: some scripts and emoji need them.
HIDDEN = r"\x00-\x1f\x7f-\x9f\u061c\u200b\u200e\u200f\u2028-\u202e\u2060\u2066-\u2069\ufeff"
# Lone surrogates are not text. JSON has none; command lines and files may.
_HIDDEN = re.compile(rf"[{HIDDEN}\ud800-\udfff]")


def hidden_character(text: str) -> str | None:
    """Return the first character that a name must not contain, as `U+202E`; None without one."""
    found = _HIDDEN.search(text)
    return None if found is None else f"U+{ord(found[0]):04X}"


def escape_hidden(text: str) -> str:
    r"""Return a text that can be shown: forbidden characters are written as `\u202e`."""
    return _HIDDEN.sub(lambda found: f"\\u{ord(found[0]):04x}", text)


def check_visible(text: str) -> bool:
    """Return True.

    Raises:
        ValueError: The text holds a character that a name must not contain.
    """
    found = hidden_character(text)
    if found is not None:
        raise ValueError(f"holds {found}, which cannot be seen; leave it out")
    return True


@dataclass(frozen=True)
class Visible(Predicate):
    """Marks a text that holds no invisible characters; JSON Schema says so by a pattern."""

    func: Callable[[Any], bool] = check_visible
    repeats: Literal["+", "*"] = "+"

    def __get_pydantic_json_schema__(
        self, schema: Any, describe: Callable[[Any], dict[str, Any]]
    ) -> dict[str, Any]:
        """Add the pattern."""
        return describe(schema) | {"pattern": f"^[^{HIDDEN}]{self.repeats}$"}


Name = Annotated[str, Visible(), Len(1, 200)]
