"""Whether somebody's speech interrupts the agent."""

from __future__ import annotations

import attrs

from trioagent.config import BargeInConfig
from trioagent.decisions.text import words_of


def may_be_backchannel(text: str, backchannels: tuple[str, ...]) -> bool:
    """Whether `text` is a backchannel, or the beginning of one."""
    words = words_of(text)
    for cut in range(len(words) + 1):
        rest = words[cut:]
        whole = not cut or is_backchannel(" ".join(words[:cut]), backchannels)
        begun = any(words_of(b)[: len(rest)] == rest for b in backchannels)
        if whole and begun:
            return True
    return False


def is_backchannel(text: str, backchannels: tuple[str, ...]) -> bool:
    """Whether `text` says nothing but "go on", once or several times."""
    rest = words_of(text)
    phrases = sorted((words_of(b) for b in backchannels), key=len, reverse=True)
    if not rest:
        return False
    while rest:
        for phrase in phrases:
            if phrase and rest[: len(phrase)] == phrase:
                rest = rest[len(phrase) :]
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
