"""An HTTP server of one file, which can behave as badly as real ones do."""

from __future__ import annotations

import hashlib
import threading
from collections import deque
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import attrs

Behaviour = Callable[["Request"], None]


class Request(BaseHTTPRequestHandler):
    """A request, with what the behaviours need to answer it."""

    protocol_version = "HTTP/1.1"
    files: FileServer

    def do_GET(self) -> None:
        self.files.asked.append((self.path, self.headers.get("Range")))
        script = self.files.script
        behave = script.popleft() if script else honest
        behave(self)

    def log_message(self, *args: object) -> None:
        pass

    def begin(self, status: int, length: int, **headers: str) -> None:
        self.send_response(status)
        self.send_header("Content-Length", str(length))
        for name, value in headers.items():
            self.send_header(name.replace("_", "-"), value)
        if self.files.etag:
            self.send_header("ETag", self.files.etag)
        self.end_headers()

    @property
    def offset(self) -> int:
        """Where to begin; 0 also when they have another version."""
        asked = self.headers.get("Range", "")
        same = self.headers.get("If-Range", self.files.etag) == self.files.etag
        return int(asked[6:].rstrip("-")) if asked and same else 0

    def begin_honestly(self) -> bytes:
        """Send the header; return what is to be sent after it."""
        data, offset = self.files.data, self.offset
        if offset:
            span = f"bytes {offset}-{len(data) - 1}/{len(data)}"
            self.begin(206, len(data) - offset, Content_Range=span)
        else:
            self.begin(200, len(data))
        return data[offset:]


@attrs.define(eq=False)
class FileServer:
    """What it serves, how it behaves (honestly when the script is over), who asked."""

    data: bytes = b""
    etag: str = '"1"'
    url: str = ""
    script: deque[Behaviour] = attrs.Factory(deque)
    asked: list[tuple[str, str | None]] = attrs.Factory(list)
    over: threading.Event = attrs.Factory(threading.Event)

    @property
    def sha256(self) -> str:
        return hashlib.sha256(self.data).hexdigest()


class _Server(ThreadingHTTPServer):
    daemon_threads = False

    def handle_error(self, request: object, client_address: object) -> None:
        """The client left, as it may."""


@contextmanager
def file_server(data: bytes = b"") -> Iterator[FileServer]:
    """Serve on a port of this machine until the block ends."""
    files = FileServer(data)
    handler = type("Handler", (Request,), {"files": files})
    server = _Server(("127.0.0.1", 0), handler)
    files.url = f"http://127.0.0.1:{server.server_port}"
    thread = threading.Thread(target=server.serve_forever, args=(0.02,))
    thread.start()
    try:
        yield files
    finally:
        files.over.set()
        server.shutdown()
        thread.join()
        server.server_close()


def honest(request: Request) -> None:
    request.wfile.write(request.begin_honestly())


def break_off(after: int) -> Behaviour:
    """Close the connection after so many bytes of the body."""

    def behave(request: Request) -> None:
        request.wfile.write(request.begin_honestly()[:after])
        request.close_connection = True

    return behave


def stall(after: int) -> Behaviour:
    """Send nothing more after so many bytes, and keep the connection."""

    def behave(request: Request) -> None:
        request.wfile.write(request.begin_honestly()[:after])
        request.wfile.flush()
        request.files.over.wait(20)
        request.close_connection = True

    return behave


def ignore_range(request: Request) -> None:
    """Send all of it, whatever part was asked for."""
    request.begin(200, len(request.files.data))
    request.wfile.write(request.files.data)


def changed_to(data: bytes, etag: str) -> Behaviour:
    """From now on it is another file; they are told so if they ask (If-Range)."""

    def behave(request: Request) -> None:
        request.files.data, request.files.etag = data, etag
        honest(request)

    return behave


def changed_silently(data: bytes, etag: str) -> Behaviour:
    """It is another file, and its part is sent in spite of If-Range."""

    def behave(request: Request) -> None:
        offset = request.offset
        request.files.data, request.files.etag = data, etag
        span = f"bytes {offset}-{len(data) - 1}/{len(data)}"
        request.begin(206, len(data) - offset, Content_Range=span)
        request.wfile.write(data[offset:])

    return behave


def claim_length(length: int) -> Behaviour:
    """Say that it is so long, send what there is, and close."""

    def behave(request: Request) -> None:
        request.begin(200, length)
        request.wfile.write(request.files.data[:length])
        request.close_connection = True

    return behave


def status(code: int, body: bytes = b"no") -> Behaviour:
    def behave(request: Request) -> None:
        request.begin(code, len(body))
        request.wfile.write(body)

    return behave


def redirect_to(url: str) -> Behaviour:
    def behave(request: Request) -> None:
        request.begin(302, 0, Location=url)

    return behave


def without_length(request: Request) -> None:
    """Send all of it in chunks, without saying how much there is."""
    request.send_response(200)
    request.send_header("Transfer-Encoding", "chunked")
    request.end_headers()
    for start in range(0, len(request.files.data), 1 << 16):
        part = request.files.data[start : start + (1 << 16)]
        request.wfile.write(b"%x\r\n%s\r\n" % (len(part), part))
    request.wfile.write(b"0\r\n\r\n")


def without_end(request: Request) -> None:
    """Send for ever."""
    request.send_response(200)
    request.send_header("Transfer-Encoding", "chunked")
    request.end_headers()
    part = bytes(1 << 16)
    try:
        while not request.files.over.is_set():
            request.wfile.write(b"%x\r\n%s\r\n" % (len(part), part))
    except OSError:
        request.close_connection = True
