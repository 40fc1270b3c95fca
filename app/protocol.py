"""How the API reads HTTP: as uvicorn does, but what cannot be read is refused as a problem like any error."""

from starlette.requests import Request
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

from app.errors import NotParseableError, problem_response
from app.middleware import complete_headers, new_request_id


class Protocol(HttpToolsProtocol):
    """One connection; for `uvicorn --http app.protocol:Protocol`."""

    def send_400_response(self, msg: str) -> None:
        """Refuse what is no HTTP request, and close the connection: where the next one begins is unknown."""
        request_id = new_request_id()
        request = Request({"type": "http", "state": {"request_id": request_id}})
        answer = problem_response(
            request, NotParseableError(msg, code="invalid_http", headers={"Connection": "close"})
        )
        complete_headers(answer.headers, request_id, path=None)
        headers = (name + b": " + value + b"\r\n" for name, value in answer.raw_headers)
        head = b"HTTP/1.1 400 Bad Request\r\n" + b"".join(headers) + b"\r\n"
        self.transport.write(head + bytes(answer.body))
        self.transport.close()
