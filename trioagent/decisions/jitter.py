"""The jitter buffer: from pieces of synthesized speech to even frames.

It knows which words each sample belongs to, so that history can say what was heard.
Nothing in here waits: `stages.playback` asks it for a frame at each tick.
"""

from __future__ import annotations

from collections import deque

import attrs
import numpy as np

from trioagent.config import PlaybackConfig
from trioagent.interfaces import FRAME_S, Pcm, WordMark

# How fast English is spoken, for a phrase whose length is not known yet.
CHARS_PER_S = 15
SENTENCE_ENDS = (".", "!", "?", "…")
QUOTES = "\"')\u201d\u2019\u00bb"


@attrs.define(eq=False)
class Phrase:
    """A phrase whose audio is in the buffer, or was."""

    text: str
    start: int
    """Its first sample, counted from the start of the reply."""
    end: int
    """One past its last sample so far."""
    complete: bool = False
    words: list[WordMark] = attrs.Factory(list)

    def heard(self, cursor: int, rate_hz: int) -> str:
        """The words that had ended when the first `cursor` samples were played.

        By the synthesizer's word marks where it gave them, else in proportion to the
        audio.
        """
        played = min(cursor, self.end) - self.start
        if played <= 0:
            return ""
        if self.complete and cursor >= self.end:
            return self.text
        if self.words:
            begun = [m.start_char for m in self.words if m.at_sample < played]
            # The last word that began may not have ended.
            return self.text[: begun[-1]].strip() if begun else ""
        length = self.end - self.start
        if not self.complete:
            length = max(length, int(len(self.text) / CHARS_PER_S * rate_hz))
        cut = self.text[: len(self.text) * played // length + 1]
        return cut.rpartition(" ")[0].strip()


@attrs.define(eq=False)
class StartLevel:
    """How much audio a reply needs before it starts; learns from one to the next.

    A synthesizer slower than real time would run dry after `level / (1 - speed)`
    seconds, so the level grows until a reply of `EXPECTED_REPLY_S` would not, and
    falls again with a faster one.
    """

    EXPECTED_REPLY_S = 3.0
    WEIGHT = 0.3

    config: PlaybackConfig
    speed: float = 10.0
    """Seconds of audio made per second, a moving average."""

    def observe(self, audio_s: float, took_s: float) -> None:
        """A phrase of `audio_s` took `took_s` to synthesize."""
        if audio_s > 0:
            speed = min(audio_s / max(took_s, 1e-3), 10.0)
            self.speed += self.WEIGHT * (speed - self.speed)

    @property
    def seconds(self) -> float:
        """The start level now."""
        missing_s = self.EXPECTED_REPLY_S * max(0.0, 1.0 - self.speed)
        most_s = max(self.config.max_prebuffer_ms, self.config.prebuffer_ms) / 1000
        wanted_s = min(max(self.config.prebuffer_ms / 1000, missing_s), most_s)
        # More than may wait in the buffer would never be there.
        return min(wanted_s, self.config.ahead_s)


@attrs.define(eq=False)
class JitterBuffer:
    """One reply's audio at `rate_hz`, on its way to the room.

    Attributes:
        cursor: Samples played so far.
        underruns: How often a frame was due and none was there.
    """

    rate_hz: int
    fade_ms: float
    phrases: list[Phrase] = attrs.Factory(list)
    complete: bool = False
    cursor: int = 0
    underruns: int = 0
    _pieces: deque[Pcm] = attrs.Factory(deque)
    _level: int = 0
    _fade_in: bool = True
    _begun: int = 0

    @property
    def level_s(self) -> float:
        """Seconds of audio that wait."""
        return self._level / self.rate_hz

    @property
    def drained(self) -> bool:
        """Whether all there will ever be has been taken."""
        return self.complete and self._level == 0

    def begin_phrase(self, text: str) -> None:
        """What is put from now on belongs to this phrase."""
        start = self.cursor + self._level
        self.phrases.append(Phrase(text, start, start))

    def put(self, pcm: Pcm, words: tuple[WordMark, ...] = ()) -> None:
        """Add audio of the current phrase; its marks count at `rate_hz`, too."""
        self._pieces.append(pcm)
        self._level += len(pcm)
        self.phrases[-1].end += len(pcm)
        self.phrases[-1].words.extend(words)

    def end_phrase(self) -> None:
        """The current phrase has all its audio. One that failed never gets there."""
        self.phrases[-1].complete = True

    def ready(self, start_level_s: float) -> bool:
        """Whether a reply, or what follows an underrun, may start."""
        if self.complete:
            return self._level > 0
        return self.level_s >= max(start_level_s, FRAME_S)

    def take(self, *, fade_out: bool = False) -> Pcm | None:
        """The next frame, exactly `FRAME_S` long, or None: an underrun.

        A last piece shorter than a frame waits for more, unless the reply is complete;
        then it is padded with silence. With `fade_out` it falls to silence within the
        frame, and the next one fades in: no sample is left out or comes twice.
        """
        size = round(self.rate_hz * FRAME_S)
        if self._level < size and not self.complete:
            self.underruns += 1
            self._fade_in = True
            return None
        frame = self._cut(size)
        if self._fade_in:
            self._fade_in = False
            frame = self._faded_in(frame)
        if fade_out:
            self._fade_in = True
            frame = (frame * np.linspace(1.0, 0.0, size)).astype(np.int16)
        return frame

    def newly_begun(self) -> list[Phrase]:
        """The phrases that have begun to sound since the last call."""
        first = self._begun
        while (
            self._begun < len(self.phrases)
            and self.phrases[self._begun].start < self.cursor
        ):
            self._begun += 1
        return self.phrases[first : self._begun]

    def sentence_over(self, since: int) -> bool:
        """Whether the sentence that sounds at the sample `since` has been played."""
        for phrase in self.phrases:
            if phrase.end <= since or not _ends_sentence(phrase.text):
                continue
            # One that failed never gets complete, but has no more audio then.
            known = phrase.complete or phrase is not self.phrases[-1]
            return known and self.cursor >= phrase.end
        return self.drained

    def heard(self) -> str:
        """The text of what was played, cut at the cursor."""
        return " ".join(
            filter(None, (p.heard(self.cursor, self.rate_hz) for p in self.phrases))
        )

    def _cut(self, size: int) -> Pcm:
        """The next samples: out of one piece uncopied, or put together and padded."""
        pieces = self._pieces
        if pieces and len(pieces[0]) >= size:
            frame, rest = pieces[0][:size], pieces[0][size:]
            filled = size
            if len(rest):
                pieces[0] = rest
            else:
                pieces.popleft()
        else:
            frame, filled = np.zeros(size, np.int16), 0
            while filled < size and pieces:
                piece = pieces.popleft()
                used = piece[: size - filled]
                frame[filled : filled + len(used)] = used
                filled += len(used)
                if len(used) < len(piece):
                    pieces.appendleft(piece[len(used) :])
        self._level -= filled
        self.cursor += filled
        return frame

    def _faded_in(self, frame: Pcm) -> Pcm:
        length = min(int(self.rate_hz * self.fade_ms / 1000), len(frame))
        if length:
            ramp = np.linspace(0.0, 1.0, length, endpoint=False)
            frame = frame.copy()
            frame[:length] = (frame[:length] * ramp).astype(np.int16)
        return frame


def _ends_sentence(text: str) -> bool:
    return text.rstrip(QUOTES).endswith(SENTENCE_ENDS)
