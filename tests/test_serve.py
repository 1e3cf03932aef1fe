"""`trioagent serve`: the `wyoming` package's own client, many clients, bad clients."""

from __future__ import annotations

import asyncio
import logging
import socket
import stat
from contextlib import suppress
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
import soxr
import trio
from wyoming.client import AsyncClient

from providers.asr import sherpa
from providers.asr import wyoming as asr
from providers.tts import espeak
from tests.asyncio_wyoming import asr as their_asr
from tests.asyncio_wyoming import audio as their_audio
from tests.asyncio_wyoming import info as their_info
from tests.asyncio_wyoming import tts as their_tts
from tests.contract.asr_contract import transcribe
from tests.helpers_speech import TINY_MODEL, frames, say, silence
from tests.helpers_wyoming import (
    recognizer_server,
    running,
    served_recognizer,
    served_synthesizer,
    synthesizer_server,
)
from tests.leaks import no_tasks_left
from trioagent.errors import ConfigError, ProviderError
from trioagent.interfaces import HEARING_RATE_HZ, Pcm, Speech
from trioagent.serving.inbox import ClientLimits
from trioagent.serving.listening import listen
from trioagent.wyoming.address import parse_address
from trioagent.wyoming.connection import Connection, LostConnection, dial
from trioagent.wyoming.framing import Event, encode

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Awaitable, Callable
    from pathlib import Path

    from wyoming.event import Event as TheirEvent

SENTENCES = [
    "turn off the fan in the kitchen",
    "what is the weather like in paris tomorrow",
    "what time is it in tokyo",
    "turn off the radio in the bedroom",
    "tell me a story about alice",
    "book a flight to berlin on monday",
    "the meeting with carol is friday at ten",
    "set a timer for five minutes",
]


# --- the wyoming package's client, as Home Assistant uses it --------------------------


async def as_home_assistant(
    uri: str, converse: Callable[[AsyncClient], Awaitable[list[TheirEvent]]]
) -> list[TheirEvent]:
    """Run the package's asyncio client in a thread of its own."""

    async def main() -> list[TheirEvent]:
        async with AsyncClient.from_uri(uri) as client:
            return await asyncio.wait_for(converse(client), 20)

    return await trio.to_thread.run_sync(asyncio.run, main())


async def read_until(client: AsyncClient, kind: str) -> list[TheirEvent]:
    events = []
    while (event := await client.read_event()) is not None:
        events.append(event)
        if event.type == kind:
            break
    return events


async def their_utterance(
    client: AsyncClient, pcm: Pcm, rate_hz: int = 16_000, channels: int = 1
) -> list[TheirEvent]:
    form: Any = {"rate": rate_hz, "width": 2, "channels": channels}
    await client.write_event(their_asr.Transcribe(language="en").event())
    await client.write_event(their_audio.AudioStart(**form).event())
    for piece in np.array_split(pcm, 50):
        chunk = their_audio.AudioChunk(audio=piece.tobytes(), **form)
        await client.write_event(chunk.event())
        await asyncio.sleep(0.01)  # what comes at once is heard at once
    await client.write_event(their_audio.AudioStop().event())
    return await read_until(client, "transcript-stop")


async def test_their_client_learns_what_it_is() -> None:
    async def describe(client: AsyncClient) -> list[TheirEvent]:
        await client.write_event(their_info.Describe().event())
        return await read_until(client, "info")

    async with served_recognizer() as uri:
        (event,) = await as_home_assistant(uri, describe)
    (program,) = their_info.Info.from_event(event).asr
    assert program.installed
    assert program.supports_transcript_streaming
    assert [(m.name, m.languages) for m in program.models] == [("tiny", ["en"])]
    async with served_synthesizer() as uri:
        (event,) = await as_home_assistant(uri, describe)
    (program,) = their_info.Info.from_event(event).tts
    assert program.supports_synthesize_streaming
    assert [(v.name, v.languages) for v in program.voices] == [("espeak", ["en"])]


