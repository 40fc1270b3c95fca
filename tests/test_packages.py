"""What `pip install` gives: the wheel holds everything, and the core needs nothing of the service."""

import ast
import os
import re
import shutil
import subprocess
import sys
import tomllib
import zipfile
from importlib.metadata import packages_distributions
from itertools import chain
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
PACKAGES = ("app", "catvq", "worker")
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
CLIENT = tomllib.loads((ROOT / "client" / "pyproject.toml").read_text())["project"]

CORE_ALONE = """
import importlib, importlib.abc, pkgutil, sys

WEB = {"fastapi", "celery", "redis", "sqlalchemy", "httpx", "pydantic", "uvicorn", "granian", "starlette"}
SERVICE = {"app", "worker", "catvq_client", "kombu", "alembic", "psycopg", "pyarrow", "h5py", "orjson"}

class Refuse(importlib.abc.MetaPathFinder):
    def find_spec(self, name, path=None, target=None):
        if name.partition(".")[0] in WEB | SERVICE:
            raise ModuleNotFoundError(f"no module {name} beside the core", name=name)

sys.meta_path.insert(0, Refuse())
import catvq

for module in pkgutil.walk_packages(catvq.__path__, "catvq."):
    importlib.import_module(module.name)

import numpy as np
import torch
from pathlib import Path
from catvq import FeatureTable, RunConfig, TableEncoder, TrainingRun

torch.set_num_threads(1)
features = tuple("abcdef")
causes = np.random.default_rng(0).normal(size=(120, 2))
rows = np.repeat(causes, 3, axis=1) * [1, 2, 3, 1, 2, 3]
table = FeatureTable(rows.astype("float32"), features, {"all": features})
config = {"model": {"categories": 2, "codebook_size": 8}, "training": {"epochs": 1}}
run = TrainingRun.start(table, RunConfig.from_dict(config))
while not run.is_finished:
    run.train_epoch()
run.freeze().save(Path("model"))
codes = TableEncoder.read(Path("model"), torch.device("cpu")).encode(table.values)
print(len(codes), *sorted((WEB | SERVICE) & set(sys.modules)))
"""

FROM_THE_WHEEL = """
import sys, app.main, catvq, worker.queue.celery_app, worker.store.database.migrate as migrate
for module in (app, catvq, worker):
    print(module.__file__)
print(migrate.newest_revision())
"""


def files_of_the_tree():
    """The files of the packages, as named in a wheel."""
    found = (path for package in PACKAGES for path in (ROOT / package).rglob("*") if path.is_file())
    return {path.relative_to(ROOT).as_posix() for path in found if "__pycache__" not in path.parts}


@pytest.fixture(scope="module")
def wheel(tmp_path_factory):
    """The wheel, built from a copy, so that nothing is left here and nothing that was left here is in it."""
    source, out = tmp_path_factory.mktemp("source"), tmp_path_factory.mktemp("wheel")
    for name in ("pyproject.toml", "README.md", "LICENSE"):
        shutil.copy(ROOT / name, source)
    for package in PACKAGES:
        shutil.copytree(ROOT / package, source / package, ignore=shutil.ignore_patterns("__pycache__"))
    options = ["--no-deps", "--no-build-isolation", "--no-index", "--quiet", "--wheel-dir", str(out)]
    built = subprocess.run(
        [sys.executable, "-m", "pip", "wheel", *options, str(source)],
        capture_output=True,
        text=True,
        check=False,
    )
    assert built.returncode == 0, built.stderr
    (path,) = out.glob("catvq-*.whl")
    return path


def test_the_wheel_holds_every_file_of_the_packages_and_nothing_else(wheel):
    with zipfile.ZipFile(wheel) as archive:
        names = {name for name in archive.namelist() if ".dist-info/" not in name}
    assert names == files_of_the_tree()
    assert {f"{package}/py.typed" for package in PACKAGES} | {"worker/migrations/script.py.mako"} <= names


def test_every_folder_with_code_is_a_package():
    folders = {path.parent for package in PACKAGES for path in (ROOT / package).rglob("*.py")}
    assert [str(folder) for folder in folders if not (folder / "__init__.py").exists()] == []


def test_the_service_is_imported_from_the_wheel_elsewhere(wheel, tmp_path):
    installed, elsewhere = tmp_path / "installed", tmp_path / "elsewhere"
    elsewhere.mkdir()
    with zipfile.ZipFile(wheel) as archive:
        archive.extractall(installed)
    told = subprocess.run(
        [sys.executable, "-P", "-c", FROM_THE_WHEEL],
        cwd=elsewhere,
        env=os.environ | {"PYTHONPATH": str(installed)},
        capture_output=True,
        text=True,
        check=False,
    )
    assert told.returncode == 0, told.stderr
    *files, revision = told.stdout.split()
    assert files == [str(installed / package / "__init__.py") for package in PACKAGES]
    assert re.fullmatch(r"\d+_\d+", revision)
    assert list(elsewhere.iterdir()) == []


@pytest.mark.slow
def test_the_core_trains_freezes_and_encodes_where_nothing_of_the_service_is_installed(tmp_path):
    alone = subprocess.run(
        [sys.executable, "-P", "-c", CORE_ALONE], cwd=tmp_path, capture_output=True, text=True, check=False
    )
    assert alone.returncode == 0, alone.stderr
    assert alone.stdout.split() == ["120"]


def names(requirements):
    """The names of requirements, in the one spelling by which they are compared."""
    found = (re.match(r"[\w.-]+", requirement)[0] for requirement in requirements)
    return {name.lower().replace("_", "-") for name in found}


def imported(*directories):
    """The distributions that the code of directories imports, without the standard library and our own."""
    modules = set()
    for path in (path for directory in directories for path in (ROOT / directory).rglob("*.py")):
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.Import):
                modules |= {alias.name.partition(".")[0] for alias in node.names}
            elif isinstance(node, ast.ImportFrom) and node.level == 0:
                modules.add(node.module.partition(".")[0])
    ours = {*PACKAGES, "catvq_client", "tests", "examples", "benchmarks", "generated"}
    owners = packages_distributions()
    return names(owners.get(module, [module])[0] for module in modules - ours - set(sys.stdlib_module_names))


EXTRAS = PROJECT["optional-dependencies"]
CORE = names(PROJECT["dependencies"])
SERVER = CORE | names(EXTRAS["server"])


@pytest.mark.parametrize(
    ("directories", "declared"),
    [
        (["catvq"], CORE),
        (["app", "worker"], SERVER | names(EXTRAS["embedded"])),
        (
            ["client/catvq_client"],
            names(CLIENT["dependencies"]).union(*map(names, CLIENT["optional-dependencies"].values())),
        ),
        (
            ["examples", "tests"],
            SERVER.union(*map(names, [*EXTRAS.values(), CLIENT["dependencies"]])),
        ),
    ],
    ids=["core", "service", "client", "tests"],
)
def test_what_is_imported_is_declared(directories, declared):
    assert imported(*directories) - declared == set()


def test_the_core_declares_nothing_that_it_does_not_import():
    assert imported("catvq") == CORE


def test_every_dependency_has_a_lowest_version():
    stubs_and_ourselves = re.compile(r"types-|catvq\[")
    declared = [*PROJECT["dependencies"], *CLIENT["dependencies"], *chain(*EXTRAS.values())]
    open_below = [each for each in declared if not re.search(r"[>=]=", each)]
    assert [each for each in open_below if not stubs_and_ourselves.match(each)] == []
