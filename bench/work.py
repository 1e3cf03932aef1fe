"""The scripted work: what a user says, and what the models take for it, to the letter.

User audio comes in real time, 16 kHz mono, in frames of 20 ms: silence, an utterance of
1.4 to 2.7 s, silence. Recognizer: a hypothesis every 200 ms of speech that has one word
more each time; the final 60 ms after the last speech sample reached it. Language model:
the first token 150 ms after the request, then one every 15 ms, 40 tokens in three
sentences, the first complete with token 8. Synthesizer: first audio 80 ms after it is
given a phrase, then 24 kHz audio at 5 times real time in chunks of 40 ms. Hold 200 ms.

Here are the numbers, the utterances and the schedule; `bench.scripted` makes an agent's
parts of them, and `bench.floor` the same by hand.
"""

from __future__ import annotations

import random
from typing import TYPE_CHECKING

import attrs
import numpy as np
import numpy.typing as npt
import trio

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

Pcm = npt.NDArray[np.int16]

RATE_HZ = 16_000
FRAME_S = 0.02
FRAME = int(RATE_HZ * FRAME_S)
SHORTEST_S, LONGEST_S = 1.4, 2.7
SILENCE_S = 0.5
"""Before each utterance."""

WORD_S = 0.2
ASR_TAIL_S = 0.06
HOLD_S = 0.2
LLM_FIRST_S = 0.15
LLM_GAP_S = 0.015
TOKENS = 40
FIRST_SENTENCE = 8
SENTENCE_ENDS = (FIRST_SENTENCE, 24, TOKENS)
TTS_FIRST_S = 0.08
TTS_RATE_HZ = 24_000
TTS_SPEED = 5.0
CHUNK_S = 0.04
TOKEN_AUDIO_S = 0.05
"""How long a token sounds: not part of the definition; replies take two seconds."""

CRITICAL_PATH_S = (
    max(HOLD_S, ASR_TAIL_S)
    + LLM_FIRST_S
    + (FIRST_SENTENCE - 1) * LLM_GAP_S
    + TTS_FIRST_S
)
"""Everything after the hold: 535 ms."""
EARLY_PATH_S = max(
    HOLD_S, ASR_TAIL_S + LLM_FIRST_S + (FIRST_SENTENCE - 1) * LLM_GAP_S + TTS_FIRST_S
)
"""Begun on the final words, only the release waits for the hold: 395 ms."""

_VOCABULARY = (
    "please tell me about the weather in the north and when it may turn to rain so"
    " that we know"
).split()


@attrs.frozen
class Spoken:
    """An utterance: how long it is, and its words."""

    length_s: float
    words: tuple[str, ...]
    known_s: float
    """So long after its beginning, a hypothesis has all of its words."""

    @property
    def text(self) -> str:
        """The final transcript."""
        return " ".join(self.words)

    def hypothesis(self, heard_s: float) -> str:
        """The words after so much speech, without the final's help."""
        return " ".join(self.words[: int(heard_s / WORD_S + 1e-6)])


def utterances(seed: int, *, known_early_s: float | None = None) -> Iterator[Spoken]:
    """Utterance after utterance, for ever, the same for a seed.

    Without `known_early_s` the last word is only in the final; with it, a hypothesis
    had all of them so long before the end of speech, or up to `WORD_S` earlier.
    """
    chance = random.Random(seed)
    while True:
        frames = chance.randint(round(SHORTEST_S / FRAME_S), round(LONGEST_S / FRAME_S))
        length_s = frames * FRAME_S
        known_s = length_s - (known_early_s or 0.0)
        count = int(known_s / WORD_S + 1e-6) + (known_early_s is None)
        start = chance.randrange(len(_VOCABULARY))
        words = tuple((_VOCABULARY * 3)[start : start + count])
        yield Spoken(length_s, words, count * WORD_S)


def audio(spoken: Spoken) -> Pcm:
    """Its sound: noise, which only says that somebody speaks."""
    chance = np.random.default_rng(round(spoken.length_s * 1000))
    count = round(spoken.length_s * RATE_HZ)
    return (chance.integers(2000, 8000, count) * chance.choice([-1, 1], count)).astype(
        np.int16
    )


def tokens() -> Iterator[str]:
    """The reply's tokens: three sentences."""
    for number in range(1, TOKENS + 1):
        yield f"tok{number}{'. ' if number in SENTENCE_ENDS else ' '}"


async def in_real_time(
    frames: Callable[[], Pcm], take: Callable[[Pcm, float], None]
) -> None:
    """Hand over a frame every 20 ms, for ever; `take` is told when that was."""
    start, index = trio.current_time(), 0
    while True:
        index += 1
        await trio.sleep_until(start + index * FRAME_S)
        take(frames(), trio.current_time())
