"""The HTTP client of providers: whom it asks, and what it does not wait for."""

from __future__ import annotations

from contextlib import asynccontextmanager
from functools import partial
from typing import TYPE_CHECKING

import attrs
import httpx
import trio

from providers.http_client import http_client

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    import pytest

ANSWER = b"HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: 2\r\n\r\nok"


@attrs.define(eq=False)
class Server:
    """Says "ok", but never to who asks for /slow."""

    url: str = ""
    slow: trio.Event = attrs.Factory(trio.Event)

    async def serve(self, stream: trio.SocketStream) -> None:
        async with stream:
            if b"/slow" in await stream.receive_some():
                self.slow.set()
                await trio.sleep_forever()
            await stream.send_all(ANSWER)


@asynccontextmanager
async def serving() -> AsyncIterator[Server]:
    server = Server()
    async with trio.open_nursery() as nursery:
        (listener,) = await nursery.start(
            partial(trio.serve_tcp, server.serve, 0, host="127.0.0.1")
        )
        server.url = f"http://127.0.0.1:{listener.socket.getsockname()[1]}"
        yield server
        nursery.cancel_scope.cancel()


async def test_no_proxy_is_asked_for_what_is_on_this_machine(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("ALL_PROXY", "http://127.0.0.1:1")
    monkeypatch.setenv("HTTP_PROXY", "http://127.0.0.1:1")
    async with serving() as server, http_client("", 5) as client:
        assert (await client.get(server.url)).text == "ok"


async def test_no_request_waits_for_another() -> None:
    async with (
        serving() as server,
        http_client("", 5) as client,
        trio.open_nursery() as nursery,
    ):
        nursery.start_soon(client.get, f"{server.url}/slow")
        await server.slow.wait()
        with trio.fail_after(10):
            assert (await client.get(server.url)).text == "ok"
        nursery.cancel_scope.cancel()


async def test_a_connection_is_waited_for_so_long_and_an_answer_by_who_asks() -> None:
    async with http_client("", 2.5) as client:
        assert client.timeout == httpx.Timeout(None, connect=2.5)
