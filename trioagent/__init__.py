"""A voice agent for Mumble, built on Trio.

Make an `Agent` from `Parts` and a `Config`, and run it in your own nursery. The parts
are anything that has the shape of the protocols exported here; `docs/library.md` shows
it in 20 lines.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from trioagent.agent import Agent, Parts
    from trioagent.config import Config
    from trioagent.interfaces import (
        LanguageModel,
        Message,
        Offload,
        Recognizer,
        RecognizerStream,
        Room,
        Speaker,
        Speech,
        Synthesizer,
        VadStream,
        VoiceActivityDetector,
        VoicePacket,
    )

__all__ = [
    "Agent",
    "Config",
    "LanguageModel",
    "Message",
    "Offload",
    "Parts",
    "Recognizer",
    "RecognizerStream",
    "Room",
    "Speaker",
    "Speech",
    "Synthesizer",
    "VadStream",
    "VoiceActivityDetector",
    "VoicePacket",
]

_ELSEWHERE = {"Agent": "agent", "Parts": "agent", "Config": "config"}


# The command line has to be awake before the engine is imported: that takes a while, in
# which somebody may press Ctrl-C.
def __getattr__(name: str) -> object:
    if name not in __all__:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    module = _ELSEWHERE.get(name, "interfaces")
    value: object = getattr(importlib.import_module(f"{__name__}.{module}"), name)
    return value


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
