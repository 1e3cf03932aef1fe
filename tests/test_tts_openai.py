"""/audio/speech over real sockets: formats, faults, connections."""

from __future__ import annotations

import math
import struct
from contextlib import asynccontextmanager, suppress
from typing import TYPE_CHECKING, Any

import attrs
import hypothesis
import numpy as np
import pytest
import trio
from hypothesis import strategies as st

from providers.tts.openai import PROVIDER, Options
from providers.tts.openai_wav import NotSpeech, SpeechBytes
from tests.contract.speech_server import (
    Answer,
    Script,
    SpeechServer,
    open_speech_server,
    speech_bytes,
    tones,
)
from tests.contract.tts_contract import speak
from trioagent.errors import ProviderError, ProviderUnavailable
from trioagent.interfaces import Speech

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from trioagent.interfaces import Pcm, Synthesizer

KEY = "sk-0123456789abcdef"
PHRASE = "Good morning, Anna."


@asynccontextmanager
async def served(
    script: Script, **options: Any
) -> AsyncIterator[tuple[Synthesizer, SpeechServer]]:
    async with open_speech_server(script) as server:
        given = Options(base_url=server.url, api_key=KEY, **options)
        async with PROVIDER.open(given) as tts:
            yield tts, server


async def failure(script: Script, **options: Any) -> ProviderError:
    async with served(script, **options) as (tts, server):
        with pytest.raises(ProviderError) as caught:
            await speak(tts, PHRASE)
        await server.until(lambda s: s.busy == 0)
    assert server.url in caught.value.message
    assert KEY not in str(caught.value)
    return caught.value


# --- the request ---------------------------------------------------------------------


async def test_what_is_asked() -> None:
    options: dict[str, Any] = {
        "model": "kokoro",
        "voice": "af_heart",
        "speed": 1.25,
        "extra": {"lang_code": "a", "voice": "af_bella"},
    }
    async with served(Answer(), **options) as (tts, server):
        await speak(tts, PHRASE)
    assert server.requests == [
        {
            "model": "kokoro",
            "voice": "af_bella",
            "input": PHRASE,
            "response_format": "pcm",
            "speed": 1.25,
            "lang_code": "a",
        }
    ]
    assert server.headers[0]["authorization"] == f"Bearer {KEY}"


async def test_phrases_share_a_connection() -> None:
    async with served(Answer()) as (tts, server):
        for _ in range(3):
            await speak(tts, PHRASE)
    assert len(server.requests) == 3
    assert server.connections == 1


async def test_nothing_to_say_asks_nothing() -> None:
    async with served(Answer()) as (tts, server):
        await speak(tts, " \N{GRINNING FACE}!")
    assert server.connections == 0


# --- formats -------------------------------------------------------------------------


@pytest.mark.parametrize("cut_bytes", [1, 2, 3, 43, 44, 45, 4_799, 1 << 20])
@pytest.mark.parametrize("wav", [False, True])
async def test_any_cut_gives_the_same_samples(cut_bytes: int, wav: bool) -> None:
    answer = Answer(cut_bytes=cut_bytes, wav=wav)
    phrase = PHRASE if cut_bytes > 3 else "ab"
    async with served(answer) as (tts, _):
        spoken = await speak(tts, phrase)
    assert np.array_equal(spoken.pcm, tones(phrase))


@pytest.mark.parametrize("size", [None, 0, 0xFFFFFFFF, 0x7FFFFFFF])
@pytest.mark.parametrize("channels", [1, 2])
async def test_wav_of_any_stated_length(size: int | None, channels: int) -> None:
    answer = Answer(wav=True, wav_size=size, channels=channels)
    async with served(answer, response_format="wav") as (tts, _):
        spoken = await speak(tts, PHRASE)
    assert np.array_equal(spoken.pcm, tones(PHRASE))


