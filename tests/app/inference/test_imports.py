"""What an API that encodes loads."""

import subprocess
import sys


def test_an_api_that_has_encoded_has_loaded_no_torch(api, model_id):
    program = """
import sys
from pathlib import Path
import numpy as np
import app.main
from app.inference.encoder import Encoder
app.main.create_app().openapi()
encoded = Encoder(lambda: Path(sys.argv[1]), threads=1).encode(np.zeros((1, 3), np.float32), with_doubt=True)
assert encoded.codes.shape == (1, 2)
loaded = {"torch", "catvq.model", "sklearn", "scipy", "pyarrow", "h5py", "pandas", "onnx"} & set(sys.modules)
assert not loaded, loaded
"""
    command = [sys.executable, "-c", program, str(api.store.models.directory(model_id))]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
