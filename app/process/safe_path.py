"""Hands `python -P` down: a process that finds no modules in the current directory has children like it."""

import os
import sys


def hand_down_safe_path() -> None:
    """Set PYTHONSAFEPATH for all children if this process looks for no modules in the current directory.

    The option -P alone holds for one process.
    """
    if sys.flags.safe_path:
        os.environ["PYTHONSAFEPATH"] = "1"
