"""API keys: creates, lists, rotates and revokes them, with an admin key."""

from catvq_client.asynchronous.transport import AsyncTransport
from catvq_client.calls import Call, segment
from catvq_client.records import Key, KeyScope


class AsyncKeys:
    """Creates, lists, rotates and revokes API keys; every method needs an admin key."""

    def __init__(self, transport: AsyncTransport) -> None:
        self._transport = transport

    async def create(self, scope: KeyScope, *, name: str | None = None) -> Key:
        """Create a key; its secret is not shown again."""
        call = Call("POST", "/v1/keys", json={"scope": scope, "name": name})
        return await self._transport.record(Key, call)

    async def list(self) -> list[Key]:
        """Return all keys without their secrets, newest first."""
        return [item async for item in self._transport.records(Key, Call("GET", "/v1/keys"))]

    async def rotate(self, key_id: str) -> Key:
        """Replace a key's secret; the old one is invalid within a second."""
        return await self._transport.record(Key, Call("POST", f"/v1/keys/{segment(key_id)}/rotate"))

    async def revoke(self, key_id: str) -> None:
        """Revoke a key within a second."""
        await self._transport.send(Call("DELETE", f"/v1/keys/{segment(key_id)}"))
