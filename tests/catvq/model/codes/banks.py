"""Codebooks with codes that a test chooses."""

import torch

from catvq.model.codes.codebook import CodebookBank


def bank_of(codes, **settings_):
    """One stream with the given codes."""
    codes = torch.tensor([codes])
    bank = CodebookBank([codes.shape[1]], [codes.shape[2]], **settings_)
    with torch.no_grad():
        bank.codes.copy_(codes)
        bank.ema_sums.copy_(codes * bank.ema_shares.unsqueeze(2))
    return bank


def take_in(bank, latents):
    latents = torch.tensor([latents])
    bank.update(*bank.batch_centroids(latents, bank.nearest(latents)))
