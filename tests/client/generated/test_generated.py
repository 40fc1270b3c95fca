"""All that openapi-python-client writes from the document of the service can be called."""

import subprocess
import sys
from pathlib import Path

import httpx
import pytest

from tests.conftest import ROOT
from worker.contract.settings import ServiceSettings
from worker.store import Scope, Store

BIN = ROOT / ".venv-generator" / "bin"
CALLS = Path(__file__).with_name("calls.py")

pytestmark = [pytest.mark.slow, pytest.mark.timeout(300)]


def run(*command, **options):
    command = list(map(str, command))
    return subprocess.run(command, capture_output=True, text=True, check=False, **options)


@pytest.fixture(scope="module")
def python():
    """The interpreter of an environment that has the generator."""
    made = run("make", ".venv-generator", f"PYTHON={sys.executable}", cwd=ROOT)
    if made.returncode:
        pytest.skip(f"openapi-python-client cannot be installed here: {made.stderr.strip()[-300:]}")
    return BIN / "python"


@pytest.fixture(scope="module")
def admin_key(service):
    store = Store.open(ServiceSettings(data_dir=service.data_dir))
    yield store.keys.create(Scope.ADMIN).secret
    store.close()


def test_every_operation_of_a_generated_client_can_be_called(python, service, admin_key, tmp_path):
    document = f"{service.url}/openapi.json"
    options = ("--meta", "none", "--output-path", tmp_path / "generated")
    written = run(BIN / "openapi-python-client", "generate", "--url", document, *options)
    assert written.returncode == 0, written.stdout + written.stderr
    called = run(python, CALLS, service.url, admin_key, env={"PYTHONPATH": str(tmp_path)})
    assert called.returncode == 0, called.stderr
    described = httpx.get(document).json()["paths"].values()
    assert int(called.stdout) == sum(map(len, described))
