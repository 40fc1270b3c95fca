"""Renews the libraries that are kept in this repository, from the npm registry: `make vendor`.

`tools/vendored.json` names them with version, licence and digests. An archive with another digest is
refused, so the same list always gives the same files. To take another version, change it and its digests.
"""

import hashlib
import io
import json
import sys
import tarfile
import urllib.request
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parents[1]
MANIFEST = Path(__file__).with_name("vendored.json")
REGISTRY = "https://registry.npmjs.org"


def main() -> int:
    """Fetch every library and write its files."""
    for library in json.loads(MANIFEST.read_text()):
        name, version = library["name"], library["version"]
        address = f"{REGISTRY}/{name}/-/{name}-{version}.tgz"
        with urllib.request.urlopen(address, timeout=60) as answer:  # noqa: S310 - an https address of ours
            archive = answer.read()
        _check(f"{name} {version}", archive, library["sha256"])
        with tarfile.open(fileobj=io.BytesIO(archive)) as members:
            for file in library["files"]:
                _write(members, library, file)
        print(f"{name} {version} ({library['licence']})")
    return 0


def _write(members: tarfile.TarFile, library: dict[str, Any], file: dict[str, str]) -> None:
    """Write one file, with the replacements that let a browser load it without a build step."""
    member = members.extractfile(f"package/{file['from']}")
    if member is None:
        sys.exit(f"{library['name']} has no {file['from']}")
    content = member.read()
    for old, new in library.get("replace", {}).items():
        content = content.replace(old.encode(), new.encode())
    _check(file["to"], content, file["sha256"])
    target = ROOT / file["to"]
    target.parent.mkdir(parents=True, exist_ok=True)
    target.write_bytes(content)


def _check(name: str, content: bytes, expected: str) -> None:
    digest = hashlib.sha256(content).hexdigest()
    if digest != expected:
        sys.exit(f"{name} has the SHA-256 {digest}, not {expected}")


if __name__ == "__main__":
    sys.exit(main())
