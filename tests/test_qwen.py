"""Qwen's two ways: what is sent, what is understood, and servers that misbehave."""

from __future__ import annotations

import numpy as np
import pytest
import trio

from providers.asr import qwen
from providers.asr.qwen_text import transcript
from tests.contract.asr_contract import transcribe
from tests.contract.cases_asr_sherpa import samples
from tests.helpers_qwen import feed_until_heard, opened, qwen_server, until
from tests.helpers_speech import frames, say, silence, words
from tests.qwen_realtime_server import MODEL
from trioagent.decisions.stable_prefix import StablePrefix
from trioagent.errors import ProviderError, ProviderUnavailable
from trioagent.interfaces import HEARING_RATE_HZ

SENTENCE = "turn off the fan in the kitchen"


@pytest.mark.parametrize(
    ("text", "partial", "final"),
    [
        ("", "", ""),
        ("language English<asr_text>Hello there.", "Hello there.", "Hello there."),
        ("language None<asr_text>", "", ""),
        ("language Engl", "", "language Engl"),
        ("language English<asr_", "", "language English<asr_"),
        ("what language", "what language", "what language"),
        ("the language of love", "the language of love", "the language of love"),
        (
            "language English<asr_text>One.language English<asr_text>Two.<|im_end|>",
            "One. Two.",
            "One. Two.",
        ),
        ("language Chinese<asr_text>你好", "你好", "你好"),
        ("Hi<|im_", "Hi", "Hi<|im_"),
        ("  Hello \n there ", "Hello there", "Hello there"),
        ("a < b", "a < b", "a < b"),
    ],
)
def test_the_models_own_marks_are_no_transcript(
    text: str, partial: str, final: str
) -> None:
    assert transcript(text, final=False) == partial
    assert transcript(text) == final


def test_wrong_addresses_and_keys_are_refused_without_showing_the_key() -> None:
    for url in (
        "localhost:8000",
        "ws://host/v1",
        "http://u:p@host/v1",
        "http://h/?a=b",
    ):
        with pytest.raises(ValueError, match="base_url"):
            qwen.Options(base_url=url)
    with pytest.raises(ValueError, match="api_key") as caught:
        qwen.Options(api_key="sk-süß")
    assert "sk-" not in str(caught.value)
    assert "sk-" not in repr(qwen.Options(api_key="sk-123456789"))


async def test_auto_streams_where_the_server_can() -> None:
    async with opened(mode="auto") as (server, recognizer):
        assert "kitchen" in words(await transcribe(recognizer, say(SENTENCE)))
        assert server.sessions >= 1
        assert server.requests == []


async def test_auto_sends_utterances_where_the_server_cannot_stream() -> None:
    async with opened(mode="auto", realtime=False) as (server, recognizer):
        assert "kitchen" in words(await transcribe(recognizer, say(SENTENCE)))
        assert server.sessions == 0
        assert len(server.requests) == 1


async def test_realtime_that_is_asked_for_and_not_there_is_an_error() -> None:
    async with qwen_server(realtime=False) as (_server, base_url):
        options = qwen.Options(base_url=base_url, mode="realtime")
        with pytest.raises(ProviderUnavailable, match="it answered 403") as caught:
            async with qwen.PROVIDER.open(options):
                pass
    assert "Qwen3ASRRealtimeGeneration" in caught.value.hint


async def test_an_utterance_has_a_session_of_its_own_opened_in_advance() -> None:
    one, other = samples()
    async with opened(mode="realtime") as (server, recognizer):
        assert server.sessions == 1
        for number, sample in enumerate([one, other, one], 2):
            assert sample.is_heard_in(await transcribe(recognizer, sample.pcm))
            await until(
                lambda n=number: (server.sessions, server.open_sessions) == (n, 1)
            )
        assert server.sessions == 4, "three utterances, and one in advance"


async def test_closing_leaves_no_session_behind() -> None:
    async with qwen_server() as (server, base_url):
        options = qwen.Options(base_url=base_url, mode="realtime")
        async with (
            qwen.PROVIDER.open(options) as recognizer,
            recognizer.stream() as stream,
        ):
            await stream.feed(say(SENTENCE))
        await until(lambda: not server.open_sessions)