@pytest.mark.parametrize("rate_hz", [16_000, 22_050, 44_100])
async def test_another_rate_is_resampled(rate_hz: int) -> None:
    answer = Answer(wav=True, rate_hz=rate_hz)
    async with served(answer, response_format="wav") as (tts, _):
        spoken = await speak(tts, PHRASE)
        assert tts.rate_hz == 24_000
    expected = tones(PHRASE)
    assert len(spoken.pcm) == pytest.approx(len(expected), abs=24)
    # The first character's tone is as high as it was.
    spectrum = np.abs(np.fft.rfft(spoken.pcm[:480].astype(float), 24_000))
    assert np.argmax(spectrum) == pytest.approx(200 + 10 * (ord("G") % 100), abs=20)


async def test_half_a_sample_at_the_end_is_dropped() -> None:
    async with served(Answer(ending="half")) as (tts, _):
        assert np.array_equal((await speak(tts, PHRASE)).pcm, tones(PHRASE))


async def test_audio_is_passed_on_while_it_arrives() -> None:
    answer = Answer(ending="stall")
    async with served(answer) as (tts, server), trio.open_nursery() as nursery:
        send, receive = trio.open_memory_channel[Speech](0)
        nursery.start_soon(tts.synthesize, PHRASE, send)
        with trio.fail_after(5):
            piece = await receive.receive()
        assert server.busy == 1
        nursery.cancel_scope.cancel()
    assert np.array_equal(piece.pcm, tones(PHRASE)[: len(piece.pcm)])


@hypothesis.given(
    cuts=st.lists(st.integers(1, 300), max_size=30),
    wav=st.booleans(),
    channels=st.sampled_from([1, 2]),
    rate_hz=st.sampled_from([8_000, 24_000]),
)
def test_any_split_of_the_bytes(
    cuts: list[int], wav: bool, channels: int, rate_hz: int
) -> None:
    answer = Answer(wav=wav, channels=channels if wav else 1, rate_hz=rate_hz)
    body = speech_bytes("abc", answer)

    def read(parts: list[bytes]) -> Pcm:
        reader = SpeechBytes(rate_hz)
        return np.concatenate([*map(reader.push, parts), reader.finish()])

    at, parts = 0, []
    for cut in cuts:
        parts.append(body[at : at + cut])
        at += cut
    parts.append(body[at:])
    assert np.array_equal(read(parts), tones("abc", rate_hz))


@hypothesis.given(data=st.binary(max_size=300), wav=st.booleans())
def test_garbage_is_samples_or_refused(data: bytes, wav: bool) -> None:
    reader = SpeechBytes(24_000)
    with suppress(NotSpeech):
        pcm = reader.push((b"RIFF" if wav else b"") + data)
        assert pcm.dtype == np.int16
        assert len(pcm) <= len(data) / 2
        assert len(reader.finish()) == 0


def wav_of(
    *, tag: int = 1, channels: int = 1, rate_hz: int = 24_000, bits: int = 16
) -> bytes:
    form = struct.pack("<HHIIHH", tag, channels, rate_hz, 0, 0, bits)
    head = b"RIFF\0\0\0\0WAVEfmt " + struct.pack("<I", len(form)) + form
    return head + b"data" + struct.pack("<I", 400) + bytes(400)


