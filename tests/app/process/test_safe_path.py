import os
import subprocess
import sys

import pytest

CHILD = (
    "import subprocess, sys; subprocess.run([sys.executable, '-c', 'import sys; print(sys.flags.safe_path)'])"
)
PARENT = f"from app.process.safe_path import hand_down_safe_path; hand_down_safe_path()\n{CHILD}"


@pytest.mark.parametrize(("options", "found"), [(["-P"], "True"), ([], "False")])
def test_children_look_for_modules_where_their_parent_does(options, found):
    environment = {name: value for name, value in os.environ.items() if name != "PYTHONSAFEPATH"}
    command = [sys.executable, *options, "-c", PARENT]
    assert subprocess.check_output(command, env=environment, text=True).strip() == found