@pytest.mark.parametrize("times", [1, 3])
async def test_their_client_gets_words_as_they_come(times: int) -> None:
    pcm = say(SENTENCES[1])

    async def converse(client: AsyncClient) -> list[TheirEvent]:
        for _ in range(times):
            events = await their_utterance(client, pcm)
        return events

    async with served_recognizer() as uri:
        events = await as_home_assistant(uri, converse)
    kinds = [event.type for event in events]
    assert kinds[0] == "transcript-start"
    assert kinds[-2:] == ["transcript", "transcript-stop"]
    chunks = [
        their_asr.TranscriptChunk.from_event(event).text
        for event in events
        if event.type == "transcript-chunk"
    ]
    assert len([text for text in chunks if text]) > 1
    assert "".join(chunks) == SENTENCES[1]
    assert their_asr.Transcript.from_event(events[-2]).text == SENTENCES[1]


@pytest.mark.parametrize(
    ("rate_hz", "channels"), [(22_050, 1), (48_000, 2), (44_100, 1)]
)
async def test_audio_in_other_formats(rate_hz: int, channels: int) -> None:
    resampled = soxr.resample(say(SENTENCES[7]), HEARING_RATE_HZ, rate_hz)
    pcm = np.repeat(resampled, channels)

    async def converse(client: AsyncClient) -> list[TheirEvent]:
        return await their_utterance(client, pcm, rate_hz, channels)

    async with served_recognizer() as uri:
        events = await as_home_assistant(uri, converse)
    heard = events[-2].data["text"]
    assert heard == SENTENCES[7]


async def test_their_client_is_spoken_to() -> None:
    async def plain(client: AsyncClient) -> list[TheirEvent]:
        await client.write_event(their_tts.Synthesize("turn on the light.").event())
        return await read_until(client, "audio-stop")

    async def streaming(client: AsyncClient) -> list[TheirEvent]:
        text = "turn on the light in the kitchen. what time is it in london, bob?"
        await client.write_event(their_tts.SynthesizeStart().event())
        for word in text.split():
            await client.write_event(their_tts.SynthesizeChunk(f"{word} ").event())
        await client.write_event(their_tts.Synthesize(text).event())
        await client.write_event(their_tts.SynthesizeStop().event())
        return await read_until(client, "synthesize-stopped")

    async with served_synthesizer() as uri:
        once = await as_home_assistant(uri, plain)
        parts = await as_home_assistant(uri, streaming)
    for events, count in ((once, 1), (parts, 2)):
        kinds = [e.type for e in events if e.type != "audio-chunk"]
        ending = ["synthesize-stopped"] * (count - 1)
        assert kinds == ["audio-start", "audio-stop"] * count + ending
        first = their_audio.AudioStart.from_event(events[0])
        assert (first.rate, first.width, first.channels) == (22_050, 2, 1)
    lengths = [sum(len(e.payload or b"") for e in events) for events in (once, parts)]
    assert 22_050 < lengths[0] < lengths[1] / 2


# --- many clients, and what they may not do -------------------------------------------


async def test_eight_clients_share_one_model() -> None:
    async def client(uri: str, sentence: str) -> None:
        async with asr.PROVIDER.open(asr.Options(uris=(uri,))) as recognizer:
            for _ in range(2):
                async with recognizer.stream() as stream:
                    for piece in frames(say(sentence), 320):
                        await stream.feed(piece)
                    assert await stream.finish() == sentence

    async with served_recognizer() as uri, trio.open_nursery() as nursery:
        for sentence in SENTENCES:
            nursery.start_soon(client, uri, sentence)


@pytest.fixture
async def model() -> AsyncIterator[Any]:
    async with sherpa.PROVIDER.open(sherpa.Options(model=str(TINY_MODEL))) as model:
        yield model


async def connect(uri: str) -> Connection:
    return await dial(parse_address(uri), 5)


async def told_by(connection: Connection) -> Event:
    """The next event, which is no error and not the end."""
    event = await connection.receive()
    assert event is not None
    assert event.type != "error", event
    return event


async def last_words(connection: Connection) -> tuple[str, str]:
    """The code and the text of the error with which the server ends it."""
    found = ("", "")
    with trio.fail_after(5):
        while (event := await connection.receive()) is not None:
            if event.type == "error":
                found = event.text("code"), event.text("text")
    connection.close()
    return found


