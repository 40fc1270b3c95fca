"""The frozen model and its files: weights, ONNX graphs, proof of equal codes.

Imports `model`, `features`, `state`.
"""
