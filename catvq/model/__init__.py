"""The VQ-VAE: codebooks, quantiser, routing by the assignment, its losses and metrics.

Imports `features` and `state`.
"""
