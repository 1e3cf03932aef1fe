"""`[asr.sherpa]`: what can be set of it."""

from __future__ import annotations

from typing import Literal

import attrs
from attrs import validators as v


def _fits_a_line(_options: object, _field: object, words: tuple[str, ...]) -> None:
    for word in words:
        # sherpa-onnx reads a line of words; ":2.5" at its end would be a score.
        if not word.strip() or "\n" in word or word.strip()[0] in ":#@":
            raise ValueError(f"not a word or phrase: {word!r}")


@attrs.frozen(kw_only=True)
class Options:
    """`[asr.sherpa]`."""

    model: str = ""
    """Folder with encoder, decoder and joiner (*.onnx), or of a CTC model one
    model*.onnx, and tokens.txt; `[asr] model` is the same."""
    device: Literal["auto", "cpu", "cuda"] = "auto"
    """Where it computes. "auto" takes a GPU where sherpa-onnx and the machine can."""
    threads: int = attrs.field(default=1, validator=[v.ge(1), v.le(64)])
    """Threads for the matrices of one chunk."""
    language: str = ""
    """For a model of many languages, the one that is spoken: "en-US"; empty lets the
    model find out."""
    hotwords: tuple[str, ...] = attrs.field(default=(), validator=_fits_a_line)
    """Words and phrases that are expected: names, for example. Transducers only; costs
    some computing."""
    hotwords_score: float = attrs.field(default=1.5, validator=[v.ge(0), v.le(100)])
    """How much each token of a hot word is preferred."""
    isolate: bool = False
    """Run it in a process of its own: if it crashes, a turn is lost, not the agent."""
    left_pad_ms: int = attrs.field(default=300, validator=[v.ge(0), v.le(2000)])
    """Silence before each utterance. Without it the first word suffers."""
    right_pad_ms: int = attrs.field(default=0, validator=[v.ge(0), v.le(5000)])
    """Silence after each utterance, for its last word; 0 derives it from the model."""
