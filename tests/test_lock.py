"""What `make` installs is pinned, and verified by hashes."""

import re
from pathlib import Path

ROOT = Path(__file__).parents[1]
# Each index has files of its own: one build for CPUs, another for CUDA.
WITHOUT_HASH = {"torch"}


def normalized(name):
    return re.sub(r"[-_.]+", "-", name).lower()


def pins(text):
    return {
        normalized(name): version
        for name, version in re.findall(r"^([\w.-]+)==([\w.+-]+)", text, re.MULTILINE)
    }


def test_every_pinned_package_but_torch_is_locked_in_its_version_by_hashes():
    lock = (ROOT / "requirements.lock").read_text()
    wanted = pins((ROOT / "constraints.txt").read_text())
    assert {name: version for name, version in wanted.items() if name not in WITHOUT_HASH} == pins(lock)
    packages = re.split(r"\n(?=[\w.-]+==)", lock)[1:]
    assert [package for package in packages if "--hash=sha256:" not in package] == []
    assert len(packages) == len(pins(lock))
