"""Identifiers: a prefix that tells the kind, and enough randomness never to meet again."""

import secrets

RANDOM_BYTES = 12


def new_id(kind: str) -> str:
    """A fresh id such as `job_8c0f...`."""
    return f"{kind}_{secrets.token_hex(RANDOM_BYTES)}"
