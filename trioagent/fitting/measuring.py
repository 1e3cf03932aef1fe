"""Measures opened providers on this machine, each for a limited time.

Nothing here judges: `verdicts` does. What was cut off by its limit says so, and counts
for as far as it came. Errors are the provider's, alone or in a group.
"""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, TypeVar

import numpy as np
import trio

from trioagent.fitting.lateness import Lateness, watching
from trioagent.fitting.speeds import (
    RecognitionSpeed,
    ReplySpeed,
    SynthesisSpeed,
    VadCost,
)
from trioagent.interfaces import FRAME_S, HEARING_RATE_HZ, Message, Pcm, Speech
from trioagent.resampling import PhraseResampler

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from trioagent.interfaces import (
        LanguageModel,
        Recognizer,
        RecognizerStream,
        Synthesizer,
        VoiceActivityDetector,
    )

T = TypeVar("T")

SENTENCE = "What is the weather like in Toronto today, and will it rain tomorrow?"
PROMPT = "What is a microphone? Answer in one short sentence."
SPEECH_S = 3.0
PIECE_S = 0.1
BURST_LIMIT_S = 4.0
FINAL_LIMIT_S = 3.0
SYNTHESIS_LIMIT_S = 5.0
REPLY_LIMIT_S = 6.0
VAD_FRAMES = 60
HOPELESS_RTF = 1.5
"""With one speaker; in real time it would only fall behind."""


def measure_vad(vad: VoiceActivityDetector) -> VadCost:
    """Let it look at noise: what a frame costs depends on no sound. Takes < 0.1 s."""
    stream = vad.stream()
    noise = np.random.default_rng(1).normal(0, 2000, stream.frame_samples)
    frame = noise.astype(np.int16)
    took_s = []
    for _ in range(VAD_FRAMES):
        began = time.perf_counter()
        stream.probability(frame)
        took_s.append(time.perf_counter() - began)
    return VadCost(
        1000 * stream.frame_samples / HEARING_RATE_HZ,
        1000 * float(np.median(took_s)),
        1000 * max(took_s),
    )


async def measure_synthesizer(
    synthesizer: Synthesizer, lateness: Lateness
) -> tuple[SynthesisSpeed, Pcm]:
    """Let it say a sentence; also return that, for the recognizer to hear.

    Raises:
        ProviderError: it failed.
    """
    pieces: list[Pcm] = []
    first_s: float | None = None
    began = trio.current_time()

    def take(speech: Speech) -> None:
        nonlocal first_s
        if first_s is None and speech.pcm.size:
            first_s = trio.current_time() - began
        pieces.append(speech.pcm)

    async def say(audio: trio.MemorySendChannel[Speech]) -> None:
        await synthesizer.synthesize(SENTENCE, audio)

    cut_off = await _collect(say, take, SYNTHESIS_LIMIT_S, lateness)
    took_s = trio.current_time() - began
    pcm = np.concatenate(pieces) if pieces else np.zeros(0, np.int16)
    audio_s = len(pcm) / synthesizer.rate_hz
    first_ms = None if first_s is None else 1000 * first_s
    rtf = took_s / audio_s if audio_s else None
    return SynthesisSpeed(first_ms, rtf, audio_s, cut_off), pcm


async def measure_language_model(
    model: LanguageModel, system_prompt: str, lateness: Lateness
) -> ReplySpeed:
    """Ask it something short.

    Raises:
        ProviderError: it failed.
    """
    messages = (Message("system", system_prompt), Message("user", PROMPT))
    times: list[float] = []
    chars = 0
    began = trio.current_time()

    def take(token: str) -> None:
        nonlocal chars
        chars += len(token)
        times.append(trio.current_time())

    async def ask(tokens: trio.MemorySendChannel[str]) -> None:
        await model.reply(messages, tokens)

    cut_off = await _collect(ask, take, REPLY_LIMIT_S, lateness)
    took_s = times[-1] - times[0] if times else 0.0
    return ReplySpeed(
        1000 * (times[0] - began) if times else None,
        len(times),
        (len(times) - 1) / took_s if took_s else None,
        chars / took_s if took_s else None,
        cut_off,
    )


