"""Speech for models with random weights, whose nonsense is known word by word."""

from __future__ import annotations

from typing import TYPE_CHECKING

import attrs

from tests.contract.asr_contract import FRAME_SAMPLES, Sample
from tests.helpers_speech import say

if TYPE_CHECKING:
    from trioagent.interfaces import Pcm


@attrs.frozen(eq=False)
class ExactSample(Sample):
    """Speech, and all that the model makes of it."""

    text: str = ""

    def is_heard_in(self, text: str) -> bool:
        return text == self.text

    def is_apart_from(self, text: str) -> bool:
        return text != self.text


def speech(text: str) -> Pcm:
    """`text`, spoken, in whole frames."""
    pcm = say(text)
    return pcm[: len(pcm) // FRAME_SAMPLES * FRAME_SAMPLES]
