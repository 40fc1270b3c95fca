"""Keeps spreadsheets from taking text in CSV for formulas: such text gets an apostrophe.

A name such as `=cmd|...` comes from whoever uploads a table, and meets whoever opens a result.
"""

import re

# At the beginning of text, or after a semicolon, which begins a cell wherever a spreadsheet takes it for the
# separator. The wide forms begin formulas in East Asia. Tabs and line breaks would, too, but are in no name.
_START = "(^|;)"
_FORMULA = "('*[=+@\uff1d\uff0b\uff0d\uff20-])"
FORMULA_PATTERN = _START + _FORMULA
QUOTED_FORMULA = r"\1'\2"
QUOTED_PATTERN = f"{_START}'{_FORMULA}"
_QUOTED = re.compile(QUOTED_PATTERN)


def quote_formulas(text: str) -> str:
    """Put an apostrophe before what would begin a formula."""
    return re.sub(FORMULA_PATTERN, QUOTED_FORMULA, text)


def unquote_formulas(text: str) -> str:
    """Undo `quote_formulas`."""
    return _QUOTED.sub(r"\1\2", text)
