"""Servers that are no good: each is named, with what is wrong, within the time-out."""

from __future__ import annotations

import http.server
import re
import threading
from contextlib import asynccontextmanager
from functools import partial
from typing import TYPE_CHECKING, Any

import pytest
import trio

from providers.asr import wyoming as asr
from providers.tts import wyoming as tts
from tests.helpers_speech import silence
from tests.helpers_wyoming import (
    listener,
    served_recognizer,
    served_synthesizer,
)
from tests.leaks import no_tasks_left
from trioagent.calling.at_once import transcribe
from trioagent.errors import ConfigError, ProviderError, ProviderUnavailable
from trioagent.serving.info import recognizer_info, synthesizer_info
from trioagent.wyoming.framing import Event, encode

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Awaitable, Callable
    from pathlib import Path

TIMEOUT_S = 0.25
QUICK: dict[str, Any] = {"connect_timeout_s": 1.0, "answer_timeout_s": TIMEOUT_S}
INFO = encode(recognizer_info("x", ["en"]))


def asr_options(*uris: str, **more: Any) -> asr.Options:
    return asr.Options(uris=uris, **{**QUICK, **more})


def tts_options(*uris: str, **more: Any) -> tts.Options:
    return tts.Options(uris=uris, **{**QUICK, **more})


Stream = trio.SocketStream


async def closes_at_once(_stream: Stream) -> None:
    await trio.lowlevel.checkpoint()


async def never_answers(stream: Stream) -> None:
    while await stream.receive_some():
        pass


async def says(data: bytes, stream: Stream) -> None:
    """Answer with bytes and then be silent."""
    await stream.receive_some()
    await stream.send_all(data)
    await never_answers(stream)


async def says_and_closes(data: bytes, stream: Stream) -> None:
    await stream.receive_some()
    await stream.send_all(data)


async def talks_for_ever(stream: Stream) -> None:
    while True:
        await stream.send_all(b'{"type": "pong"}\n' * 100)


HOSTILE: dict[str, tuple[Callable[[Stream], Awaitable[None]], str]] = {
    "closes at once": (closes_at_once, "closed the connection|connection broke"),
    "never answers": (never_answers, "did not .* within 0.25 s"),
    "an HTTP answer": (
        partial(says, b"HTTP/1.1 400 Bad Request\r\n\r\n"),
        "does not speak Wyoming.*HTTP/1.1 400",
    ),
    "oversized data": (
        partial(says, b'{"type": "info", "data_length": 99999999999}\n'),
        "data_length of 99999999999",
    ),
    "oversized payload": (
        partial(says, b'{"type": "info", "payload_length": 99999999999}\n'),
        "payload_length of 99999999999",
    ),
    "a line without end": (partial(says, b'{"' + b"a" * (2 << 20)), "a line of more"),
    "malformed JSON": (partial(says, b'{"type": "info",\n'), "no frame"),
    "malformed data": (
        partial(says, b'{"type": "info", "data_length": 5}\n{]}{['),
        "no frame",
    ),
    "half a frame, then silence": (partial(says, INFO[:-5]), "within 0.25 s"),
    "half a frame, then the end": (
        partial(says_and_closes, INFO[:-5]),
        "within a frame|connection broke",
    ),
    "an error": (
        partial(says, encode(Event("error", {"text": "no memory", "code": "oom"}))),
        r"no memory \(oom\)",
    ),
    "an error without a text": (partial(says, encode(Event("error"))), "tcp://"),
    "empty info": (partial(says, encode(Event("info"))), "it offers nothing"),
    "nonsense info": (
        partial(says, encode(Event("info", {"asr": [7], "tts": "x"}))),
        "it offers nothing",
    ),
    "talks for ever": (talks_for_ever, "did not say what it is within"),
}


async def refused(opened: Any) -> ProviderError:
    """Return the error with which an opening ends."""
    with trio.fail_after(5), pytest.raises(ProviderError) as caught:
        async with opened:
            pass
    return caught.value