@pytest.mark.parametrize(
    ("answer", "message", "hint"),
    [
        (Answer(body=b"ID3\x04" + bytes(400)), "sent MP3", "response_format"),
        (Answer(body=b"OggS" + bytes(400)), "sent Ogg", "response_format"),
        (Answer(content_type="audio/mpeg"), "sent audio/mpeg", "response_format"),
        (
            Answer(body=b'{"error": "no voice x"}', content_type="application/json"),
            "not audio: no voice x",
            "base_url, model and voice",
        ),
        (
            Answer(body=b"<html>hi</html>", content_type="text/html; charset=x"),
            "not audio: <html>hi",
            "base_url",
        ),
        (Answer(body=wav_of(bits=24)), "format 1, 24 bits", "response_format"),
        (Answer(body=wav_of(tag=3, bits=32)), "format 3, 32 bits", "response_format"),
        (Answer(body=wav_of(tag=7, bits=8)), "format 7, 8 bits", "response_format"),
        (Answer(body=wav_of(channels=6)), "6 channels", "response_format"),
        (Answer(body=wav_of(rate_hz=5)), "at 5 Hz", "response_format"),
        (Answer(body=b"RIFF\0\0\0\0WAVEfmt "), "ends before its", "response_format"),
        (
            Answer(body=b"RIFF\0\0\0\0WAVE" + b"junk\xff\xff\xff\x00" + bytes(80_000)),
            "without samples",
            "response_format",
        ),
    ],
)
async def test_what_is_no_speech(answer: Answer, message: str, hint: str) -> None:
    error = await failure(answer)
    assert message in error.message
    assert hint in error.hint


# --- faults --------------------------------------------------------------------------


@pytest.mark.parametrize("status", [401, 403, 404, 429, 500])
async def test_refusals_that_are_final(status: int) -> None:
    body = b'{"error": {"message": "no ' + KEY.encode() + b'"}}'
    error = await failure(Answer(status=status, body=body))
    assert isinstance(error, ProviderUnavailable)
    assert f"answered {status}" in error.message
    assert "no ***" in error.message
    assert error.hint


async def test_refusals_leave_no_connection_behind() -> None:
    async with served(Answer(status=429, body=b"busy")) as (tts, server):
        for _ in range(5):
            with pytest.raises(ProviderUnavailable):
                await speak(tts, PHRASE)
        assert server.open_connections <= 1
    async with served(Answer(content_type="audio/mpeg")) as (tts, server):
        for _ in range(5):
            with pytest.raises(ProviderError):
                await speak(tts, PHRASE)
        await server.until(lambda s: s.open_connections <= 1)


async def test_a_request_that_is_refused() -> None:
    error = await failure(Answer(status=422, body=b'{"detail": "unknown voice"}'))
    assert not isinstance(error, ProviderUnavailable)
    assert "unknown voice" in error.message
    assert "voice" in error.hint
    assert "[tts.openai]" in error.hint


