"""How fast sherpa-onnx decodes several speakers at once: in one batch, or one by one.

    python -m bench.asr_batch --model tests/data/tiny-nemotron-160ms

Each speaker says sentences of the tiny model without a pause, fed in pieces of
`--feed-ms` as fast as they are taken. The real-time factor is the time that all took
divided by the length of one speaker's audio: below 1, that many can talk at once.
"One by one" is the same recognizer, whose batches are taken apart.
"""

from __future__ import annotations

import argparse
import time
from typing import Any

import numpy as np
import trio

from providers.asr import sherpa
from tests.helpers_speech import frames, say
from trioagent.interfaces import HEARING_RATE_HZ, Pcm
from trioagent.offload import ThreadOffload

SENTENCES = [
    "turn off the fan in the kitchen",
    "what is the weather like in paris tomorrow",
    "book a flight to berlin on monday",
    "the meeting with carol is friday at ten",
]


class OneByOne(sherpa.Engine):
    """Decodes the same streams, each in a call of its own."""

    def _decode_ready(self, streams: list[Any]) -> None:
        for stream in streams:
            super()._decode_ready([stream])


async def speak(recognizer: sherpa.SherpaRecognizer, pieces: list[Pcm]) -> None:
    async with recognizer.stream() as stream:
        for piece in pieces:
            await stream.feed(piece)
        await stream.finish()


async def measure(engine: sherpa.Engine, speakers: int, pieces: list[Pcm]) -> float:
    """Return the real-time factor."""
    recognizer = sherpa.SherpaRecognizer(engine, ThreadOffload())
    began = time.perf_counter()
    async with trio.open_nursery() as nursery:
        for number in range(speakers):
            nursery.start_soon(speak, recognizer, pieces, name=f"speaker {number}")
    took_s = time.perf_counter() - began
    return took_s * HEARING_RATE_HZ / sum(map(len, pieces))


async def compare(arguments: argparse.Namespace) -> None:
    speech = np.concatenate([say(sentence) for sentence in SENTENCES])
    wanted = round(arguments.seconds * HEARING_RATE_HZ)
    speech = np.resize(speech, wanted)
    pieces = frames(speech, arguments.feed_ms * HEARING_RATE_HZ // 1000)
    options = sherpa.Options(model=arguments.model, threads=arguments.threads)
    batched = await trio.to_thread.run_sync(sherpa.Engine, options)
    single = await trio.to_thread.run_sync(OneByOne, options)
    print("speakers  batched  one by one  ratio   (real-time factor, best of runs)")
    for speakers in arguments.speakers:
        # In turns, so that what else the machine does meets both.
        runs = [
            (
                await measure(batched, speakers, pieces),
                await measure(single, speakers, pieces),
            )
            for _ in range(arguments.runs)
        ]
        first, second = (min(column) for column in zip(*runs, strict=True))
        print(f"{speakers:8}  {first:7.4f}  {second:10.4f}  {second / first:5.2f}")


def main() -> None:
    parser = argparse.ArgumentParser(description="batched against one by one")
    parser.add_argument("--model", default="tests/data/tiny-nemotron-160ms")
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--speakers", type=int, nargs="+", default=[1, 4, 16])
    parser.add_argument("--seconds", type=float, default=20)
    parser.add_argument("--feed-ms", type=int, default=20)
    parser.add_argument("--runs", type=int, default=5)
    trio.run(compare, parser.parse_args())


if __name__ == "__main__":
    main()
