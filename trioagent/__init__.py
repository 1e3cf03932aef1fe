"""A voice agent for Mumble, built on Trio.

Make an `Agent` from `Parts` and a `Config`, and run it in your own nursery. The parts
are anything that has the shape of the protocols exported here; `docs/library.md` shows
it in 20 lines.
"""

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
