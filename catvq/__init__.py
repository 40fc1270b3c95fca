"""The learning core of catvq: learnt feature categories and their VQ-VAE, in pure torch."""
