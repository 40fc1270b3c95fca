"""The client must run where nothing else of catvq is installed."""

import subprocess
import sys
import tomllib
from pathlib import Path

import pytest

PYPROJECT = Path(__file__).parents[2] / "client" / "pyproject.toml"
ELSEWHERE = (
    "torch",
    "catvq",
    "worker",
    "app",
    "sqlalchemy",
    "fastapi",
    "celery",
    "onnxruntime",
    "h5py",
    "pandas",
)


@pytest.mark.parametrize("module", ["catvq_client", "catvq_client.cli"])
def test_importing_the_client_loads_nothing_of_the_service(module):
    script = f"import sys, {module}; print(*(name for name in {ELSEWHERE!r} if name in sys.modules))"
    loaded = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    assert loaded.stdout.split() == []


def test_what_the_client_needs_is_declared_and_torch_is_not_part_of_it():
    project = tomllib.loads(PYPROJECT.read_text())["project"]
    names = {requirement.split(">")[0] for requirement in project["dependencies"]}
    assert names == {"httpx", "httpx-sse", "pydantic", "numpy", "typer", "rich", "pyyaml", "h5py"}


def test_every_package_of_the_client_is_shipped():
    root = PYPROJECT.parent
    declared = set(tomllib.loads(PYPROJECT.read_text())["tool"]["setuptools"]["packages"])
    present = {
        ".".join(init.parent.relative_to(root).parts) for init in root.glob("catvq_client/**/__init__.py")
    }
    assert declared == present
