"""The README's requests run as they stand, top to bottom, against the real service."""

import os
import re
import shutil
import subprocess
from pathlib import Path

import numpy as np
import pytest

ROOT = Path(__file__).parents[2]

pytestmark = [pytest.mark.slow, pytest.mark.timeout(960)]


def test_every_request_of_the_readme_works_in_order(service, tmp_path):
    blocks = re.findall(r"^```bash\n(.*?)^```", (ROOT / "README.md").read_text(), re.DOTALL | re.MULTILINE)
    script = "set -euo pipefail\n" + "\n".join(blocks)
    (tmp_path / ".venv").symlink_to(ROOT / ".venv")
    shutil.copytree(ROOT / "examples", tmp_path / "examples")

    ran = subprocess.run(
        ["bash", "-c", script],
        cwd=tmp_path,
        env={**os.environ, "URL": service.url},
        capture_output=True,
        text=True,
        timeout=900,
        check=False,
    )

    assert ran.returncode == 0, ran.stdout[-2000:] + ran.stderr[-2000:]
    codes = np.load(tmp_path / "codes.npy")
    assert codes.shape == (1797, 18)
    assert np.array_equal(np.load(tmp_path / "all-codes.npy"), codes)
    soft = np.load(tmp_path / "assignment.npy")
    assert np.allclose(soft.sum(axis=1), 1)
