"""Speech over Wyoming: what Piper does, failing over, and cancelling."""

from __future__ import annotations

import math
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
import trio

from providers.asr import sherpa
from providers.tts import espeak, wyoming
from providers.wyoming import servers
from tests.asyncio_wyoming import asyncio_server, speaking
from tests.contract.asr_contract import transcribe
from tests.helpers_speech import TINY_MODEL
from tests.helpers_wyoming import listener, served_synthesizer, unreliable
from trioagent.errors import ProviderError
from trioagent.interfaces import HEARING_RATE_HZ, Pcm, Speech
from trioagent.resampling import PhraseResampler
from trioagent.serving.info import synthesizer_info
from trioagent.wyoming.connection import Connection, LostConnection
from trioagent.wyoming.framing import Event

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from trioagent.interfaces import Synthesizer

TIMER = "set a timer for five minutes"
TWO_SENTENCES = "turn on the light. what time is it"
RATE_HZ = 16_000
FORM = {"rate": RATE_HZ, "width": 2, "channels": 1}


@asynccontextmanager
async def client(*uris: str, **more: Any) -> AsyncIterator[Synthesizer]:
    options = {"answer_timeout_s": 5.0, "check_interval_s": 60.0, **more}
    async with wyoming.PROVIDER.open(wyoming.Options(uris=uris, **options)) as opened:
        yield opened


async def say(synthesizer: Synthesizer, phrase: str) -> Pcm:
    send, receive = trio.open_memory_channel[Speech](math.inf)
    with send:
        await synthesizer.synthesize(phrase, send)
    pieces = [speech.pcm async for speech in receive]
    return np.concatenate(pieces) if pieces else np.zeros(0, np.int16)


async def understood(pcm: Pcm, rate_hz: int) -> str:
    """What the tiny model hears."""
    resampler = PhraseResampler(rate_hz, HEARING_RATE_HZ)
    heard = np.concatenate([resampler.push(Speech(pcm)).pcm, resampler.finish()])
    options = sherpa.Options(model=str(TINY_MODEL))
    async with sherpa.PROVIDER.open(options) as recognizer:
        return await transcribe(recognizer, heard)


# --- servers --------------------------------------------------------------------------


@pytest.mark.parametrize("streams", [False, True])
async def test_a_server_made_with_the_wyoming_package(streams: bool) -> None:
    seen: list[str] = []
    with asyncio_server(speaking(seen, streams=streams)) as uri:
        async with client(uri) as synthesizer:
            assert synthesizer.rate_hz == 22_050
            seen.clear()
            pcm = await say(synthesizer, TWO_SENTENCES)
    assert await understood(pcm, 22_050) == TWO_SENTENCES.replace(".", "")
    asked = [kind for kind in seen if kind.startswith("synthesize")]
    in_pieces = ["synthesize-start", "synthesize-chunk", "synthesize"]
    assert asked == ([*in_pieces, "synthesize-stop"] if streams else ["synthesize"])


async def test_our_own_server_says_what_espeak_says() -> None:
    async with (
        espeak.PROVIDER.open(espeak.Options()) as direct,
        served_synthesizer() as uri,
        client(uri) as served,
    ):
        assert served.rate_hz == direct.rate_hz
        for phrase in (TIMER, "Grüße aus Köln, ja!"):
            # espeak-ng itself differs by some pitch periods from one time to the next.
            spoken = len(await say(served, phrase)), len(await say(direct, phrase))
            assert spoken[0] == pytest.approx(spoken[1], rel=0.03)
            assert spoken[1] > 20_000


# --- failing over ---------------------------------------------------------------------


@asynccontextmanager
async def scripted(*steps: Event | float, rate_hz: int = RATE_HZ) -> AsyncIterator[str]:
    """A server that answers each text with these events; a float is a pause.

    After the last one, it closes the connection.
    """
    info = synthesizer_info("x", ["en"])
    info.data["tts"][0]["supports_synthesize_streaming"] = False

    async def serve(stream: trio.SocketStream) -> None:
        connection = Connection(stream)
        try:
            while (event := await connection.receive()) is not None:
                if event.type == "describe":
                    await connection.send(info)
                elif event.type == "synthesize":
                    for step in steps:
                        if isinstance(step, float):
                            await trio.sleep(step)
                        else:
                            await connection.send(step)
                    return
        except LostConnection:
            return

    async with listener(serve) as uri:
        yield uri


START, STOP = Event("audio-start", FORM), Event("audio-stop")
PIECE = Event("audio-chunk", FORM, bytes(640))


@pytest.mark.parametrize(
    "steps",
    [
        [],
        [START],
        [Event("error", {"text": "out of memory"})],
        [START, Event("error", {"text": "out of memory"})],
        [Event("audio-start", {**FORM, "rate": 22_050})],
        [60.0],
    ],
    ids=["closes", "begins", "fails", "begins and fails", "another rate", "is silent"],
)
async def test_another_server_takes_over_before_anything_was_heard(
    steps: list[Any],
) -> None:
    async with (
        scripted(*steps) as first,
        scripted(START, PIECE, PIECE, STOP) as second,
        client(first, second, rate_hz=RATE_HZ, answer_timeout_s=0.3) as synthesizer,
    ):
        assert len(await say(synthesizer, TIMER)) == 640


