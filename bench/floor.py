"""The scripted work by hand: plain Trio in as few lines as it takes, no class of ours.

    python -m bench.floor [--turns 50] [--sessions 1] [--json]

What the language and the loop cost at least: frames in, a timer for the hold, tokens,
a phrase, audio, a frame every 20 ms. It cannot be interrupted, cannot fail, and listens
to one speaker; an agent's overhead is quoted against its lateness.
"""

from __future__ import annotations

import argparse
import math
import os
import time
from typing import TYPE_CHECKING

import numpy as np
import trio

from bench import work
from bench.agents import Row, conditions
from bench.printing import percentiles, report

if TYPE_CHECKING:
    from collections.abc import Iterator


async def conversation(turns: int, seed: int = 0) -> list[float]:
    """So many turns; each one's time to first audio, in milliseconds."""
    ttfas: list[float] = []
    async with trio.open_nursery() as nursery:
        frames_in, frames = trio.open_memory_channel[tuple[work.Pcm, float]](100)
        ends_in, ends = trio.open_memory_channel[float](0)
        nursery.start_soon(user, frames_in, seed)
        nursery.start_soon(listen, frames, ends_in, seed)
        for _ in range(turns):
            spoke_until = await ends.receive()
            audio_in, audio = trio.open_memory_channel[work.Pcm](100)
            nursery.start_soon(think, audio_in)
            ttfas.append((await play(audio) - spoke_until) * 1000)
        nursery.cancel_scope.cancel()
    return ttfas


async def user(
    frames: trio.MemorySendChannel[tuple[work.Pcm, float]], seed: int
) -> None:
    """Speak, wait until a reply is over, and again; a frame every 20 ms."""
    sound = heard_and_silence(seed)

    def hand_over(pcm: work.Pcm, now: float) -> None:
        frames.send_nowait((pcm, now))

    await work.in_real_time(lambda: next(sound), hand_over)


def heard_and_silence(seed: int) -> Iterator[work.Pcm]:
    """The user's frames."""
    reply_s = work.CRITICAL_PATH_S + work.TOKENS * work.TOKEN_AUDIO_S
    silence = np.zeros(work.FRAME, np.int16)
    for spoken in work.utterances(seed):
        yield from [silence] * round(work.SILENCE_S / work.FRAME_S)
        sound = work.audio(spoken)
        yield from np.split(sound, len(sound) // work.FRAME)
        yield from [silence] * math.ceil((reply_s + 0.4) / work.FRAME_S)


async def listen(
    frames: trio.MemoryReceiveChannel[tuple[work.Pcm, float]],
    ends: trio.MemorySendChannel[float],
    seed: int,
) -> None:
    """Take frames, for ever; tell when the last speech came, once its hold is over."""
    for spoken in work.utterances(seed):
        last_speech, heard_s, text = math.inf, 0.0, ""
        while True:
            with trio.CancelScope(deadline=last_speech + work.HOLD_S) as hold:
                pcm, now = await frames.receive()
            if hold.cancelled_caught:
                break
            if pcm[0]:
                last_speech, heard_s = now, heard_s + work.FRAME_S
                text = spoken.hypothesis(heard_s)
            elif now - last_speech >= work.ASR_TAIL_S:
                text = spoken.text
        assert text == spoken.text
        await ends.send(last_speech)


async def think(audio: trio.MemorySendChannel[work.Pcm]) -> None:
    """Tokens to phrases to audio."""
    async with audio, trio.open_nursery() as nursery:
        phrases_in, phrases = trio.open_memory_channel[str](10)
        nursery.start_soon(speak, phrases, audio)
        due, phrase = trio.current_time() + work.LLM_FIRST_S, ""
        async with phrases_in:
            for index, token in enumerate(work.tokens()):
                await trio.sleep_until(due + index * work.LLM_GAP_S)
                phrase += token
                if token.endswith(". "):
                    await phrases_in.send(phrase)
                    phrase = ""


async def speak(
    phrases: trio.MemoryReceiveChannel[str], audio: trio.MemorySendChannel[work.Pcm]
) -> None:
    """Phrases to chunks of audio."""
    chunk = np.ones(round(work.CHUNK_S * work.TTS_RATE_HZ), np.int16)
    async for phrase in phrases:
        due = trio.current_time() + work.TTS_FIRST_S
        chunks = len(phrase.split()) * work.TOKEN_AUDIO_S / work.CHUNK_S
        for index in range(round(chunks)):
            await trio.sleep_until(due + index * work.CHUNK_S / work.TTS_SPEED)
            await audio.send(chunk)


async def play(audio: trio.MemoryReceiveChannel[work.Pcm]) -> float:
    """A frame every 20 ms into the sink; return when the first one went."""
    sink: list[tuple[float, work.Pcm]] = []
    size = round(work.FRAME_S * work.TTS_RATE_HZ)
    start = math.nan
    async for chunk in audio:
        for frame in (chunk[:size], chunk[size:]):
            if not sink:
                start = trio.current_time()
            await trio.sleep_until(start + len(sink) * work.FRAME_S)
            sink.append((trio.current_time(), frame))
    return sink[0][0]


async def several(turns: int, sessions: int) -> list[float]:
    """So many conversations at once."""
    ttfas: list[float] = []

    async def one(seed: int) -> None:
        ttfas.extend(await conversation(turns, seed))

    async with trio.open_nursery() as nursery:
        for seed in range(sessions):
            nursery.start_soon(one, seed)
    return ttfas


def measure(turns: int, sessions: int = 1) -> Row:
    """Times to first audio, and what all of it cost."""
    began, cpu = time.monotonic(), time.process_time()
    ttfas = trio.run(several, turns, sessions)
    minutes = (time.monotonic() - began) / 60
    cpu_s = time.process_time() - cpu
    overheads = [ttfa - work.CRITICAL_PATH_S * 1000 for ttfa in ttfas]
    return {
        "sessions": sessions,
        "overhead_ms": percentiles(overheads),
        "cpu_s_per_minute": round(cpu_s / minutes / sessions, 3),
        "cores": round(cpu_s / minutes / 60, 3),
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--turns", type=int, default=50)
    parser.add_argument("--sessions", type=int, default=1)
    parser.add_argument("--json", action="store_true")
    args = parser.parse_args()
    load = os.getloadavg()[0]
    rows = [measure(args.turns, args.sessions)]
    report(rows, conditions(load), as_json=args.json)


if __name__ == "__main__":
    main()
