"""The VQ-VAE: encoder, decoder, routing by the assignment, losses, metrics; `codes` are its codebooks.

Imports `features` and `state`.
"""
