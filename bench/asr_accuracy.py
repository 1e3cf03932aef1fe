"""Word errors and latency of a recognizer, on recordings or on espeak-ng's sentences.

    python -m bench.asr_accuracy pocketsphinx --recordings ../shared/speech
    python -m bench.asr_accuracy sherpa --set model=tests/data/tiny-nemotron-160ms \
        --sentences 100

A folder of recordings holds WAV files at 16 kHz and `manifest.jsonl`, one object per
line: "file", "text", "speech_start" and "speech_end" in seconds, "tags". Each utterance
is cut as the agent cuts it, 300 ms before the speech until 500 ms after, and fed in
frames of 20 ms as fast as they are taken. The sentences are the tiny model's phrases.

"final" is how long `finish` takes: what a reply waits for after the end of a turn.
"""

from __future__ import annotations

import argparse
import json
import sys
import time
from collections import defaultdict
from pathlib import Path
from typing import TYPE_CHECKING

import attrs
import numpy as np
import soundfile
import trio

from tests.helpers_speech import frames, say, word_errors, words
from trioagent.configuration.structuring import structure_options
from trioagent.interfaces import HEARING_RATE_HZ, Pcm
from trioagent.registry import provider

if TYPE_CHECKING:
    from collections.abc import Iterator

    from trioagent.interfaces import Recognizer

PRE_ROLL_S, HOLD_S = 0.3, 0.5
FRAME_SAMPLES = 320
VOICES = ("en-us", "en-gb", "en-us+f3")


@attrs.frozen(eq=False)
class Utterance:
    """What is said, and what it is an example of."""

    text: str
    tags: tuple[str, ...]
    pcm: Pcm


@attrs.frozen
class Result:
    """How one utterance was understood."""

    utterance: Utterance
    heard: str
    errors: int
    feed_s: float
    final_s: float


def recorded(folder: Path) -> Iterator[Utterance]:
    for line in (folder / "manifest.jsonl").read_text(encoding="utf-8").splitlines():
        entry = json.loads(line)
        pcm, rate_hz = soundfile.read(folder / entry["file"], dtype="int16")
        if rate_hz != HEARING_RATE_HZ:
            sys.exit(f"{entry['file']} has {rate_hz} Hz, not {HEARING_RATE_HZ}")
        start_s = max(0.0, entry["speech_start"] - PRE_ROLL_S)
        end_s = entry["speech_end"] + HOLD_S
        cut = pcm[round(start_s * rate_hz) : round(end_s * rate_hz)]
        yield Utterance(entry["text"], tuple(entry["tags"]), cut)


def spoken(count: int) -> Iterator[Utterance]:
    from tools.tiny_nemotron.corpus import load_corpus  # noqa: PLC0415 - one mode's

    corpus, rng = load_corpus(), np.random.default_rng(7)
    for number in range(count):
        voice = VOICES[number % len(VOICES)]
        text = corpus.phrase(rng)
        yield Utterance(text, (voice,), say(text, voice))


async def understand(recognizer: Recognizer, utterance: Utterance) -> Result:
    async with recognizer.stream() as stream:
        began = time.perf_counter()
        for frame in frames(utterance.pcm, FRAME_SAMPLES):
            await stream.feed(frame)
        fed = time.perf_counter()
        heard = await stream.finish()
        done = time.perf_counter()
    errors = word_errors(utterance.text, heard)
    return Result(utterance, heard, errors, fed - began, done - fed)


def setting(text: str) -> tuple[str, object]:
    """Read "threads=2" as a number, "model=some/folder" as a text."""
    key, _, value = text.partition("=")
    try:
        return key, json.loads(value)
    except json.JSONDecodeError:
        return key, value


def percent_wrong(results: list[Result]) -> str:
    total = sum(len(words(result.utterance.text)) for result in results)
    wrong = sum(result.errors for result in results)
    return f"{100 * wrong / total:5.1f} % of {total} words"


def report(results: list[Result]) -> None:
    tagged = defaultdict(list)
    for result in results:
        for tag in result.utterance.tags:
            tagged[tag].append(result)
    print(f"{'all':12} {len(results):4} utterances  {percent_wrong(results)} wrong")
    for tag, some in sorted(tagged.items()):
        print(f"{tag:12} {len(some):4} utterances  {percent_wrong(some)} wrong")
    exact = sum(result.errors == 0 for result in results)
    print(f"understood without an error: {exact}")
    final_ms = np.array([result.final_s for result in results]) * 1000
    p50, p95, worst = np.percentile(final_ms, [50, 95, 100])
    print(f"final: median {p50:.0f} ms, p95 {p95:.0f} ms, longest {worst:.0f} ms")
    audio_s = sum(len(result.utterance.pcm) for result in results) / HEARING_RATE_HZ
    busy_s = sum(result.feed_s + result.final_s for result in results)
    print(f"real-time factor: {busy_s / audio_s:.3f} over {audio_s:.0f} s of audio")


async def run(args: argparse.Namespace) -> None:
    utterances = (
        recorded(args.recordings) if args.recordings else spoken(args.sentences)
    )
    chosen = provider("asr", args.provider)
    table = dict(map(setting, args.set))
    options = structure_options(chosen.options, table, f"asr.{args.provider}")
    async with chosen.open(options) as recognizer:
        results = [await understand(recognizer, found) for found in utterances]
    if args.verbose:
        for result in results:
            print(f"{result.errors:3}  {result.utterance.text}\n     {result.heard}")
    report(results)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("provider", help="an asr provider: sherpa, pocketsphinx")
    parser.add_argument(
        "--set", action="append", default=[], metavar="KEY=VALUE", help="its options"
    )
    source = parser.add_mutually_exclusive_group(required=True)
    source.add_argument("--recordings", type=Path, metavar="FOLDER")
    source.add_argument("--sentences", type=int, metavar="COUNT")
    parser.add_argument("--verbose", action="store_true", help="print each utterance")
    trio.run(run, parser.parse_args())


if __name__ == "__main__":
    main()