async def test_it_breaks_off_in_the_middle() -> None:
    """What arrived was real; nothing is asked for again."""
    async with served(Answer(ending="cut")) as (tts, server):
        send, receive = trio.open_memory_channel[Speech](math.inf)
        with pytest.raises(ProviderError, match="broke off"):
            await tts.synthesize(PHRASE, send)
        send.close()
        pieces = [piece.pcm async for piece in receive]
    half = tones(PHRASE)[: len(tones(PHRASE)) // 2]
    assert np.array_equal(np.concatenate(pieces), half)
    assert len(server.requests) == 1


@pytest.mark.parametrize("first", [Answer(hang_up=True), Answer(status=503)])
async def test_another_try_before_the_first_byte(first: Answer) -> None:
    async with served([first, Answer()]) as (tts, server):
        assert np.array_equal((await speak(tts, PHRASE)).pcm, tones(PHRASE))
    assert len(server.requests) == 2


async def test_not_more_than_two_tries() -> None:
    for answer in (Answer(hang_up=True), Answer(status=503, body=b"busy")):
        async with served(answer) as (tts, server):
            with pytest.raises(ProviderError):
                await speak(tts, PHRASE)
        assert len(server.requests) == 2


@pytest.mark.parametrize(
    ("answer", "limit"),
    [
        (Answer(headers_delay_s=30), "first_audio_timeout_s"),
        (Answer(part_delay_s=30), "first_audio_timeout_s"),
        (Answer(ending="stall"), "audio_timeout_s"),
    ],
)
async def test_stalls(answer: Answer, limit: str) -> None:
    error = await failure(answer, first_audio_timeout_s=0.5, audio_timeout_s=0.3)
    assert "stalled" in error.message
    assert error.hint.endswith(f" {limit}")


async def test_a_slow_receiver_is_no_stall() -> None:
    async with served(Answer(), audio_timeout_s=0.4) as (tts, _):
        send, receive = trio.open_memory_channel[Speech](0)
        pieces = []

        async def synthesize() -> None:
            with send:
                await tts.synthesize(PHRASE, send)

        async with trio.open_nursery() as nursery:
            nursery.start_soon(synthesize)
            pieces.append((await receive.receive()).pcm)
            await trio.sleep(0.6)
            pieces += [piece.pcm async for piece in receive]
    assert np.array_equal(np.concatenate(pieces), tones(PHRASE))


async def test_an_endless_answer_is_cut_off() -> None:
    error = await failure(Answer(ending="endless"), longest_phrase_s=2)
    assert "more than 2 s" in error.message
    assert "longest_phrase_s" in error.hint


async def test_a_receiver_that_waits_holds_the_server_back() -> None:
    async with served(Answer(ending="endless")) as (tts, server):
        send, receive = trio.open_memory_channel[Speech](0)
        async with trio.open_nursery() as nursery:
            nursery.start_soon(tts.synthesize, PHRASE, send)
            await receive.receive()
            before = -1
            with trio.fail_after(5):
                while server.sent_bytes != before:
                    before = server.sent_bytes
                    await trio.sleep(0.1)
            nursery.cancel_scope.cancel()
        # What fits into the sockets' buffers, whatever the server has to say.
        assert before < 20_000_000
        await server.until(lambda s: s.cancelled == 1)


async def test_cancelling_closes_the_request() -> None:
    async with served(Answer(headers_delay_s=30)) as (tts, server):
        send, _receive = trio.open_memory_channel[Speech](0)
        async with trio.open_nursery() as nursery:
            nursery.start_soon(tts.synthesize, PHRASE, send)
            await server.until(lambda s: s.busy == 1)
            nursery.cancel_scope.cancel()
        await server.until(lambda s: s.cancelled == 1)
        await server.until(lambda s: s.open_connections == 0)


async def test_nobody_there() -> None:
    async with open_speech_server() as server:
        gone = server.url
    async with PROVIDER.open(Options(base_url=gone)) as tts:
        with pytest.raises(ProviderUnavailable, match="no connection") as caught:
            await speak(tts, PHRASE)
    assert "base_url in [tts.openai]" in caught.value.hint


async def test_another_protocol() -> None:
    async def shout(stream: trio.SocketStream) -> None:
        async with stream:
            await stream.receive_some()
            await stream.send_all(b"220 mail.example ESMTP\r\n")

    async with trio.open_nursery() as nursery:
        listeners = await nursery.start(trio.serve_tcp, shout, 0)
        port = listeners[0].socket.getsockname()[1]
        async with PROVIDER.open(Options(base_url=f"http://127.0.0.1:{port}")) as tts:
            with pytest.raises(ProviderError, match="broke off"):
                await speak(tts, PHRASE)
        nursery.cancel_scope.cancel()


@pytest.mark.parametrize(
    "wrong",
    [
        {"base_url": "localhost:8880"},
        {"base_url": "http://me:secret@host/v1"},
        {"api_key": "two words"},
        {"rate_hz": 1},
        {"speed": 9},
        {"extra": {"x": {1}}},
    ],
)
def test_wrong_options(wrong: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match=next(iter(wrong))):
        Options(**wrong)


def test_a_wrong_address_is_told_with_one_that_this_provider_would_take() -> None:
    with pytest.raises(ValueError, match=r"like http://127\.0\.0\.1:8880/v1: 'here'"):
        Options(base_url="here")


def test_the_key_is_a_secret() -> None:
    assert attrs.fields(Options).api_key.metadata["secret"]
    assert KEY not in repr(Options(api_key=KEY))
