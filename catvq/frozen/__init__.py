"""The frozen model and its files: weights, ONNX graphs, and the check that their codes are equal.

Imports `model`, `features`, `state`.
"""