FORM = {"rate": 16_000, "width": 2, "channels": 1}
START = Event("audio-start", FORM)


@pytest.mark.parametrize(
    ("sent", "code"),
    [
        (b"GET / HTTP/1.1\r\n\r\n", "bad-frame"),
        (b"{}\n", "bad-frame"),
        (b'{"type": "audio-chunk", "payload_length": 999999999}\n', "bad-frame"),
        (b"{" + b" " * 100_000, "bad-frame"),
        (encode(Event("audio-start")), "audio-format"),
        (encode(Event("audio-start", {**FORM, "width": 4})), "audio-format"),
        (encode(Event("audio-start", {**FORM, "rate": 10})), "audio-format"),
        (encode(Event("audio-start", {**FORM, "rate": True})), "audio-format"),
        (encode(Event("audio-start", {**FORM, "channels": 99})), "audio-format"),
        (
            encode(START) + encode(Event("audio-chunk", {**FORM, "rate": 8000}, b"ab")),
            "audio-format",
        ),
        (
            encode(START) + encode(Event("audio-chunk", FORM, bytes(64_000))) * 2,
            "too-long",
        ),
        (encode(START), "idle"),
        (b'{"type"', "idle"),
        (b"", "idle"),
    ],
)
async def test_a_client_that_is_refused_is_told_why(
    model: Any, sent: bytes, code: str
) -> None:
    limits = ClientLimits(idle_s=0.2, utterance_s=3)
    async with running(recognizer_server(model, limits)) as uri:
        connection = await connect(uri)
        await connection._stream.send_all(sent)
        assert (await last_words(connection))[0] == code
        # And nobody else is.
        async with asr.PROVIDER.open(asr.Options(uris=(uri,))) as recognizer:
            assert await transcribe(recognizer, say(SENTENCES[7])) == SENTENCES[7]


async def test_a_client_too_many_is_told_so(model: Any) -> None:
    server = recognizer_server(model, ClientLimits(connections=2))
    async with running(server) as uri:
        first, second = await connect(uri), await connect(uri)
        for connection in (first, second):
            await connection.send(Event("ping", {"text": "x"}))
            assert await connection.receive() == Event("pong", {"text": "x"})
        assert await last_words(await connect(uri)) == (
            "busy",
            "there are 2 clients already",
        )
        first.close()
        with trio.fail_after(5):
            while server.clients > 1:  # noqa: ASYNC110 - no event
                await trio.sleep(0.001)
        third = await connect(uri)
        await third.send(Event("ping"))
        assert await third.receive() == Event("pong")
        second.close()
        third.close()


async def test_a_text_that_is_too_long() -> None:
    async with espeak.PROVIDER.open(espeak.Options()) as voice:
        server = synthesizer_server(voice, ClientLimits(text_chars=10))
        async with running(server) as uri:
            connection = await connect(uri)
            await connection.send(Event("synthesize", {"text": "hello again"}))
            assert (await last_words(connection))[0] == "too-long"


class Broken:
    """A recognizer that fails."""

    def __init__(self, error: Exception) -> None:
        self.error = error

    def stream(self) -> Any:
        raise self.error


@pytest.mark.parametrize(
    ("error", "told", "logged"),
    [
        (ProviderError("out of memory"), ("provider", "out of memory"), "WARNING"),
        (KeyError("a bug"), ("internal", "something went wrong here"), "ERROR"),
    ],
)
async def test_a_model_that_fails_ends_one_clients_request(
    error: Exception, told: Any, logged: str, caplog: pytest.LogCaptureFixture
) -> None:
    async with running(recognizer_server(Broken(error))) as uri:
        for _ in range(2):
            connection = await connect(uri)
            await connection.send(START)
            assert await last_words(connection) == told
    assert [record.levelname for record in caplog.records] == [logged] * 2


