"""Measuring parts whose speed is known, on a virtual clock."""

from __future__ import annotations

import math
import time

import attrs
import numpy as np
import pytest
import trio

from tests.fakes import (
    FakeLanguageModel,
    FakeRecognizer,
    FakeSynthesizer,
    FakeVad,
    Vocabulary,
)
from trioagent.errors import ProviderError
from trioagent.fitting.lateness import TICK_S, Lateness, watching
from trioagent.fitting.measuring import (
    PROMPT,
    SENTENCE,
    as_heard,
    built_in_speech,
    measure_language_model,
    measure_recognizer,
    measure_synthesizer,
    measure_vad,
)
from trioagent.interfaces import HEARING_RATE_HZ

WORDS = len(SENTENCE.split())


@pytest.fixture
def vocabulary() -> Vocabulary:
    return Vocabulary()


async def test_a_synthesizer(autojump_clock: object, vocabulary: Vocabulary) -> None:
    voice = FakeSynthesizer(vocabulary, word_s=0.25, first_s=0.1, piece_s=0.05)
    speed, pcm = await measure_synthesizer(voice, Lateness())
    assert speed.first_piece_ms == pytest.approx(100)
    assert speed.audio_s == pytest.approx(WORDS * 0.25)
    assert speed.rtf == pytest.approx((0.1 + WORDS * 0.05) / (WORDS * 0.25))
    assert not speed.cut_off
    assert len(pcm) == WORDS * 0.25 * voice.rate_hz


async def test_a_slow_synthesizer_is_cut_off(
    autojump_clock: object, vocabulary: Vocabulary
) -> None:
    voice = FakeSynthesizer(vocabulary, word_s=0.25, first_s=1.0, piece_s=1.0)
    speed, _ = await measure_synthesizer(voice, Lateness())
    assert speed.cut_off
    # Of the words that came in 5 s, the fifth a moment before the limit or not.
    assert speed.audio_s in {4 * 0.25, 5 * 0.25}
    assert speed.rtf == pytest.approx(5.0 / speed.audio_s)
    assert voice.speaking == 0
    mute = FakeSynthesizer(vocabulary, first_s=60.0)
    speed, pcm = await measure_synthesizer(mute, Lateness())
    assert (speed.rtf, speed.first_piece_ms, pcm.size) == (None, None, 0)


async def test_a_recognizer(autojump_clock: object, vocabulary: Vocabulary) -> None:
    speech = vocabulary.speech("one two three four five six", 0.5, HEARING_RATE_HZ)
    ears = FakeRecognizer(vocabulary, lag_s=0.1, cost_s=0.01, finish_s=0.05)
    speed = await measure_recognizer(ears, speech, 2, Lateness())
    assert (speed.speakers, speed.audio_s) == (2, 3.0)
    # 30 pieces of 0.1 s.
    assert speed.rtf_alone == pytest.approx((30 * 0.01 + 0.05) / 3)
    # These do not get in each other's way.
    assert speed.rtf == pytest.approx(speed.rtf_alone)
    assert speed.first_words_ms is not None
    assert 100 < speed.first_words_ms < 200
    assert speed.final_ms == pytest.approx(60)
    assert ears.open_streams == 0


async def test_a_slow_recognizer_is_cut_off(
    autojump_clock: object, vocabulary: Vocabulary
) -> None:
    speech = vocabulary.speech("one two three", 1.0, HEARING_RATE_HZ)
    slow = FakeRecognizer(vocabulary, cost_s=0.25)
    began = trio.current_time()
    speed = await measure_recognizer(slow, speech, 2, Lateness())
    assert speed.rtf_alone is not None
    assert 2.5 <= speed.rtf_alone < 2.8
    assert (speed.first_words_ms, speed.final_ms) == (None, None)
    assert trio.current_time() - began < 10
    hopeless = FakeRecognizer(vocabulary, cost_s=60.0)
    speed = await measure_recognizer(hopeless, speech, 2, Lateness())
    assert (speed.rtf, speed.rtf_alone) == (None, None)
    assert slow.open_streams == hopeless.open_streams == 0


