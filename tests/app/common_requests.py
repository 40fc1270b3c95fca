"""Common requests, what they should give, and a client that sends them byte by byte as it is told."""

import socket
import struct

import httptools
import numpy as np

RAW = "application/octet-stream"
ROWS = np.array([[-1, 0, 2], [3, 4, 4], [3, 4, np.nan]], "<f4")
CODES = [[0, 0], [1, 2], [1, 1]]
HEADERS = {"content-type": RAW, "accept": RAW}


def encode(client, model_id, rows=ROWS, headers=None, **options):
    path = f"/v1/models/{model_id}/encodings"
    return client.post(path, content=rows.tobytes(), headers=HEADERS | (headers or {}), **options)


def codes_of(body):
    return np.frombuffer(body, "<i8").reshape(-1, 2).tolist()


def count(client, status):
    """How many encodings were answered so, and how many rows encoded."""
    route = 'method="POST",route="/v1/models/{model_id}/encodings"'
    lines = [f'catvq_http_requests_total{{{route},status="{status}"}} ', "\ncatvq_encoded_rows_total "]
    text = client.get("/metrics").text
    return [float(text.partition(line)[2].partition("\n")[0] or 0) for line in lines]


class Connection:
    """A client that says exactly what it is told to."""

    def __init__(self, client, *, buffer_bytes=None):
        self._socket = socket.socket()
        self._socket.settimeout(20)
        if buffer_bytes is not None:
            self._socket.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, buffer_bytes)
        self._socket.connect((client.base_url.host, client.base_url.port))

    def send(self, *requests):
        self._socket.sendall(b"".join(requests))

    def ask(self, request):
        self.send(request)
        return self.receive(1)

    def receive(self, count):
        """The next answers: of each its status, its headers and its body."""
        answers = _Answers()
        parser = httptools.HttpResponseParser(answers)
        while len(answers.complete) < count and (data := self._socket.recv(65536)):
            parser.feed_data(data)
        return answers.complete

    def is_closed_by_the_server(self):
        return self._socket.recv(1) == b""

    def send_ahead(self, data, *, times):
        """Send as long as somebody reads; returns how often all of it was taken."""
        self._socket.settimeout(1)
        for sent in range(times):
            try:
                self._socket.sendall(data)
            except TimeoutError:
                return sent
        return times

    def reset(self):
        self._socket.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self._socket.close()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self._socket.close()


class _Answers:
    def __init__(self):
        self.complete = []
        self.on_message_begin()

    def on_message_begin(self):
        self._headers, self._body = {}, b""

    def on_header(self, name, value):
        self._headers[name.decode().lower()] = value.decode()

    def on_body(self, body):
        self._body += body

    def on_message_complete(self):
        self.complete.append((self._headers, self._body))


def request(model_id, rows, *headers, version="1.1"):
    body = rows.tobytes()
    lines = [
        f"POST /v1/models/{model_id}/encodings HTTP/{version}",
        "host: localhost",
        f"content-type: {RAW}",
        f"accept: {RAW}",
        f"content-length: {len(body)}",
        *headers,
    ]
    return "\r\n".join([*lines, "", ""]).encode() + body
