"""The VQ-VAE: encoder, codebooks, quantiser, decoder, routing by the assignment, losses, metrics.

Imports `features` and `state`.
"""
