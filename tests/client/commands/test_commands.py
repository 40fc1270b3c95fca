"""Commands that do one thing each: aliases, keys, artifacts, codes, deleting, versions."""

import io
import json
import os
import subprocess
import sys
from importlib.metadata import version

import numpy as np
import pytest

from tests.client.conftest import Answer

ALIAS = {"name": "digits", "model": "model_1", "version": 2}
KEY = {
    "id": "key_1",
    "name": "me",
    "scope": "read",
    "created_at": "2026-01-01T00:00:00Z",
    "secret": "catvq_s",
}
MODEL = {"id": "model_1", "digest": "d", "job": "j", "dataset": "ds", "features": ["a"], "categories": ["c"]}
MODEL |= {
    "created_at": "2026-01-01T12:00:00Z",
    "values": [None],
    "origins": [None],
    "levels": 2,
    "codebook_size": [[2, 2]],
    "metrics": {},
}


def paths(scripted):
    return [f"{request.method} {request.path}" for request in scripted.requests]


def test_an_alias_is_set_shown_listed_and_deleted(catvq, scripted):
    scripted.answers = [Answer(200, MODEL), Answer(200, ALIAS)]
    assert catvq("alias", "digits", "@old").stdout == "@digits is model_1\n"
    assert catvq("alias", "@digits").stdout == "@digits is model_1\n"
    scripted.answers = [Answer(200, {"items": [ALIAS]}), Answer(204, content=b"")]
    assert "@digits" in catvq("alias").stdout
    assert catvq("alias", "digits", "--delete").exit_code == 0
    assert paths(scripted) == [
        "GET /v1/models/@old",
        "PUT /v1/aliases/digits",
        "GET /v1/aliases/digits",
        "GET /v1/aliases",
        "DELETE /v1/aliases/digits",
    ]
    assert catvq("alias", "--delete").exit_code == 2


def test_keys_are_made_listed_rotated_and_revoked(catvq, scripted):
    scripted.answers = [Answer(201, KEY)]
    assert "catvq_s" in catvq("keys", "create", "--scope", "read", "--name", "me").stdout
    assert json.loads(scripted.requests[0].body) == {"scope": "read", "name": "me"}
    assert json.loads(catvq("keys", "rotate", "key_1", "--json").stdout)["secret"] == "catvq_s"
    scripted.answers = [Answer(200, {"items": [{**KEY, "secret": None}]}), Answer(204, content=b"")]
    assert "key_1" in catvq("keys").stdout
    assert catvq("keys", "revoke", "key_1").exit_code == 0
    assert paths(scripted)[-1] == "DELETE /v1/keys/key_1"


def test_ids_are_deleted_by_their_kind(catvq, scripted):
    scripted.answers = [Answer(204, content=b"")]
    assert catvq("delete", "job_1", "model_1", "ds_1").exit_code == 0
    assert paths(scripted) == [
        "DELETE /v1/jobs/job_1",
        "DELETE /v1/models/model_1",
        "DELETE /v1/datasets/ds_1",
    ]
    assert catvq("delete", "digits").exit_code == 1


