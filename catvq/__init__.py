"""Learning core of catvq: a VQ-VAE with learnt feature categories, in pure torch."""
