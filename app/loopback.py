"""Says whether an address is reached from this machine only."""

import ipaddress
from functools import lru_cache


@lru_cache  # looked at in every request, and nearly always the same
def is_loopback(host: str) -> bool:
    """Whether only this machine reaches an address."""
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"