async def test_a_server_that_was_silent_until_we_gave_up_is_not_asked_first_again(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Who waits for a phrase has less patience than `answer_timeout_s`."""
    monkeypatch.setattr(servers, "STALLED_S", 0.05)
    async with (
        served_synthesizer() as target,
        unreliable(target) as first,
        unreliable(target) as second,
        client(first.uri, second.uri, answer_timeout_s=60.0) as synthesizer,
    ):
        first.stalls = True
        with trio.move_on_after(0.2) as patience:
            await say(synthesizer, TIMER)
        assert patience.cancelled_caught
        with trio.fail_after(5):
            assert len(await say(synthesizer, TIMER)) > 20_000


async def test_what_was_heard_is_not_said_again_by_another_server() -> None:
    async with (
        scripted(START, PIECE, 0.05) as first,
        scripted(START, PIECE, PIECE, STOP) as second,
        client(first, second, rate_hz=RATE_HZ) as synthesizer,
    ):
        send, receive = trio.open_memory_channel[Speech](10)
        with pytest.raises(ProviderError, match="closed the connection"):
            await synthesizer.synthesize(TIMER, send)
        assert receive.statistics().current_buffer_used == 1
        assert len(await say(synthesizer, TIMER)) == 640


async def test_the_next_phrase_works_when_the_server_is_back() -> None:
    async with (
        served_synthesizer() as target,
        unreliable(target) as way,
        client(way.uri) as synthesizer,
    ):
        way.kill()
        with pytest.raises(ProviderError, match=way.uri):
            await say(synthesizer, TIMER)
        way.refuses = False
        assert len(await say(synthesizer, TIMER)) > 20_000


# --- cancelling and holding back ------------------------------------------------------


async def test_cancelling_closes_the_connection_and_the_next_is_open_already() -> None:
    async with served_synthesizer() as target, unreliable(target) as way:
        async with client(way.uri) as synthesizer:
            long = TWO_SENTENCES * 20
            for _ in range(5):
                send, receive = trio.open_memory_channel[Speech](0)
                with trio.fail_after(5):
                    async with trio.open_nursery() as nursery:
                        nursery.start_soon(synthesizer.synthesize, long, send)
                        await receive.receive()
                        nursery.cancel_scope.cancel()
                    assert len(await say(synthesizer, TIMER)) > 20_000
            assert [s.load for s in synthesizer._servers.all] == [0]  # type: ignore[attr-defined]
        with trio.fail_after(5):
            while any(not scope.cancel_called for scope in way.scopes):  # noqa: ASYNC110
                await trio.sleep(0.01)


async def test_a_receiver_without_room_holds_up_no_server() -> None:
    """All is read at once, so that the server is free; then it is sent on in order."""
    pieces = [
        Event("audio-chunk", FORM, np.full(320, n, np.int16).tobytes())
        for n in range(200)
    ]
    async with (
        scripted(START, *pieces, STOP) as uri,
        client(uri, rate_hz=RATE_HZ) as synthesizer,
    ):
        server = synthesizer._servers.all[0]  # type: ignore[attr-defined]
        send, receive = trio.open_memory_channel[Speech](2)

        async def speak() -> None:
            with send:
                await synthesizer.synthesize(TIMER, send)

        async with trio.open_nursery() as nursery:
            nursery.start_soon(speak)
            first = await receive.receive()
            with trio.fail_after(5):
                while server.load:  # noqa: ASYNC110 - no event
                    await trio.sleep(0.001)
            rest = [speech.pcm async for speech in receive]
    said = np.concatenate([first.pcm, *rest])
    np.testing.assert_array_equal(said[::320], np.arange(200))


async def test_a_receiver_that_is_gone() -> None:
    async with served_synthesizer() as uri, client(uri) as synthesizer:
        send, receive = trio.open_memory_channel[Speech](1)
        receive.close()
        with pytest.raises(trio.BrokenResourceError):
            await synthesizer.synthesize(TIMER, send)
        assert len(await say(synthesizer, TIMER)) > 20_000


async def test_several_phrases_at_once() -> None:
    async with served_synthesizer() as uri, client(uri) as synthesizer:
        phrases = [TIMER, "hello", TWO_SENTENCES.replace(".", ""), "call alice"]
        said: dict[str, Pcm] = {}

        async def speak(phrase: str) -> None:
            said[phrase] = await say(synthesizer, phrase)

        async with trio.open_nursery() as nursery:
            for phrase in phrases:
                nursery.start_soon(speak, phrase)
    for phrase in phrases:
        assert await understood(said[phrase], 22_050) == phrase


async def test_the_voice_that_was_configured_is_asked_for() -> None:
    asked: list[dict[str, Any]] = []

    async def serve(stream: trio.SocketStream) -> None:
        connection = Connection(stream)
        while (event := await connection.receive()) is not None:
            if event.type == "describe":
                await connection.send(synthesizer_info("amy", ["en"]))
            elif event.type == "synthesize":
                asked.append(event.data)
                await connection.send(START, PIECE, STOP, Event("synthesize-stopped"))

    async with listener(serve) as uri:
        async with client(uri, voice="amy", speaker="2") as synthesizer:
            await say(synthesizer, TIMER)
        async with client(uri, language="en") as synthesizer:
            await say(synthesizer, TIMER)
    assert [data.get("voice") for data in asked] == [
        *[{"name": "amy", "speaker": "2"}] * 2,
        *[{"language": "en"}] * 2,
    ]
    assert [data["text"] for data in asked] == ["Hello.", TIMER] * 2