@pytest.mark.parametrize(("behave", "said"), HOSTILE.values(), ids=HOSTILE)
async def test_a_hostile_server_is_refused_at_opening(
    behave: Callable[[Stream], Awaitable[None]], said: str
) -> None:
    async with no_tasks_left(), listener(behave) as uri:
        for opened in (
            asr.PROVIDER.open(asr_options(uri)),
            tts.PROVIDER.open(tts_options(uri)),
        ):
            error = await refused(opened)
            assert isinstance(error, ProviderUnavailable)
            assert uri in str(error)
            assert re.search(said, error.message), error.message


@pytest.mark.parametrize(
    ("behave", "said"),
    [pytest.param(*HOSTILE[name], id=name) for name in list(HOSTILE)[:12]],
)
async def test_a_server_that_turns_hostile_fails_the_utterance_in_time(
    behave: Callable[[Stream], Awaitable[None]], said: str
) -> None:
    """It answered when it was asked what it is, and now this."""

    async def turns(stream: Stream) -> None:
        request = bytes(await stream.receive_some())
        if b'"describe"' in request:
            await stream.send_all(INFO)
            # The spare connection, and then the utterance on it.
            await stream.receive_some(1)
        await behave(stream)

    async with listener(turns) as uri:
        async with asr.PROVIDER.open(asr_options(uri)) as recognizer:
            with trio.fail_after(5), pytest.raises(ProviderError) as caught:
                await transcribe(recognizer, silence(0.5))
        assert uri in str(caught.value)


async def test_a_web_server() -> None:
    class Quiet(http.server.BaseHTTPRequestHandler):
        def log_message(self, *_: Any) -> None:
            pass

    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), Quiet) as server:
        thread = threading.Thread(target=server.serve_forever, args=[0.01])
        thread.start()
        uri = f"tcp://127.0.0.1:{server.server_port}"
        error = await refused(asr.PROVIDER.open(asr_options(uri)))
        await trio.to_thread.run_sync(server.shutdown)
        thread.join()
    assert "does not speak Wyoming" in str(error)
    assert "check host and port" in error.hint


async def test_another_service() -> None:
    async with served_synthesizer() as uri:
        error = await refused(asr.PROVIDER.open(asr_options(uri)))
    assert error.message.endswith("it offers speech synthesis, no speech recognition")
    async with served_recognizer() as uri:
        error = await refused(tts.PROVIDER.open(tts_options(uri)))
    assert error.message.endswith("it offers speech recognition, no speech synthesis")
    assert "in `uris`" in error.hint


async def test_nobody_there(tmp_path: Path) -> None:
    async with listener(closes_at_once) as uri:
        pass
    error = await refused(asr.PROVIDER.open(asr_options(uri)))
    assert error.message == f"wyoming: {uri}: nobody answers there: Connection refused"
    assert "start the server" in error.hint
    missing = f"unix://{tmp_path}/none"
    error = await refused(asr.PROVIDER.open(asr_options(missing)))
    assert error.message.endswith("nobody answers there: No such file or directory")
    error = await refused(asr.PROVIDER.open(asr_options("tcp://none.invalid:10300")))
    assert "tcp://none.invalid:10300: nobody answers there: " in error.message


async def test_every_server_is_named_when_none_is_good() -> None:
    async with listener(closes_at_once) as gone:
        pass
    async with listener(never_answers) as silent:
        error = await refused(asr.PROVIDER.open(asr_options(gone, silent)))
    assert f"{gone}: nobody answers" in error.message
    assert f"{silent}: it did not say what it is" in error.message


async def test_a_model_that_the_server_does_not_have() -> None:
    async with served_recognizer() as uri:
        error = await refused(asr.PROVIDER.open(asr_options(uri, model_name="huge")))
        async with asr.PROVIDER.open(asr_options(uri, model_name="tiny")):
            pass
    assert error.message.endswith("it has no 'huge'")
    assert error.hint == "it has tiny"


