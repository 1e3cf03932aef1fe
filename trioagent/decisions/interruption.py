"""Whether somebody's speech interrupts the agent."""

from __future__ import annotations

import attrs

from trioagent.config import BargeInConfig
from trioagent.decisions.text import words_of


def may_be_backchannel(text: str, backchannels: tuple[str, ...]) -> bool:
    """Whether `text` is a backchannel, or the beginning of one."""
    words = words_of(text)
    phrases = _phrases(backchannels)
    # Only what is shorter than the longest phrase can be the beginning of one.
    longest = max(map(len, phrases), default=0)
    for cut in range(max(0, len(words) - longest), len(words) + 1):
        rest = words[cut:]
        begun = any(phrase[: len(rest)] == rest for phrase in phrases)
        if begun and (not cut or _consists(words[:cut], phrases)):
            return True
    return False


def is_backchannel(text: str, backchannels: tuple[str, ...]) -> bool:
    """Whether `text` says nothing but "go on", once or several times."""
    words = words_of(text)
    return bool(words) and _consists(words, _phrases(backchannels))


def _phrases(backchannels: tuple[str, ...]) -> list[list[str]]:
    """Their words, the longest first."""
    phrases = (words_of(backchannel) for backchannel in backchannels)
    return sorted(filter(None, phrases), key=len, reverse=True)


def _consists(words: list[str], phrases: list[list[str]]) -> bool:
    """Whether the words are phrases, one after the other."""
    at = 0
    while at < len(words):
        for phrase in phrases:
            if words[at : at + len(phrase)] == phrase:
                at += len(phrase)
                break
        else:
            return False
    return True


@attrs.frozen
class BargeIn:
    """Decides for one room; `config.allow` says who may interrupt."""

    config: BargeInConfig

    def allowed(self, speaker_id: int, addressee_id: int) -> bool:
        """Whether this speaker may interrupt a reply to `addressee_id`."""
        match self.config.allow:
            case "anyone":
                return True
            case "addressee":
                return speaker_id == addressee_id
            case "nobody":
                return False

    def confirmed(self, speech_s: float, text: str) -> bool:
        """Whether so much speech with these words, so far, is an interruption."""
        words = words_of(text)
        if words and may_be_backchannel(text, self.config.backchannels):
            return False
        if len(words) >= self.config.min_words or set(words) & set(self.config.urgent):
            return True
        return speech_s >= self.config.confirm_ms / 1000
