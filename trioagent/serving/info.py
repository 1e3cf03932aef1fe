"""What a server answers to `describe`."""

from __future__ import annotations

from importlib import metadata
from typing import TYPE_CHECKING

from trioagent.wyoming.framing import Event

if TYPE_CHECKING:
    from collections.abc import Sequence


def recognizer_info(name: str, languages: Sequence[str]) -> Event:
    """Describe a recognizer of ours that is called `name`."""
    return Event(
        "info",
        {
            "asr": [
                {
                    **_artifact("trioagent", "Streaming speech recognition"),
                    "models": [{**_artifact(name), "languages": list(languages)}],
                    "supports_transcript_streaming": True,
                    "requires_external_vad": True,
                }
            ]
        },
    )


def synthesizer_info(name: str, languages: Sequence[str]) -> Event:
    """Describe a synthesizer of ours that is called `name`."""
    return Event(
        "info",
        {
            "tts": [
                {
                    **_artifact("trioagent", "Streaming speech synthesis"),
                    "voices": [{**_artifact(name), "languages": list(languages)}],
                    "supports_synthesize_streaming": True,
                }
            ]
        },
    )


def _artifact(name: str, description: str = "") -> dict[str, object]:
    return {
        "name": name,
        "attribution": {"name": "trioagent", "url": ""},
        "installed": True,
        "description": description or name,
        "version": metadata.version("trioagent"),
    }