async def measure_recognizer(
    recognizer: Recognizer, speech: Pcm, speakers: int, lateness: Lateness
) -> RecognitionSpeed:
    """Let it hear `speech`: as fast as it can, alone and at once; and in real time.

    Raises:
        ProviderError: it failed.
    """
    speech = speech[: round(SPEECH_S * HEARING_RATE_HZ)]
    first_s = final_s = None
    async with watching(lateness):
        alone = await _burst(recognizer, speech, 1)
        together = alone
        if speakers > 1:
            together = await _burst(recognizer, speech, speakers)
        if alone is not None and alone < HOPELESS_RTF:
            first_s, final_s = await _in_real_time(recognizer, speech)
    return RecognitionSpeed(
        speakers,
        len(speech) / HEARING_RATE_HZ,
        alone,
        together,
        None if first_s is None else 1000 * first_s,
        None if final_s is None else 1000 * final_s,
    )


def as_heard(pcm: Pcm, rate_hz: int) -> Pcm:
    """`pcm` at the rate at which recognizers hear."""
    resampler = PhraseResampler(rate_hz, HEARING_RATE_HZ)
    return np.concatenate([resampler.push(Speech(pcm)).pcm, resampler.finish()])


def built_in_speech() -> Pcm:
    """Something voiced in syllables: what there is where no synthesizer speaks.

    A recognizer works as hard at it as at speech, or nearly; it holds no words.
    """
    time_s = np.arange(round(SPEECH_S * HEARING_RATE_HZ)) / HEARING_RATE_HZ
    voice = sum(np.sin(2 * np.pi * 120 * k * time_s) / k for k in range(1, 25))
    syllables = np.clip(np.sin(2 * np.pi * 4 * time_s), 0, None)
    return np.asarray(4000 * voice * syllables, np.int16)


async def _burst(recognizer: Recognizer, speech: Pcm, speakers: int) -> float | None:
    """The real-time factor of so many speakers at once."""
    fed = [0] * speakers
    size = round(PIECE_S * HEARING_RATE_HZ)

    async def hear(number: int) -> None:
        async with recognizer.stream() as stream:
            for begin in range(0, len(speech), size):
                piece = speech[begin : begin + size]
                await stream.feed(piece)
                fed[number] += len(piece)
            await stream.finish()

    began = trio.current_time()
    with trio.move_on_after(BURST_LIMIT_S):
        async with trio.open_nursery() as nursery:
            for number in range(speakers):
                nursery.start_soon(hear, number, name=f"speaker {number + 1}")
    took_s = trio.current_time() - began
    return took_s * HEARING_RATE_HZ / min(fed) if min(fed) else None


async def _in_real_time(
    recognizer: Recognizer, speech: Pcm
) -> tuple[float | None, float | None]:
    """When the first words were known, and the last, in s; None: not in time.

    The first counts from the beginning of the speech, the last from its end.
    """
    first_s = final_s = None
    length_s = len(speech) / HEARING_RATE_HZ
    with trio.move_on_after(length_s + FINAL_LIMIT_S):
        async with recognizer.stream() as stream:
            began = trio.current_time()
            first_s = await _feed_in_real_time(stream, speech)
            await stream.finish()
            final_s = trio.current_time() - began - length_s
    return first_s, final_s


async def _feed_in_real_time(stream: RecognizerStream, speech: Pcm) -> float | None:
    """Feed all that is due, frame after frame; return when the first words came."""
    await trio.lowlevel.checkpoint()
    first_s = None
    began = trio.current_time()
    fed, frame = 0, round(FRAME_S * HEARING_RATE_HZ)
    while fed < len(speech):
        await trio.sleep_until(began + (fed + frame) / HEARING_RATE_HZ)
        due = int((trio.current_time() - began) * HEARING_RATE_HZ)
        piece = speech[fed : max(due, fed + frame)]
        text = await stream.feed(piece)
        fed += len(piece)
        if text.strip() and first_s is None:
            first_s = trio.current_time() - began
    return first_s


async def _collect(
    produce: Callable[[trio.MemorySendChannel[T]], Awaitable[None]],
    take: Callable[[T], None],
    limit_s: float,
    lateness: Lateness,
) -> bool:
    """Give `take` all that `produce` sends; return whether the limit cut it off."""

    async def send_all(send: trio.MemorySendChannel[T]) -> None:
        async with send:
            await produce(send)

    send, receive = trio.open_memory_channel[T](0)
    with trio.move_on_after(limit_s) as limit:
        async with watching(lateness), receive, trio.open_nursery() as nursery:
            nursery.start_soon(send_all, send, name="measured")
            async for value in receive:
                take(value)
    return limit.cancelled_caught