async def test_speech_stops_when_its_client_is_gone() -> None:
    class Endless:
        rate_hz = 16_000
        running = 0
        done = trio.Event()

        async def synthesize(self, _phrase: str, audio: Any) -> None:
            self.running += 1
            try:
                while True:
                    await audio.send(Speech(silence(0.02)))
                    await trio.sleep(0.001)
            finally:
                self.running -= 1
                self.done.set()

    endless: Any = Endless()
    async with running(synthesizer_server(endless)) as uri:
        connection = await connect(uri)
        await connection.send(Event("synthesize", {"text": "hello"}))
        for _ in range(20):
            assert await connection.receive() is not None
        assert endless.running == 1
        connection.close()
        with trio.fail_after(5):
            await endless.done.wait()
    assert endless.running == 0


async def test_a_revised_hypothesis_is_whole_in_an_extra_field() -> None:
    """Words are only added to `text` once they are stable: clients append them."""
    hypotheses = ["turn", "turn of", "turn off", "turn off the", "turn off the fan"]
    hypotheses += ["turn on the fan", "turn on the fan please"]

    class Revising:
        def stream(self) -> Any:
            return self

        async def __aenter__(self) -> Any:
            self.left = list(hypotheses)
            return self

        async def __aexit__(self, *_: object) -> None:
            pass

        async def feed(self, _pcm: Pcm) -> str:
            return self.left.pop(0)

        async def finish(self) -> str:
            return hypotheses[-1]

    async with running(recognizer_server(Revising())) as uri:
        connection = await connect(uri)
        await connection.send(START)
        told, believed = "", []
        assert (await told_by(connection)).type == "transcript-start"
        for _ in hypotheses:
            await connection.send(Event("audio-chunk", FORM, bytes(640)), Event("ping"))
            while (event := await told_by(connection)).type != "pong":
                told += event.text("text")
                believed.append(event.text("hypothesis"))
        await connection.send(Event("audio-stop"))
        final = await told_by(connection)
        assert (await told_by(connection)).type == "transcript-stop"
        connection.close()
    assert believed == hypotheses
    assert told == "turn off"
    assert (final.type, final.text("text")) == ("transcript", hypotheses[-1])


# --- addresses ------------------------------------------------------------------------


async def test_a_unix_socket_is_ours_alone_and_goes_with_us(tmp_path: Path) -> None:
    path = tmp_path / "asr"
    async with no_tasks_left(), served_recognizer(f"unix://{path}") as uri:
        assert uri == f"unix://{path}"
        assert stat.S_IMODE(path.stat().st_mode) == 0o600
        with pytest.raises(ConfigError, match="cannot listen there") as caught:
            async with listen(parse_address(uri)):
                pass
        assert "stop what listens there" in caught.value.hint
        assert path.exists()
    assert not path.exists()


async def test_a_socket_that_was_left_behind_is_no_hindrance(tmp_path: Path) -> None:
    path = tmp_path / "asr"
    with socket.socket(socket.AF_UNIX) as killed:
        killed.bind(str(path))
    assert path.exists()
    async with served_recognizer(f"unix://{path}"):
        pass


async def test_a_file_of_that_name_is_not_touched(tmp_path: Path) -> None:
    path = tmp_path / "asr"
    path.write_text("mine")
    with pytest.raises(ConfigError, match="cannot listen there"):
        async with listen(parse_address(f"unix://{path}")):
            pass
    assert path.read_text() == "mine"


async def test_other_machines_may_come_in_only_with_a_warning(
    caplog: pytest.LogCaptureFixture,
) -> None:
    async with served_recognizer("tcp://127.0.0.1:0"):
        assert "neither passwords" not in caplog.text
    async with served_recognizer("tcp://0.0.0.0:0") as uri:
        assert uri.startswith("tcp://0.0.0.0:")
        assert "neither passwords nor encryption" in caplog.text


async def test_clients_are_let_go_when_it_ends(
    caplog: pytest.LogCaptureFixture,
) -> None:
    caplog.set_level(logging.WARNING)
    async with served_recognizer() as uri:
        connection = await connect(uri)
        await connection.send(START)
        assert (await told_by(connection)).type == "transcript-start"
    with suppress(LostConnection):  # in good order, or not
        assert await connection.receive() is None
    connection.close()
    assert caplog.text == ""
