"""What a server costs that does nothing."""

from typing import Any

from fastapi import FastAPI

fastapi_app = FastAPI()


@fastapi_app.get("/")
async def say_hello() -> dict[str, str]:
    """Answer with something."""
    return {"hello": "world"}


async def bare_app(scope: dict[str, Any], _receive: Any, send: Any) -> None:
    """Answer with something, without a framework."""
    if scope["type"] == "http":
        headers = [(b"content-type", b"application/json"), (b"content-length", b"17")]
        await send({"type": "http.response.start", "status": 200, "headers": headers})
        await send({"type": "http.response.body", "body": b'{"hello":"world"}'})
