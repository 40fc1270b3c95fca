"""What is learnt of a series or a grid: numbers of a fixed meaning for each channel, as ONNX operators.

Imports `onnx_builder`.
"""
