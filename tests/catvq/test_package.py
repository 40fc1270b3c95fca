import re
import subprocess
import sys
from pathlib import Path

import pytest

import catvq

GUIDE = Path(__file__).parents[2] / "docs" / "how-to" / "without-the-service.md"


def test_importing_the_core_loads_no_torch():
    code = "import sys, catvq; dir(catvq); print({'torch', 'sklearn', 'onnx'} & set(sys.modules))"
    assert subprocess.check_output([sys.executable, "-c", code], text=True).strip() == "set()"


def test_every_exported_name_is_there():
    assert [getattr(catvq, name).__name__ for name in catvq.__all__] == catvq.__all__
    assert set(catvq.__all__) <= set(dir(catvq))
    with pytest.raises(AttributeError, match="'Other'"):
        _ = catvq.Other


def test_the_guide_s_examples_run(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    table, series, machines = re.findall(
        r"^```python\n(.*?)^```", GUIDE.read_text(), re.DOTALL | re.MULTILINE
    )
    scope = {}
    exec(compile(table, GUIDE, "exec"), scope)
    assert scope["codes"].shape == (178, len(scope["frozen"].categories) * scope["frozen"].levels)
    assert "alcohol" in capsys.readouterr().out
    exec(compile(series, GUIDE, "exec"), scope)
    assert scope["run"].soft_assignment().shape[0] == 3
    monkeypatch.setenv("RANK", "0")  # what other ranks do is tried with torchrun, beside the ranks' tests
    exec(compile(machines, GUIDE, "exec"), scope)
