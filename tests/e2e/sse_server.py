"""An OpenAI-like chat server over real sockets, which does what a script says.

For tests, and by hand: `python -m tests.e2e.sse_server --port 8000 --reply "Hello."`
It counts connections, keeps the requests, and notices who hangs up early.
"""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Callable, Sequence
from contextlib import asynccontextmanager, suppress
from functools import partial
from typing import TYPE_CHECKING, Any, Literal

import attrs
import h11
import trio

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

Json = dict[str, Any]
Piece = str | Json | bytes
"""A delta's content; or a whole delta; or raw bytes of the event stream."""


class _BrokenOffError(Exception):
    """The connection ended before the answer did."""


@attrs.frozen(kw_only=True)
class Answer:
    """What the server does with one chat request.

    Attributes:
        pieces: The reply: (seconds to wait first, piece).
        ending: After the pieces: a finish reason and `[DONE]`; only one of them; just
            the end of the body; the connection closed in the middle of the body;
            nothing more, for ever; or `[DONE]` and a body that never ends.
        status: Other than 200: `error` is the answer's JSON body.
        headers: More of them, with such a status.
        headers_delay_s: How long the answer's first byte takes.
        hang_up: Close the connection instead of answering.
        cut_bytes: Write the event stream in parts of so many bytes.
        content_type: Of the event stream.
    """

    pieces: Sequence[tuple[float, Piece]] = ()
    ending: Literal["full", "finish", "done", "none", "cut", "stall", "linger"] = "full"
    status: int = 200
    error: object = None
    headers: Sequence[tuple[str, str]] = ()
    headers_delay_s: float = 0.0
    hang_up: bool = False
    cut_bytes: int = 1 << 16
    content_type: str = "text/event-stream"


Script = Answer | Sequence[Answer] | Callable[[Json], Answer]


def says(text: str, *, first_s: float = 0.0, token_s: float = 0.0) -> Answer:
    """Answer with `text` word by word."""
    words = [word + " " for word in text.split()]
    delays = [first_s] + [token_s] * len(words)
    return Answer(pieces=tuple(zip(delays, words, strict=False)))


@attrs.frozen
class Request:
    method: str
    path: str
    headers: dict[str, str]
    body: Json


@attrs.define(eq=False)
class SseServer:
    """The running server. `script` and `models` may be changed at any time.

    Attributes:
        url: The base URL, with "/v1".
        script: One answer for all, answers in turn (the last repeats), or a function.
        models: What GET /models lists; None answers 404.
        requests: All chat requests so far.
        connections: How many connections were opened so far.
        open_connections: How many are open now.
        cancelled: How many answers were cut short by the client hanging up.
    """

    url: str
    script: Script
    models: Sequence[str] | None = ("test-model",)
    requests: list[Request] = attrs.field(factory=list)
    connections: int = 0
    open_connections: int = 0
    cancelled: int = 0
    _changed: trio.Event = attrs.field(factory=trio.Event, init=False)

    def answer_to(self, body: Json) -> Answer:
        if callable(self.script):
            return self.script(body)
        if isinstance(self.script, Answer):
            return self.script
        first, *rest = self.script
        if rest:
            self.script = rest
        return first

    async def until(self, condition: Callable[[SseServer], bool]) -> None:
        """Wait until `condition` holds; five seconds are too long."""
        await trio.lowlevel.checkpoint()
        with trio.fail_after(5):
            while not condition(self):
                await self._changed.wait()

    def notify(self) -> None:
        """Something that `until` may wait for has changed."""
        self._changed.set()
        self._changed = trio.Event()