async def test_an_utterance_without_audio_asks_the_server_nothing() -> None:
    async with opened(mode="realtime") as (server, recognizer):
        async with recognizer.stream() as stream:
            assert await stream.feed(silence(0)) == ""
            assert await stream.finish() == ""
        assert server.sessions == 1
    async with opened(mode="transcriptions") as (server, recognizer):
        async with recognizer.stream() as stream:
            assert await stream.feed(silence(0.05)) == ""
            assert await stream.finish() == ""
        assert server.requests == []


async def test_partials_settle_into_a_prefix_that_only_grows() -> None:
    shown = ""
    async with opened(mode="realtime") as (_server, recognizer):
        stable = StablePrefix(2)
        async with recognizer.stream() as stream:
            for piece in frames(say(SENTENCE), 3200):
                await stream.feed(piece)
                await trio.sleep(0.02)
                now = stable.push(await stream.feed(silence(0)))
                assert now.startswith(shown)
                shown = now
            final = await stream.finish()
    assert final.startswith(shown)
    assert "kitchen" in words(final)


async def test_what_was_said_so_far_is_transcribed_now_and_then() -> None:
    pcm = np.concatenate([say(SENTENCE), silence(1)])
    async with opened(mode="transcriptions", partial_interval_s=1) as (
        server,
        recognizer,
    ):
        async with recognizer.stream() as stream:
            await stream.feed(pcm[: 2 * HEARING_RATE_HZ])
            await stream.feed(pcm[2 * HEARING_RATE_HZ :])
            heard = await feed_until_heard(stream)
            assert {"turn", "fan"} <= set(words(heard))
            assert len(server.requests) == 1, "one at a time"
            assert "kitchen" in words(await stream.finish())
        assert len(server.requests) == 2


async def test_a_long_utterance_is_transcribed_in_pieces() -> None:
    sentence = say(SENTENCE)
    pause = silence(4 - len(sentence) / HEARING_RATE_HZ)
    pcm = np.concatenate([sentence, pause] * 3)
    for mode in ("realtime", "transcriptions"):
        async with opened(mode=mode, longest_piece_s=4) as (server, recognizer):
            text = await transcribe(recognizer, pcm)
            assert words(text).count("kitchen") == 3
            assert server.answers == 3


async def test_the_request_has_what_is_configured() -> None:
    settings = {"language": "en", "prompt": "Mumble, Trio"}
    async with opened(mode="transcriptions", **settings) as (server, recognizer):
        await transcribe(recognizer, say(SENTENCE))
    assert server.requests == [
        (
            "/v1/audio/transcriptions",
            {
                "model": MODEL,
                **settings,
                "response_format": "json",
                "temperature": "0",
            },
        )
    ]


async def test_a_model_that_the_server_does_not_have_is_named_with_those_it_has() -> (
    None
):
    async with qwen_server() as (_server, base_url):
        options = qwen.Options(base_url=base_url, model="whisper")
        with pytest.raises(ProviderUnavailable, match="no model 'whisper'") as caught:
            async with qwen.PROVIDER.open(options):
                pass
    assert MODEL in caught.value.hint


async def test_a_key_opens_the_server_and_is_never_shown() -> None:
    async with qwen_server(api_key="sk-right-key") as (_server, base_url):
        for mode in ("realtime", "transcriptions"):
            wrong = qwen.Options(base_url=base_url, mode=mode, api_key="sk-wrong-key")
            with pytest.raises(ProviderUnavailable, match="401") as caught:
                async with qwen.PROVIDER.open(wrong):
                    pass
            assert "api_key" in caught.value.hint
            assert "sk-wrong" not in str(caught.value)
        right = qwen.Options(
            base_url=base_url, mode="transcriptions", api_key="sk-right-key"
        )
        async with qwen.PROVIDER.open(right) as recognizer:
            assert "fan" in words(await transcribe(recognizer, say(SENTENCE)))


async def test_a_server_that_goes_away_is_an_error_and_one_that_returns_is_found() -> (
    None
):
    async with opened(mode="realtime") as (server, recognizer):
        async with recognizer.stream() as stream:
            await stream.feed(say(SENTENCE))
            server.hang_up()
            with pytest.raises(ProviderError, match="/realtime"):
                await stream.finish()
        assert "fan" in words(await transcribe(recognizer, say(SENTENCE)))
