"""Recognition over Wyoming: other people's servers, connections, and failing over."""

from __future__ import annotations

import logging
from contextlib import AsyncExitStack, asynccontextmanager
from typing import TYPE_CHECKING, Any

import pytest
import trio

from providers.asr import sherpa, wyoming
from providers.wyoming import servers
from tests.asyncio_wyoming import asyncio_server, recognizing
from tests.contract.asr_contract import transcribe
from tests.helpers_speech import TINY_MODEL, frames, say, silence
from tests.helpers_wyoming import (
    listener,
    recognizer_server,
    running,
    served_recognizer,
    unreliable,
)
from trioagent.errors import ProviderError
from trioagent.serving.info import recognizer_info
from trioagent.wyoming.connection import Connection, LostConnection
from trioagent.wyoming.framing import Event

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from trioagent.interfaces import Pcm, Recognizer

WEATHER = "what is the weather like in paris tomorrow"
TIMER = "set a timer for five minutes"


@asynccontextmanager
async def client(*uris: str, **more: Any) -> AsyncIterator[Recognizer]:
    options = {"answer_timeout_s": 5.0, "check_interval_s": 60.0, **more}
    async with wyoming.PROVIDER.open(wyoming.Options(uris=uris, **options)) as opened:
        yield opened


async def said_until(stream: Any, pieces: list[Pcm]) -> list[str]:
    return [await stream.feed(piece) for piece in pieces]


# --- failing over ---------------------------------------------------------------------


@pytest.mark.parametrize("share", [0.0, 0.3, 0.9])
@pytest.mark.parametrize("how", ["kill", "stall"])
async def test_another_server_takes_over_in_the_middle_of_an_utterance(
    share: float, how: str
) -> None:
    """Nothing that was said is lost, and the hypothesis goes on where it was."""
    pieces = frames(say(WEATHER), 320)
    middle = int(len(pieces) * share)
    async with (
        served_recognizer() as target,
        unreliable(target) as first,
        unreliable(target) as second,
        client(first.uri, second.uri, answer_timeout_s=0.5) as recognizer,
        recognizer.stream() as stream,
    ):
        before = await said_until(stream, pieces[:middle])
        used = second.connections
        first.kill() if how == "kill" else setattr(first, "stalls", True)
        after = await said_until(stream, pieces[middle:])
        assert await stream.finish() == WEATHER
    assert used == 1
    assert WEATHER.startswith(before[-1] if before else "")
    assert after[0] in ({before[-1]} | {WEATHER[: len(after[0])]} if before else {""})
    assert len(set(after)) > 2 or share > 0.5