class _Connection:
    def __init__(self, server: SseServer, stream: trio.SocketStream) -> None:
        self._server = server
        self._stream = stream
        self._http = h11.Connection(h11.SERVER)

    async def serve(self) -> None:
        while (request := await self._request()) is not None:
            if not await self._answer(request):
                return
            if self._http.our_state is not h11.DONE:
                return
            self._http.start_next_cycle()

    async def _event(self) -> Any:
        while (event := self._http.next_event()) is h11.NEED_DATA:
            self._http.receive_data(await self._stream.receive_some())
        return event

    async def _request(self) -> Request | None:
        head = await self._event()
        if not isinstance(head, h11.Request):
            return None
        body = b""
        while isinstance(event := await self._event(), h11.Data):
            body += event.data
        headers = {name.decode(): value.decode() for name, value in head.headers}
        return Request(
            head.method.decode(),
            head.target.decode(),
            headers,
            json.loads(body or b"{}"),
        )

    async def _answer(self, request: Request) -> bool:
        """Whether the connection can go on."""
        if request.path.endswith("/models") and self._server.models is not None:
            listing = [{"id": name, "object": "model"} for name in self._server.models]
            await self._send_json(200, {"object": "list", "data": listing})
            return True
        if not request.path.endswith("/chat/completions"):
            await self._send_json(404, {"error": {"message": "no such path"}})
            return True
        self._server.requests.append(request)
        self._server.notify()
        answer = self._server.answer_to(request.body)
        if answer.hang_up:
            return False
        async with trio.open_nursery() as nursery:
            nursery.start_soon(self._watch)
            await trio.sleep(answer.headers_delay_s)
            if answer.status == 200:
                await self._send_stream(answer)
            else:
                await self._send_json(answer.status, answer.error, answer.headers)
            nursery.cancel_scope.cancel()
        return True

    async def _watch(self) -> None:
        """A client has nothing to say while we answer, except that it is gone."""
        with suppress(trio.BrokenResourceError):
            if await self._stream.receive_some():
                raise h11.RemoteProtocolError("spoke out of turn")
        self._server.cancelled += 1
        self._server.notify()
        raise _BrokenOffError

    async def _send(self, event: h11.Event) -> None:
        data = self._http.send(event)
        if data:
            await self._stream.send_all(data)

    async def _send_json(
        self, status: int, value: object, more: Sequence[tuple[str, str]] = ()
    ) -> None:
        body = json.dumps(value).encode()
        headers = [
            ("content-type", "application/json"),
            ("content-length", str(len(body))),
            *more,
        ]
        await self._send(h11.Response(status_code=status, headers=headers))
        await self._send(h11.Data(data=body))
        await self._send(h11.EndOfMessage())

    async def _send_stream(self, answer: Answer) -> None:
        headers = [
            ("content-type", answer.content_type),
            ("transfer-encoding", "chunked"),
        ]
        await self._send(h11.Response(status_code=200, headers=headers))
        cut = answer.cut_bytes
        for delay_s, piece in answer.pieces:
            await trio.sleep(delay_s)
            raw = _event_bytes(piece)
            for start in range(0, len(raw), cut):
                await self._send(h11.Data(data=raw[start : start + cut]))
        if answer.ending == "stall":
            await trio.sleep_forever()
        if answer.ending == "cut":
            raise _BrokenOffError
        if answer.ending in ("full", "finish"):
            await self._send(h11.Data(data=_chunk({}, "stop")))
        if answer.ending in ("full", "done", "linger"):
            await self._send(h11.Data(data=b"data: [DONE]\n\n"))
        if answer.ending == "linger":
            await trio.sleep_forever()
        await self._send(h11.EndOfMessage())


def _chunk(delta: Json, finish_reason: str | None = None) -> bytes:
    choice = {"index": 0, "delta": delta, "finish_reason": finish_reason}
    chunk = {"object": "chat.completion.chunk", "choices": [choice]}
    return b"data: " + json.dumps(chunk, ensure_ascii=False).encode() + b"\n\n"


def _event_bytes(piece: Piece) -> bytes:
    if isinstance(piece, bytes):
        return piece
    return _chunk({"content": piece} if isinstance(piece, str) else piece)


async def _serve(server: SseServer, stream: trio.SocketStream) -> None:
    server.connections += 1
    server.open_connections += 1
    server.notify()
    # Whatever a client does to its connection, the server goes on.
    try:
        await _Connection(server, stream).serve()
    except* (_BrokenOffError, trio.BrokenResourceError, h11.ProtocolError):
        pass
    finally:
        server.open_connections -= 1
        server.notify()


@asynccontextmanager
async def open_sse_server(script: Script, *, port: int = 0) -> AsyncIterator[SseServer]:
    """Serve on 127.0.0.1 until the block ends; all connections end with it."""
    listeners = await trio.open_tcp_listeners(port, host="127.0.0.1")
    bound = listeners[0].socket.getsockname()[1]
    server = SseServer(f"http://127.0.0.1:{bound}/v1", script)
    async with trio.open_nursery() as nursery:
        await nursery.start(
            partial(trio.serve_listeners, partial(_serve, server), listeners)
        )
        yield server
        nursery.cancel_scope.cancel()


def _last_user_text(body: Json) -> str:
    texts = [m["content"] for m in body.get("messages", ()) if m["role"] == "user"]
    return str(texts[-1]) if texts else ""


async def _main(args: argparse.Namespace) -> None:
    def script(body: Json) -> Answer:
        return says(
            args.reply.replace("{user}", _last_user_text(body)),
            first_s=args.first_token_ms / 1000,
            token_s=args.token_ms / 1000,
        )

    async with open_sse_server(script, port=args.port) as server:
        sys.stdout.write(f"{server.url}\n")
        sys.stdout.flush()
        await trio.sleep_forever()


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--port", type=int, default=0)
    parser.add_argument("--reply", default="You said: {user}")
    parser.add_argument("--first-token-ms", type=float, default=0.0)
    parser.add_argument("--token-ms", type=float, default=0.0)
    trio.run(_main, parser.parse_args())
