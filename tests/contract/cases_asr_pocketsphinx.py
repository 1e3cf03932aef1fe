"""pocketsphinx, with a small language model: with its own, it takes seconds."""

from __future__ import annotations

from typing import TYPE_CHECKING

from providers.asr import pocketsphinx
from tests.contract.asr_contract import Case, Sample
from tests.helpers_speech import say, small_language_model

if TYPE_CHECKING:
    from contextlib import AbstractAsyncContextManager
    from pathlib import Path

    from trioagent.interfaces import Recognizer


def _open(folder: Path) -> AbstractAsyncContextManager[Recognizer]:
    language_model, dictionary = map(str, small_language_model(folder))
    options = pocketsphinx.Options(language_model=language_model, dictionary=dictionary)
    return pocketsphinx.PROVIDER.open(options)


def _samples() -> tuple[Sample, Sample]:
    return (
        Sample(
            say("what is the weather like in toronto"),
            frozenset({"weather", "toronto"}),
        ),
        Sample(say("one two three four five"), frozenset({"three", "four", "five"})),
    )


CASES = [Case("pocketsphinx", _open, _samples)]
