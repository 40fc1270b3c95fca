"""Writes `catvq_client.synchronous` from `catvq_client.asynchronous`: run by `make format`."""

import sys
from pathlib import Path

import unasync

PACKAGE = Path(__file__).parent / "catvq_client"
SOURCE, TARGET = "asynchronous", "synchronous"
CLASSES = ("Client", "Transport", "Datasets", "Jobs", "Models", "Aliases")
REPLACEMENTS = {
    SOURCE: TARGET,
    "asyncio": "time",
    "aclose": "close",
    "aclosing": "closing",
    "aiter_sse": "iter_sse",
    "aread": "read",
    **{f"Async{name}": name for name in CLASSES},
}
NOTICE = "# Written by synchronize.py from the module of the same name in asynchronous/; change that one.\n"


def write(directory: Path) -> None:
    """Write the twins of all modules into a directory of the package's layout."""
    rule = unasync.Rule(f"/{SOURCE}/", f"/{TARGET}/", REPLACEMENTS)
    for module in sorted((PACKAGE / SOURCE).glob("*.py")):
        text = module.read_text()
        twin = directory / TARGET / module.name
        source = directory / SOURCE / module.name
        source.parent.mkdir(parents=True, exist_ok=True)
        source.write_text(text)
        unasync.unasync_files([str(source)], [rule])
        twin.write_text(NOTICE + twin.read_text())


if __name__ == "__main__":
    write(Path(sys.argv[1]) if len(sys.argv) > 1 else PACKAGE)
