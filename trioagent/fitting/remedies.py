"""What to change where something is too slow: keys and commands, by provider."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from trioagent.models.catalogue import CATALOGUE

if TYPE_CHECKING:
    from collections.abc import Mapping

    from trioagent.config import Config

FRAME_REMEDY = '[vad] provider = "rms" costs next to nothing, but only hears loudness'
LATE_REMEDY = (
    "Something keeps the event loop waiting, or the machine is too busy: see what\n"
    "else runs, lower the `threads` of models, run one elsewhere (trioagent serve);\n"
    "sherpa gets a process of its own with [asr.sherpa] isolate = true"
)
CHUNKS_MS = (80, 160, 560, 1120)
SMALLER_MODELS = ("zipformer-en-kroko", "zipformer-en-20m")
DEFAULT_STEPS = 4
"""LuxTTS's."""
FEWEST_STEPS = 2

_ELSEWHERE = (
    "a recognizer on another machine: `trioagent serve asr` there, and here "
    '[asr] provider = "wyoming"'
)
_RECOGNIZERS = {
    "pocketsphinx": "a small language model of what is said ([asr.pocketsphinx] "
    "language_model, dictionary: docs/models.md), or a model for sherpa "
    "(trioagent models pull zipformer-en-kroko)",
    "wyoming": "a smaller model in the server, a server with a card, or several "
    "([asr.wyoming] uris)",
    "qwen": 'mode = "realtime" in [asr.qwen], or Qwen/Qwen3-ASR-0.6B in the server',
}
_SYNTHESIZERS = {
    "sherpa": "a lighter voice: trioagent models pull kitten-en (or "
    "piper-en-us-lessac), and its name as [tts.sherpa] model",
    "openai": "a quicker model or server behind [tts.openai] base_url",
    "wyoming": "a quicker voice in the server, or several servers ([tts.wyoming] uris)",
}
_LANGUAGE_MODELS = {
    "openai": "a smaller model in the server, or one of 4 bits; a server with a card; "
    'for a model that thinks, reasoning_effort = "none" or\n'
    "chat_template_kwargs = { enable_thinking = false } in [llm.openai] (docs/llm.md)",
}


def recognizer_remedy(provider: str, config: Config, threads: Mapping[str, int]) -> str:
    """What makes a recognizer quicker."""
    options = config.asr.options.get(provider, {})
    found = [_RECOGNIZERS.get(provider, "")]
    if provider == "sherpa":
        found.append(_longer_export(str(options.get("model") or config.asr.model)))
    if provider in {"nemo", "nemotron-hf"}:
        longer = _longer(int(options.get("chunk_ms", 160)))
        found.append(f"[asr.{provider}] chunk_ms = {longer}" if longer else "")
        found.append("a card that CUDA can use")
    key = f"asr.{provider}.threads"
    if threads.get(key, 0) > int(options.get("threads", 1)):
        found.append(f"[asr.{provider}] threads = {threads[key]}")
    found.append(_ELSEWHERE if provider != "wyoming" else "")
    return "Try: " + "; or\n".join(filter(None, found))


def synthesizer_remedy(provider: str, config: Config) -> str:
    """What makes a synthesizer quicker."""
    found = [_SYNTHESIZERS.get(provider, "")]
    if provider == "luxtts":
        steps = int(
            config.tts.options.get("luxtts", {}).get("num_steps", DEFAULT_STEPS)
        )
        if steps > FEWEST_STEPS:
            fewer = f"[tts.luxtts] num_steps = {max(FEWEST_STEPS, steps // 2)}"
            found.append(f"fewer steps: {fewer}")
        found.append('[tts] provider = "sherpa", with a Piper voice')
    if provider != "espeak":
        found.append('[tts] provider = "espeak", which is always quick')
    return (
        "Try: " + "; or\n".join(filter(None, found)) if any(found) else _ELSEWHERE_TTS
    )


def language_model_remedy(provider: str) -> str:
    """What makes a language model quicker."""
    known = _LANGUAGE_MODELS.get(provider, "another model")
    return f"Try: {known}"


_ELSEWHERE_TTS = "Try: see what else runs on this machine"


def _longer_export(model: str) -> str:
    """The same model with longer chunks, if the catalogue has it."""
    found = re.search(r"(\d+)ms", model)
    longer = _longer(int(found[1])) if found else None
    if found and longer and "nemotron" in model.lower():
        name = f"nemotron-en-{longer}ms"
        if any(entry.name == name for entry in CATALOGUE):
            return (
                f'longer chunks: trioagent models pull {name}, [asr] model = "{name}"'
            )
    smaller = next(name for name in SMALLER_MODELS if name != model)
    return (
        f'a smaller model: trioagent models pull {smaller}, [asr] model = "{smaller}"'
    )


def _longer(chunk_ms: int) -> int | None:
    return next((chunk for chunk in CHUNKS_MS if chunk > chunk_ms), None)
