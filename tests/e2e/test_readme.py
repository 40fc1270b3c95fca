"""The requests of README and how-to guides run as they stand, top to bottom, against the real service.

A block that is marked `bash` runs; one that is marked `sh` is for the reader.
"""

import contextlib
import os
import re
import shutil
import subprocess
from pathlib import Path

import numpy as np
import pytest
from catvq_client import DEFAULT_URL

ROOT = Path(__file__).parents[2]
# One after the other, in one shell: later guides go on where earlier ones ended, and the last one tidies up.
GUIDES = [
    f"docs/how-to/{name}.md"
    for name in ("from-a-table-to-codes", "tables-as-they-are", "steer-a-run", "compare-groupings", "operate")
]

pytestmark = [pytest.mark.slow, pytest.mark.timeout(960)]


def blocks_of(document, language="bash"):
    return re.findall(rf"^```{language}\n(.*?)^```", document.read_text(), re.DOTALL | re.MULTILINE)


def run(documents, directory, url):
    """Run the commands of the documents, in one shell."""
    blocks = [block for name in documents for block in blocks_of(ROOT / name)]
    (directory / ".venv").symlink_to(ROOT / ".venv")
    shutil.copytree(ROOT / "examples", directory / "examples")
    ran = subprocess.run(
        ["bash", "-c", "set -euo pipefail\n" + "\n".join(blocks)],
        cwd=directory,
        env={
            **os.environ,
            "URL": url,
            "CATVQ_URL": url,
            "PATH": f"{ROOT / '.venv' / 'bin'}{os.pathsep}{os.environ['PATH']}",
        },
        capture_output=True,
        text=True,
        timeout=900,
        check=False,
    )
    assert ran.returncode == 0, ran.stdout[-2000:] + ran.stderr[-2000:]


def run_python(document, directory, url):
    """Run a document's first program, and return what it defined."""
    code = blocks_of(document, "python")[0].replace(DEFAULT_URL, url)
    names = {}
    with contextlib.chdir(directory):
        exec(compile(code, str(document), "exec"), names)
    return names


def test_every_request_command_and_program_of_the_readme_works_in_order(service, tmp_path):
    run(["README.md"], tmp_path, service.url)
    codes = np.load(tmp_path / "codes.npy")
    assert codes.shape == (1797, 18)
    assert (tmp_path / "digits.svg").read_text().startswith("<svg ")
    assert np.array_equal(run_python(ROOT / "README.md", tmp_path, service.url)["codes"], codes)


def test_the_program_of_the_client_guide_goes_from_a_frame_to_codes(service, tmp_path):
    found = run_python(ROOT / "docs" / "how-to" / "clients.md", tmp_path, service.url)
    assert found["codes"].shape == (500, 6)
    assert found["rows"].shape == (500, 9)
    assert set(found["grouping"]["name"]) == set(found["frame"].columns)
    assert (tmp_path / "grouping.svg").exists()
    found["client"].close()


def test_every_request_of_the_guides_works_in_order(service, tmp_path):
    run(GUIDES, tmp_path, service.url)
    codes = np.load(tmp_path / "codes.npy")
    assert codes.shape == (1797, 18)
    assert np.array_equal(np.load(tmp_path / "all-codes.npy"), codes)
    soft = np.load(tmp_path / "assignment.npy")
    assert np.allclose(soft.sum(axis=1), 1)


def test_every_document_with_requests_is_run():
    documents = [*ROOT.glob("*.md"), *ROOT.glob("docs/**/*.md"), *ROOT.glob("benchmarks/**/*.md")]
    found = {str(path.relative_to(ROOT)) for path in documents if blocks_of(path)}
    assert found == {"README.md", *GUIDES}