async def test_a_late_final_is_measured(
    autojump_clock: object, vocabulary: Vocabulary
) -> None:
    speech = vocabulary.speech("one two", 0.5, HEARING_RATE_HZ)
    ears = FakeRecognizer(vocabulary, cost_s=0.001, finish_s=0.7)
    speed = await measure_recognizer(ears, speech, 1, Lateness())
    assert speed.final_ms == pytest.approx(701)
    never = FakeRecognizer(vocabulary, cost_s=0.001, finish_s=math.inf)
    assert (await measure_recognizer(never, speech, 1, Lateness())).final_ms is None


async def test_a_language_model(autojump_clock: object) -> None:
    model = FakeLanguageModel(
        {PROMPT: "A thing that hears."}, first_token_s=0.4, token_s=0.1
    )
    speed = await measure_language_model(model, "be brief", Lateness())
    assert speed.first_token_ms == pytest.approx(400)
    assert speed.pieces == 4
    assert speed.pieces_per_s == pytest.approx(10)
    assert speed.chars_per_s == pytest.approx(len("A thing that hears. ") / 0.3)
    assert [m.role for m in model.prompts[0]] == ["system", "user"]
    slow = FakeLanguageModel(first_token_s=60.0)
    speed = await measure_language_model(slow, "be brief", Lateness())
    assert speed.cut_off
    assert (speed.first_token_ms, speed.pieces) == (None, 0)
    assert slow.open_requests == 0


async def test_errors_are_the_providers(
    autojump_clock: object, vocabulary: Vocabulary
) -> None:
    broken = ProviderError("out of memory")
    speech = vocabulary.speech("one", 1.0, HEARING_RATE_HZ)
    with pytest.RaisesGroup(ProviderError, flatten_subgroups=True):
        await measure_recognizer(
            FakeRecognizer(vocabulary, fail=broken), speech, 1, Lateness()
        )
    with pytest.RaisesGroup(ProviderError, flatten_subgroups=True):
        await measure_language_model(FakeLanguageModel(fail=broken), "", Lateness())
    with pytest.RaisesGroup(ProviderError, flatten_subgroups=True):
        await measure_synthesizer(
            FakeSynthesizer(vocabulary, fail_on="Toronto"), Lateness()
        )


def test_a_detector_is_timed() -> None:
    @attrs.define(eq=False)
    class Slow(FakeVad):
        frame_samples: int = 512

        def stream(self) -> Slow:
            return self

        def probability(self, frame: np.ndarray) -> float:
            assert frame.shape == (512,)
            time.sleep(0.001)
            return 0.0

    cost = measure_vad(Slow())
    assert cost.frame_ms == 32
    assert 1.0 <= cost.median_ms <= cost.worst_ms


async def test_a_blocked_loop_is_seen() -> None:
    lateness = Lateness()
    async with watching(lateness):
        await trio.sleep(5 * TICK_S)
        time.sleep(0.05)  # noqa: ASYNC251 - what is to be seen
        await trio.sleep(5 * TICK_S)
    worst_ms = lateness.quantile_ms(1.0)
    assert worst_ms is not None
    assert worst_ms > 40


async def test_an_idle_loop_is_not_late(autojump_clock: object) -> None:
    lateness = Lateness()
    async with watching(lateness):
        await trio.sleep(1.0)
    assert 195 <= len(lateness.late_s) <= 205
    assert lateness.quantile_ms(1.0) == pytest.approx(0, abs=1e-3)
    assert Lateness().quantile_ms(0.5) is None


def test_speech_that_is_built_in() -> None:
    pcm = built_in_speech()
    assert (pcm.dtype, len(pcm)) == (np.int16, 3 * HEARING_RATE_HZ)
    assert np.abs(pcm.astype(int)).max() > 3000
    resampled = as_heard(pcm, 48_000)
    assert len(resampled) == pytest.approx(len(pcm) / 3, abs=2)
