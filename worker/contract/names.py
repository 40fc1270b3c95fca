"""Which characters names and labels may hold: the one rule for all of them, wherever they come from."""

import re

# Controls (C0, DEL, C1), line and paragraph separators, marks that turn the direction of writing or have no
# width: nobody sees them, but a log, a terminal or a page shows something else than what is there.
# Joiners (U+200C, U+200D) stay: some scripts and emoji need them.
HIDDEN = r"\x00-\x1f\x7f-\x9f\u061c\u200b\u200e\u200f\u2028-\u202e\u2060\u2066-\u2069\ufeff"
# Lone halves of surrogate pairs are no text at all. JSON brings none; command lines and files may.
_HIDDEN = re.compile(rf"[{HIDDEN}\ud800-\udfff]")


def hidden_character(text: str) -> str | None:
    """Return the first character that a name may not hold, written as in `U+202E`; None without one."""
    found = _HIDDEN.search(text)
    return None if found is None else f"U+{ord(found[0]):04X}"


def escape_hidden(text: str) -> str:
    r"""Return a text that can be shown: what a name may not hold is written as in `\u202e`."""
    return _HIDDEN.sub(lambda found: f"\\u{ord(found[0]):04x}", text)
