"""The libraries in the tree are the ones that the list names, and nothing else."""

import hashlib
import json
from pathlib import Path

ROOT = Path(__file__).parents[2]
LIBRARIES = json.loads((ROOT / "tools" / "vendored.json").read_text())
FOLDERS = ("app/web/static/vendor", "app/web/docs/vendor", "tests/web/axe")


def test_every_library_in_the_tree_has_the_digest_of_the_list():
    listed = {file["to"]: file["sha256"] for library in LIBRARIES for file in library["files"]}
    found = [path for folder in FOLDERS for path in (ROOT / folder).iterdir()]
    digests = {
        path.relative_to(ROOT).as_posix(): hashlib.sha256(path.read_bytes()).hexdigest() for path in found
    }
    assert digests == listed


def test_every_library_comes_with_its_licence():
    for library in LIBRARIES:
        assert {"name", "version", "licence"} <= set(library)
        assert [file for file in library["files"] if "LICENSE" in file["to"]]
