"""Deployment settings of the API, read from `CATVQ_*` when the process starts."""

import ipaddress
from typing import Self

from pydantic import Field, model_validator

from worker.settings import ServiceSettings

MIB = 1 << 20


class ApiSettings(ServiceSettings):
    """What only the API needs to know."""

    host: str = "127.0.0.1"
    port: int = Field(8000, ge=0, le=65_535, description="0: any free one.")
    trusted_network: bool = Field(
        False, description="Whether everybody who can reach the address may use the service without a key."
    )
    max_expanded_bytes: int = Field(
        4 << 30, ge=1, description="What a compressed upload may unpack to, and a dataset take as float32."
    )
    max_json_bytes: int = Field(64 * MIB, ge=1, description="JSON bodies are parsed in memory.")
    encoder_cache_bytes: int = Field(512 * MIB, ge=0, description="Loaded models beyond this are dropped.")
    encoder_threads: int = Field(1, ge=1, description="Threads of one encoding.")
    broker_timeout_s: float = Field(1, gt=0, description="After this the message of a new job is given up.")

    @model_validator(mode="after")
    def _listens_where_it_may(self) -> Self:
        if not self.trusted_network and not _is_loopback(self.host):
            raise ValueError(
                f"refusing to listen on {self.host}: without keys anybody who reaches it could use the "
                "service. Set CATVQ_TRUSTED_NETWORK=true if that is meant"
            )
        return self


def _is_loopback(host: str) -> bool:
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"
