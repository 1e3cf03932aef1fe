"""How much later a final transcript is from a process of its own.

    python -m bench.asr_isolated --model tests/data/tiny-nemotron-160ms

Sentences are fed in frames of 20 ms as fast as they are taken, to the recognizer in
this process and to the one in its own, in turns. "final" is how long `finish` takes,
what a reply waits for; "frame" how long one `feed` does.
"""

from __future__ import annotations

import argparse
import time
from typing import TYPE_CHECKING

import numpy as np
import trio

from providers.asr import sherpa
from tests.helpers_speech import frames, say

if TYPE_CHECKING:
    from trioagent.interfaces import Pcm, Recognizer

SENTENCES = [
    "turn off the fan in the kitchen",
    "what is the weather like in paris tomorrow",
    "book a flight to berlin on monday",
    "the meeting with carol is friday at ten",
]
FRAME_SAMPLES = 320


async def finals(
    recognizer: Recognizer, pcm: Pcm, speakers: int
) -> tuple[list[float], list[float]]:
    """Return the times that each frame took and each final transcript, in seconds."""
    took_frame: list[float] = []
    took_final: list[float] = []

    async def speak() -> None:
        async with recognizer.stream() as stream:
            for frame in frames(pcm, FRAME_SAMPLES):
                began = time.perf_counter()
                await stream.feed(frame)
                took_frame.append(time.perf_counter() - began)
            began = time.perf_counter()
            await stream.finish()
            took_final.append(time.perf_counter() - began)

    async with trio.open_nursery() as nursery:
        for number in range(speakers):
            nursery.start_soon(speak, name=f"speaker {number}")
    return took_frame, took_final


async def compare(arguments: argparse.Namespace) -> None:
    where = {"in this process": False, "in its own": True}
    options = {
        name: sherpa.Options(model=arguments.model, isolate=isolate)
        for name, isolate in where.items()
    }
    here, own = options
    print("speakers  where            frame median   final median  p95  (ms)")
    async with (
        sherpa.PROVIDER.open(options[here]) as first,
        sherpa.PROVIDER.open(options[own]) as second,
    ):
        for speakers in arguments.speakers:
            taken: dict[str, tuple[list[float], list[float]]] = {
                name: ([], []) for name in options
            }
            for count in range(arguments.runs):
                pcm = say(SENTENCES[count % len(SENTENCES)])
                for name, recognizer in ((here, first), (own, second)):
                    frame, final = await finals(recognizer, pcm, speakers)
                    taken[name][0].extend(frame)
                    taken[name][1].extend(final)
            medians = {}
            for name, times in taken.items():
                frame_ms, final_ms = (np.array(column) * 1000 for column in times)
                medians[name] = np.median(final_ms)
                print(
                    f"{speakers:8}  {name:15}  {np.median(frame_ms):12.2f}"
                    f"   {medians[name]:12.2f}  {np.percentile(final_ms, 95):.2f}"
                )
            later = medians[own] - medians[here]
            print(f"{speakers:8}  a final is {later:.2f} ms later (median)")


def main() -> None:
    parser = argparse.ArgumentParser(description="a process of its own: its price")
    parser.add_argument("--model", default="tests/data/tiny-nemotron-160ms")
    parser.add_argument("--speakers", type=int, nargs="+", default=[1, 4, 16])
    parser.add_argument("--runs", type=int, default=20)
    trio.run(compare, parser.parse_args())


if __name__ == "__main__":
    main()
