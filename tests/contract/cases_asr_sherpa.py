"""sherpa-onnx, with a tiny model of every kind, and in a process of its own."""

from __future__ import annotations

from typing import TYPE_CHECKING

from providers.asr import sherpa
from tests.contract.asr_contract import Case, Sample
from tests.helpers_sherpa import tiny_ctc, tiny_multilingual, tiny_nemotron
from tests.helpers_speech import TINY_MODEL, say
from tests.helpers_tones import tone_ctc, tone_transducer, tones

if TYPE_CHECKING:
    from collections.abc import Callable
    from contextlib import AbstractAsyncContextManager
    from pathlib import Path

    from trioagent.interfaces import Recognizer


def samples() -> tuple[Sample, Sample]:
    """What the tiny model understands."""
    return (
        Sample(say("turn off the fan in the kitchen"), frozenset({"fan", "kitchen"})),
        Sample(
            say("what is the weather like in paris tomorrow"),
            frozenset({"weather", "paris", "tomorrow"}),
        ),
    )


def tone_samples() -> tuple[Sample, Sample]:
    """What models understand that know tones."""
    return (
        Sample(tones("low deep low deep low deep low"), frozenset({"low", "deep"})),
        Sample(tones("mid top high mid top high"), frozenset({"mid", "top", "high"})),
    )


def _case(
    name: str,
    make: Callable[[Path], Path],
    said: Callable[[], tuple[Sample, Sample]] = samples,
    **options: object,
) -> Case:
    def open_it(folder: Path) -> AbstractAsyncContextManager[Recognizer]:
        model = str(make(folder / "model"))
        return sherpa.PROVIDER.open(sherpa.Options(model=model, **options))

    return Case(f"sherpa, {name}", open_it, said)


def _as_it_is(_folder: Path) -> Path:
    return TINY_MODEL


CASES = [
    _case("nemotron 160 ms", _as_it_is),
    _case("nemotron 80 ms", lambda folder: tiny_nemotron(folder, 80)),
    _case("nemotron 560 ms", lambda folder: tiny_nemotron(folder, 560)),
    _case("nemotron with hot words", _as_it_is, hotwords=("alice",)),
    _case("nemotron in a process of its own", _as_it_is, isolate=True),
    _case("multilingual nemotron", tiny_multilingual, language="en-US"),
    _case("nemo ctc", tiny_ctc),
    _case("zipformer2", tone_transducer, tone_samples),
    _case("lstm", lambda folder: tone_transducer(folder, "lstm"), tone_samples),
    _case("zipformer2 ctc", tone_ctc, tone_samples),
]
