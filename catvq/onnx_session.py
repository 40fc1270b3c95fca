"""Opens ONNX files, the same way wherever they are run. Loads no torch."""

from collections.abc import Mapping
from pathlib import Path
from types import MappingProxyType

import onnxruntime


def open_session(
    model: bytes | Path, *, threads: int, entries: Mapping[str, str] = MappingProxyType({})
) -> onnxruntime.InferenceSession:
    """Open an ONNX file on the CPU.

    Args:
        threads: To compute with.
        entries: Of the session's configuration, beside those of all.
    """
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = threads
    options.inter_op_num_threads = 1
    options.log_severity_level = 3  # errors only; warnings about the graph were seen when it was exported
    # A spinning thread would take the core from others, as from the API's event loop.
    for name, value in {"session.intra_op.allow_spinning": "0", **entries}.items():
        options.add_session_config_entry(name, value)
    return onnxruntime.InferenceSession(model, options, providers=["CPUExecutionProvider"])
