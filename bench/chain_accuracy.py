"""Where words get lost on the way from a voice to the recognizer, without a network.

    python -m bench.chain_accuracy [--sentences 250]

Each sentence of the tiny model's corpus is spoken by espeak-ng, as `trioagent call`
does, and recognized after each part of its way: as it is, as a client sends it, after
Opus at several bit rates, and as the agent says its own words. A last part shifts the
speech by less than a chunk of the model: what that changes is the model's own chance.
"""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import trio

from providers.asr.sherpa import Engine, Options
from providers.opus import Decoder, Encoder
from providers.tts.espeak import PROVIDER as ESPEAK
from tests.helpers_speech import word_errors, words
from tools.tiny_nemotron.corpus import load_corpus
from trioagent.calling.at_once import speak
from trioagent.calling.audio_files import resample
from trioagent.calling.utterances import Utterance, transmission
from trioagent.interfaces import HEARING_RATE_HZ, Pcm, Speech
from trioagent.resampling import PhraseResampler

if TYPE_CHECKING:
    from collections.abc import Callable

MODEL = Path(__file__).parents[1] / "tests/data/tiny-nemotron-160ms"
ROOM_RATE_HZ = 24_000
BITRATES_KBPS = (16, 24, 40, 64, 96)
SHIFTS_MS = (20, 40, 60, 80)
SEED = 11


async def spoken(count: int) -> tuple[list[str], list[Pcm], int]:
    """Different sentences, their sound, and its rate."""
    corpus, rng = load_corpus(), np.random.default_rng(SEED)
    texts: dict[str, None] = {}
    while len(texts) < count:
        texts[corpus.phrase(rng)] = None
    async with ESPEAK.open(ESPEAK.options()) as synthesizer:
        pcms = [await speak(synthesizer, text) for text in texts]
        return list(texts), pcms, synthesizer.rate_hz


def silence(ms: float) -> Pcm:
    return np.zeros(round(HEARING_RATE_HZ * ms / 1000), np.int16)


def sent(pcm: Pcm, *, noisy: bool) -> Pcm:
    """What a client sends of it, with voice activation."""
    frames = transmission(Utterance("", pcm, ROOM_RATE_HZ, noisy=noisy))
    quiet = np.zeros(ROOM_RATE_HZ // 50, np.int16)
    return np.concatenate([quiet if f.pcm is None else f.pcm for f in frames])


def over_opus(pcm: Pcm, kbps: int) -> Pcm:
    encoder = Encoder(ROOM_RATE_HZ, kbps * 1000)
    decoder = Decoder(HEARING_RATE_HZ)
    size = encoder.frame_samples
    padded = np.pad(pcm, (0, -len(pcm) % size))
    packets = [encoder.encode(frame) for frame in padded.reshape(-1, size)]
    return np.concatenate([decoder.decode(packet) for packet in packets])


def as_reply(pcm: Pcm, rate_hz: int) -> Pcm:
    """As the agent resamples its own voice."""
    resampler = PhraseResampler(rate_hz, ROOM_RATE_HZ)
    return np.concatenate([resampler.push(Speech(pcm)).pcm, resampler.finish()])


def ways(rate_hz: int) -> dict[str, Callable[[Pcm], Pcm]]:
    """Each part of the way; all end at the rate of hearing."""

    def at(pcm: Pcm, rate: int) -> Pcm:
        return resample(pcm, rate_hz, rate)

    def called(pcm: Pcm, kbps: int = 40, *, noisy: bool = False) -> Pcm:
        return over_opus(sent(at(pcm, ROOM_RATE_HZ), noisy=noisy), kbps)

    found: dict[str, Callable[[Pcm], Pcm]] = {
        "spoken": lambda pcm: at(pcm, HEARING_RATE_HZ),
        "sent, no Opus": lambda pcm: resample(
            sent(at(pcm, ROOM_RATE_HZ), noisy=False), ROOM_RATE_HZ, HEARING_RATE_HZ
        ),
    }
    for kbps in BITRATES_KBPS:
        found[f"sent, Opus {kbps} kbit/s"] = lambda pcm, kbps=kbps: called(pcm, kbps)
    found["sent as if noisy, Opus 40"] = lambda pcm: called(pcm, noisy=True)
    found["the agent's reply, Opus 40"] = lambda pcm: over_opus(
        as_reply(pcm, rate_hz), 40
    )
    for ms in SHIFTS_MS:
        found[f"sent, Opus 40, {ms} ms later"] = lambda pcm, ms=ms: np.concatenate(
            [silence(ms), called(pcm)]
        )
    return found


def recognized(engine: Engine, pcm: Pcm) -> str:
    stream = engine.start()
    engine.feed(stream, np.concatenate([pcm, silence(300)]))
    return engine.finish(stream)


async def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--sentences", type=int, default=250, metavar="COUNT")
    texts, pcms, rate_hz = await spoken(parser.parse_args().sentences)
    engine = Engine(Options(model=str(MODEL)))
    total = sum(len(words(text)) for text in texts)
    for name, way in ways(rate_hz).items():
        heard = [recognized(engine, way(pcm)) for pcm in pcms]
        errors = [word_errors(*pair) for pair in zip(texts, heard, strict=True)]
        exact, wrong = errors.count(0), 100 * sum(errors) / total
        print(
            f"{name:30} {exact:4} of {len(texts)} exact, {wrong:4.1f} % of words wrong"
        )


if __name__ == "__main__":
    trio.run(main)