async def test_a_server_that_was_silent_until_we_gave_up_is_not_asked_first_again(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """A turn has less patience than `answer_timeout_s`."""
    monkeypatch.setattr(servers, "STALLED_S", 0.05)
    async with (
        served_recognizer() as target,
        unreliable(target) as first,
        unreliable(target) as second,
        client(first.uri, second.uri, answer_timeout_s=60.0) as recognizer,
    ):
        first.stalls = True
        with trio.move_on_after(0.2) as patience:
            await transcribe(recognizer, say(TIMER))
        assert patience.cancelled_caught
        with trio.fail_after(5):
            assert await transcribe(recognizer, say(TIMER)) == TIMER


async def test_it_takes_over_while_the_utterance_is_finished() -> None:
    async with (
        served_recognizer() as target,
        unreliable(target) as first,
        unreliable(target) as second,
        client(first.uri, second.uri) as recognizer,
        recognizer.stream() as stream,
    ):
        await stream.feed(say(TIMER))
        first.kill()
        assert await stream.finish() == TIMER


async def test_with_no_other_server_the_utterance_fails_and_the_next_one_works(
    caplog: pytest.LogCaptureFixture,
) -> None:
    caplog.set_level(logging.INFO)
    async with (
        served_recognizer() as target,
        unreliable(target) as way,
        client(way.uri) as recognizer,
    ):
        async with recognizer.stream() as stream:
            await stream.feed(say(TIMER))
            way.kill()
            with pytest.raises(ProviderError) as caught:
                await stream.finish()
        assert way.uri in caught.value.message
        way.refuses = False
        with trio.fail_after(5):
            assert await transcribe(recognizer, say(TIMER)) == TIMER
            while "is back" not in caplog.text:  # noqa: ASYNC110 - a log has no event
                await trio.sleep(0.01)


@pytest.mark.parametrize("comes_back_at", [0.5, 1.0])
async def test_a_server_that_comes_back_in_time_hears_all(
    comes_back_at: float, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Meanwhile the hypothesis stays as it was."""
    monkeypatch.setattr(wyoming, "RETRY_S", 0.0)
    pieces = frames(say(WEATHER), 320)
    third, back = len(pieces) // 3, int(len(pieces) * comes_back_at)
    async with (
        served_recognizer() as target,
        unreliable(target) as way,
        client(way.uri) as recognizer,
        recognizer.stream() as stream,
    ):
        before = await said_until(stream, pieces[:third])
        way.kill()
        assert set(await said_until(stream, pieces[third:back])) == {before[-1]}
        way.refuses = False
        await said_until(stream, pieces[back:])
        assert await stream.finish() == WEATHER


async def test_a_server_that_was_not_there_at_the_start_is_used_when_it_comes() -> None:
    async with served_recognizer() as target, unreliable(target) as late:
        late.refuses = True
        async with (
            unreliable(target) as first,
            client(first.uri, late.uri, check_interval_s=0.05) as recognizer,
        ):
            late.refuses = False
            first.kill()
            assert await transcribe(recognizer, say(TIMER)) == TIMER
    assert late.connections >= 1


async def test_the_least_loaded_server_is_asked() -> None:
    async with AsyncExitStack() as stack:
        enter = stack.enter_async_context
        target = await enter(served_recognizer())
        ways = [await enter(unreliable(target)) for _ in range(3)]
        recognizer: Any = await enter(client(*(way.uri for way in ways)))

        def loads() -> list[int]:
            return [server.load for server in recognizer._servers.all]

        streams = [await enter(recognizer.stream()) for _ in range(7)]
        for stream in streams[:6]:
            await stream.feed(silence(0.1))
        assert loads() == [2, 2, 2]
        ways[1].kill()
        await streams[1].feed(silence(0.1))
        assert loads() == [3, 1, 2]
        # One that is in trouble is asked last, however little it does.
        await streams[6].feed(silence(0.1))
        assert loads() == [3, 1, 3]
    assert loads() == [0, 0, 0]


# --- connections ----------------------------------------------------------------------


async def test_a_connection_is_ready_before_anyone_speaks() -> None:
    async with (
        served_recognizer() as target,
        unreliable(target) as way,
        client(way.uri) as recognizer,
    ):
        assert way.connections == 1
        for count in range(2, 5):
            assert await transcribe(recognizer, say(TIMER)) == TIMER
            with trio.fail_after(5):
                while way.connections < count:  # noqa: ASYNC110 - no event
                    await trio.sleep(0.001)
        await trio.sleep(0.05)
        assert way.connections == 4


async def test_an_idle_connection_that_the_server_closed_is_not_used() -> None:
    async with (
        sherpa.PROVIDER.open(sherpa.Options(model=str(TINY_MODEL))) as model,
        running(recognizer_server(model)) as target,
        unreliable(target) as way,
        client(way.uri) as recognizer,
    ):
        way.kill()
        way.refuses = False
        await trio.sleep(0.05)
        assert await transcribe(recognizer, say(TIMER)) == TIMER


async def test_closing_the_stream_closes_the_connection_at_once() -> None:
    async with served_recognizer() as target, unreliable(target) as way:
        async with client(way.uri) as recognizer:
            with trio.move_on_after(0.1):
                async with recognizer.stream() as stream:
                    while True:
                        await stream.feed(say(WEATHER))
        with trio.fail_after(5):
            for scope in way.scopes:
                while not scope.cancel_called:  # noqa: ASYNC110 - no event
                    await trio.sleep(0.01)


async def test_an_utterance_that_never_ends() -> None:
    async with (
        served_recognizer() as uri,
        client(uri) as recognizer,
        recognizer.stream() as stream,
    ):
        with pytest.raises(ProviderError, match="more than 600 s"):
            await stream.feed(silence(601))


# --- other people's servers -----------------------------------------------------------


async def test_a_streaming_server_made_with_the_wyoming_package() -> None:
    seen: list[str] = []
    with asyncio_server(recognizing(seen)) as uri:
        async with client(uri, language="en") as recognizer:
            async with recognizer.stream() as stream:
                partials = []
                for piece in frames(say(WEATHER), 1600):
                    partials.append(await stream.feed(piece))
                    await trio.sleep(0.02)
                assert await stream.finish() == WEATHER
            assert await transcribe(recognizer, say(TIMER)) == TIMER
    assert len({len(partial.split()) for partial in partials}) > 3
    assert all(WEATHER.startswith(partial) for partial in partials)
    assert seen.count("audio-start") == 2
    assert "en" in seen


@asynccontextmanager
async def scripted(*answers: list[Event]) -> AsyncIterator[str]:
    """A server that sends the next answers after the n-th audio, or its end."""

    async def serve(stream: trio.SocketStream) -> None:
        connection, heard = Connection(stream), 0
        try:
            while (event := await connection.receive()) is not None:
                if event.type == "describe":
                    await connection.send(recognizer_info("x", ["en"]))
                if event.type == "ping":
                    await connection.send(Event("pong"))
                if event.type in {"audio-chunk", "audio-stop"}:
                    await connection.send(*answers[min(heard, len(answers) - 1)])
                    heard += 1
        except LostConnection:
            return

    async with listener(serve) as uri:
        yield uri


def chunk(text: str, **more: str) -> Event:
    return Event("transcript-chunk", {"text": text, **more})


async def test_chunks_are_appended_and_hypotheses_replaced() -> None:
    answers = [
        [Event("transcript-start"), chunk("turn")],
        [chunk(" of"), Event("unheard-of", {"a": 1})],
        [chunk("", hypothesis="turn off the")],
        [chunk(" the fan", hypothesis="turn on the fan")],
        [Event("transcript-start"), chunk("again")],
        [Event("transcript", {"text": " turn on the fan. "})],
    ]
    async with (
        scripted(*answers) as uri,
        client(uri, left_pad_ms=0) as recognizer,
        recognizer.stream() as stream,
    ):
        heard = [await stream.feed(silence(0.1)) for _ in answers[:-1]]
        assert await stream.finish() == "turn on the fan."
    assert heard == ["turn", "turn of", "turn off the", "turn on the fan", "again"]


async def test_what_comes_after_a_server_ended_the_utterance_is_another() -> None:
    answer = [Event("transcript", {"text": "stop"})]
    async with (
        scripted(answer) as uri,
        client(uri, left_pad_ms=0) as recognizer,
        recognizer.stream() as stream,
    ):
        assert await stream.feed(silence(0.1)) == "stop"
        assert await stream.feed(silence(0.1)) == "stop stop"
        assert await stream.finish() == "stop stop"


async def test_a_transcript_as_long_as_a_book() -> None:
    async with (
        scripted([chunk("word " * 30_000)]) as uri,
        client(uri) as recognizer,
        recognizer.stream() as stream,
    ):
        await stream.feed(silence(0.1))
        with pytest.raises(ProviderError, match="more than 100000 characters"):
            await stream.finish()