def test_an_artifact_is_a_file(catvq, scripted, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    scripted.answers = [Answer(200, content=b"onnx")]
    assert catvq("artifact", "@digits").exit_code == 0
    assert json.loads(catvq("artifact", "@digits", "-o", "a.onnx", "--json").stdout) == {"file": "a.onnx"}
    assert (tmp_path / "digits.onnx").read_bytes() == (tmp_path / "a.onnx").read_bytes() == b"onnx"


def test_metrics_are_a_table_or_json(catvq, scripted):
    point = {"epoch": 1, "step": 9, "time": "t", "total": 0.25}
    scripted.answers = [Answer(200, {"columns": list(point), "points": [point]})]
    assert "0.25" in catvq("metrics", "job_1").stdout
    assert json.loads(catvq("metrics", "job_1", "--json").stdout)["points"] == [point]
    assert scripted.requests[0].path == "/v1/jobs/job_1/metrics?max_points=20"


CSV = "who,c.0,c.1,reconstruction_error,status\nx,1,2,0.5,ok\ny,3,0,0.5,ok\n"


@pytest.mark.parametrize("kind", ["csv", "npy"])
def test_codes_are_decoded_from_the_files_that_encode_writes(catvq, scripted, tmp_path, kind):
    path = tmp_path / f"codes.{kind}"
    if kind == "csv":
        path.write_text(CSV)
    else:
        np.save(path, np.array([[1, 2], [3, 0]]))
    scripted.answers = [Answer(200, MODEL), Answer(200, content=b"a\n1\n")]
    assert catvq("decode", "@digits", path).stdout == "a\n1\n"
    _, request = scripted.requests
    assert request.path == "/v1/models/model_1/decodings"
    assert np.load(io.BytesIO(request.body)).tolist() == [[1, 2], [3, 0]]
    assert request.headers["Accept"] == "text/csv"
    scripted.answers = [Answer(200, MODEL), Answer(200, content=b'{"rows": []}')]
    assert json.loads(catvq("decode", "@digits", path, "--json").stdout) == {"rows": []}


@pytest.mark.parametrize(
    ("name", "text"),
    [("codes.csv", "a,b\n1,2\n"), ("codes.csv", "c.0\nx\n"), ("codes.txt", ""), ("codes.csv", "")],
)
def test_a_file_without_codes_is_refused(catvq, scripted, tmp_path, name, text):
    path = tmp_path / name
    path.write_text(text)
    scripted.answers = [Answer(200, MODEL)]
    assert catvq("decode", "@digits", path).exit_code == 1
    assert len(scripted.requests) == 1


def test_codes_of_fewer_levels_are_decoded_as_such(catvq, scripted, tmp_path):
    np.save(tmp_path / "codes.npy", np.array([[1], [3]]))
    scripted.answers = [Answer(200, MODEL), Answer(200, content=b"")]
    assert catvq("decode", "@digits", tmp_path / "codes.npy").exit_code == 0
    assert scripted.requests[1].path == "/v1/models/model_1/decodings?levels=1"


def test_the_version_is_that_of_the_package(catvq):
    assert catvq("--version").stdout == f"catvq {version('catvq-client')}\n"


def test_a_shell_can_complete_commands():
    asked = {"_CATVQ_COMPLETE": "complete_bash", "COMP_WORDS": "catvq gro", "COMP_CWORD": "1"}
    code = "from catvq_client.cli import app; app(prog_name='catvq')"
    found = subprocess.run(
        [sys.executable, "-c", code], env=os.environ | asked, capture_output=True, text=True, check=False
    )
    assert found.stdout.split() == ["grouping"]


WITHOUT_UNIX = """
import sys, signal, asyncio, subprocess, h5py, httpx, httpx_sse, numpy, pydantic, rich.console, typer, yaml
import concurrent.futures, multiprocessing, zipfile, numpy.testing
for name in ("SIGHUP", "SIGUSR1", "SIGUSR2", "SIGQUIT", "SIGKILL", "SIGALRM"):
    delattr(signal, name)
for name in ("fcntl", "resource", "pwd", "grp", "termios"):
    sys.modules[name] = None
sys.platform = sys.argv.pop(1)
from catvq_client.cli import main
main()
"""


@pytest.mark.parametrize("platform", ["win32", "darwin"])
def test_the_command_starts_on_other_systems(scripted, platform):
    scripted.answers = [Answer(200, {"items": []})]
    done, started = (
        subprocess.run(
            [sys.executable, "-c", WITHOUT_UNIX, platform, *arguments],
            capture_output=True,
            text=True,
            check=False,
        )
        for arguments in (["workers", "--url", scripted.url], ["up", "--help"])
    )
    assert (done.returncode, started.returncode) == (0, 0), done.stderr + started.stderr


def test_the_service_is_not_started_on_windows():
    run = subprocess.run(
        [sys.executable, "-c", WITHOUT_UNIX, "win32", "up"], capture_output=True, text=True, check=False
    )
    assert (run.returncode, "Linux and macOS" in run.stderr) == (1, True)
