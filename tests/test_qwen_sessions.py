"""Realtime sessions: how they break off, end, and are kept alive."""

from __future__ import annotations

import json
import ssl
from typing import TYPE_CHECKING

import attrs
import pytest
import trio
import trustme
from wsproto import ConnectionType, WSConnection
from wsproto.events import (
    AcceptConnection,
    CloseConnection,
    Ping,
    Pong,
    TextMessage,
)
from wsproto.events import Request as WebSocketRequest

from providers.asr import qwen
from providers.asr.qwen_session import NoRealtime, open_session
from tests.contract.asr_contract import transcribe
from tests.helpers_qwen_hostile import (
    CREATED,
    SOME_AUDIO,
    Again,
    Script,
    hasty,
    listening,
    with_models,
)
from trioagent.errors import ProviderError

if TYPE_CHECKING:
    from pathlib import Path

BREAKS_OFF = {
    "is silent": ([], "no transcript within"),
    "fails": ([TextMessage(data='{"type":"error","error":"CUDA"}')], "CUDA"),
    "closes": ([CloseConnection(code=1011)], "1011"),
    "sends no event": ([TextMessage(data="[1]")], "sent no event"),
    "sends deep nonsense": ([TextMessage(data="[" * 100_000)], "sent no event"),
    "sends a delta without one": (
        [TextMessage(data='{"type":"transcription.delta"}')],
        "has no delta",
    ),
    "talks without end": (
        [
            TextMessage(
                data=json.dumps({"type": "transcription.delta", "delta": "x" * 30_000})
            )
        ]
        * 4,
        "more than 100000",
    ),
}


@pytest.mark.parametrize("name", BREAKS_OFF)
async def test_a_session_that_breaks_off_is_an_error_of_the_utterance(
    name: str,
) -> None:
    then, said = BREAKS_OFF[name]
    async with (
        listening(with_models(Script(then=then))) as base_url,
        qwen.PROVIDER.open(hasty(base_url)) as recognizer,
    ):
        with trio.fail_after(5), pytest.raises(ProviderError, match=said):
            await transcribe(recognizer, SOME_AUDIO)


async def test_pings_are_answered_while_audio_is_sent() -> None:
    pongs: list[bytes] = []

    async def behave(stream: trio.SocketStream) -> None:
        wire = WSConnection(ConnectionType.SERVER)
        while data := await stream.receive_some():
            wire.receive_data(bytes(data))
            for event in wire.events():
                if isinstance(event, WebSocketRequest):
                    created = TextMessage(data=CREATED)
                    for answer in (AcceptConnection(), created, Ping(payload=b"1")):
                        await stream.send_all(wire.send(answer))
                elif isinstance(event, Pong):
                    pongs.append(bytes(event.payload))
                elif isinstance(event, TextMessage) and "true" in event.data:
                    done = '{"type": "transcription.done", "text": "fine"}'
                    await stream.send_all(wire.send(TextMessage(data=done)))

    async with (
        listening(with_models(behave)) as base_url,
        qwen.PROVIDER.open(hasty(base_url)) as recognizer,
    ):
        assert await transcribe(recognizer, SOME_AUDIO) == "fine"
    assert b"1" in pongs


@pytest.mark.parametrize("mode", ["realtime", "transcriptions"])
async def test_who_is_cancelled_closes_the_connection(mode: str) -> None:
    asked, closed = trio.Event(), trio.Event()

    async def reads_all(stream: trio.SocketStream) -> None:
        received = b""
        while data := bytes(await stream.receive_some()):
            received += data
            if b"RIFF" in received:
                asked.set()

    async def serve(stream: trio.SocketStream) -> None:
        first = bytes(await stream.receive_some())
        if b"/models" in first:
            await stream.send_all(b"HTTP/1.1 404 No\r\nContent-Length: 0\r\n\r\n")
            first = b""
        behave = Script(concluded=asked) if b"/realtime" in first else reads_all
        await behave(Again(stream, first))  # type: ignore[arg-type] # as a stream
        if asked.is_set():
            closed.set()

    async with listening(serve) as base_url:
        options = qwen.Options(base_url=base_url, mode=mode)
        async with qwen.PROVIDER.open(options) as recognizer:
            with trio.fail_after(5), trio.CancelScope() as scope:
                async with (
                    recognizer.stream() as stream,
                    trio.open_nursery() as nursery,
                ):
                    await stream.feed(SOME_AUDIO)
                    nursery.start_soon(stream.finish)
                    await asked.wait()
                    scope.cancel()
            assert scope.cancelled_caught
            with trio.fail_after(5):
                await closed.wait()


async def test_a_certificate_that_nobody_vouches_for_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    authority = trustme.CA()
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    authority.issue_cert("127.0.0.1").configure_cert(context)

    async def serve(stream: trio.SocketStream) -> None:
        secure = trio.SSLStream(stream, context, server_side=True)
        await Script()(secure)  # type: ignore[arg-type] # it is a stream, too

    async with listening(serve) as base_url:
        url = base_url.replace("http:", "https:")
        options = attrs.evolve(hasty(url), connect_timeout_s=5)
        with trio.fail_after(5), pytest.raises(NoRealtime, match="certificate"):
            await open_session(options)
        authority.cert_pem.write_to_path(str(tmp_path / "ca.pem"))
        monkeypatch.setenv("SSL_CERT_FILE", str(tmp_path / "ca.pem"))
        session = await open_session(options)
        session.socket.close()