async def test_no_servers_and_no_addresses() -> None:
    for provider, kind in ((asr, "asr"), (tts, "tts")):
        assert provider.PROVIDER.unavailable(provider.Options()) is not None
        error = await refused(provider.PROVIDER.open(provider.Options()))
        assert f"[{kind}.wyoming]" in error.hint
        options = provider.Options(uris=("localhost:10300",))
        with pytest.raises(ConfigError, match="localhost:10300"):
            async with provider.PROVIDER.open(options):
                pass


# --- synthesizers ---------------------------------------------------------------------


def _tts(answer: bytes) -> Callable[[Stream], Awaitable[None]]:
    """A server that describes itself well, and answers texts with `answer`."""
    info = synthesizer_info("x", ["en"])
    info.data["tts"][0]["supports_synthesize_streaming"] = False

    async def behave(stream: Stream) -> None:
        while data := await stream.receive_some():
            if b'"describe"' in data:
                await stream.send_all(encode(info))
            if b'"synthesize' in data:
                await stream.send_all(answer)

    return behave


def audio(rate_hz: int, *payloads: bytes, width: int = 2, channels: int = 1) -> bytes:
    form = {"rate": rate_hz, "width": width, "channels": channels}
    chunks = [encode(Event("audio-chunk", form, payload)) for payload in payloads]
    start, stop = encode(Event("audio-start", form)), encode(Event("audio-stop"))
    return start + b"".join(chunks) + stop


@asynccontextmanager
async def speaker(answer: bytes, **more: Any) -> AsyncIterator[Any]:
    async with (
        listener(_tts(answer)) as uri,
        tts.PROVIDER.open(tts_options(uri, **{"rate_hz": 16_000, **more})) as speaks,
    ):
        yield speaks


async def said_by(speaks: Any, phrase: str = "hello") -> bytes:
    send, receive = trio.open_memory_channel[Any](10_000)
    with send:
        await speaks.synthesize(phrase, send)
    return b"".join([speech.pcm.tobytes() async for speech in receive])


@pytest.mark.parametrize(
    ("answer", "said"),
    [
        (audio(16_000, b"ab", channels=2), "2 channels: it must be mono"),
        (audio(16_000, b"ab", width=4), "4 bytes"),
        (audio(22_050, b"ab"), "has 22050 Hz, not 16000 Hz"),
        (encode(Event("audio-start", {"rate": "x"})), "audio of x Hz"),
        (audio(16_000, bytes(16_000))[:-30], "did not answer within|within a frame"),
        (audio(16_000, *[bytes(1 << 20)] * 20), "more than 600 s"),
        (encode(Event("error", {"text": "no voice"})), "no voice"),
    ],
)
async def test_speech_that_cannot_be_used(answer: bytes, said: str) -> None:
    async with speaker(answer) as speaks:
        with trio.fail_after(5), pytest.raises(ProviderError, match=said) as caught:
            await said_by(speaks)
    assert str(caught.value).startswith("tcp://127.0.0.1")


async def test_samples_cut_anywhere_and_no_audio_at_all() -> None:
    async with speaker(audio(16_000, b"abc", b"", b"d", b"efg")) as speaks:
        assert await said_by(speaks) == b"abcdef"
    async with speaker(audio(16_000)) as speaks:
        assert await said_by(speaks) == b""


@pytest.mark.parametrize("phrase", ["", " ", "...", "\N{GRINNING FACE}", "?!\n"])
async def test_what_has_no_words_is_not_asked_for(phrase: str) -> None:
    async with speaker(encode(Event("error", {"text": "asked"}))) as speaks:
        assert await said_by(speaks, phrase) == b""


async def test_a_server_that_makes_no_sound_has_no_rate() -> None:
    async with listener(_tts(encode(Event("audio-stop")))) as uri:
        error = await refused(tts.PROVIDER.open(tts_options(uri)))
    assert "made a sound of 'Hello.'" in error.message
