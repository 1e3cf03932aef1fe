"""Text to the phonemes that Piper, Kitten and their kin were trained on: espeak-ng's.

sherpa-onnx has no espeak-ng of its own since version 2, and takes phonemes instead.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from providers.tts import libespeak

if TYPE_CHECKING:
    from collections.abc import Iterator

# As escapes: they look like others. An ellipsis, two dashes, and the full-width marks.
_PLAIN_MARKS = {
    "\u2026": ".",
    "\u2014": ",",
    "\u2013": ",",
    "\u3002": ".",
    "\uff01": "!",
    "\uff1f": "?",
    "\uff0c": ",",
}
_PART = re.compile(
    "(?P<text>.*?)"
    "(?P<mark>[.,;:!?\u2026\u2014\u2013]+(?=\\s|$)|[\u3002\uff01\uff1f\uff0c]|$)",
    re.DOTALL,
)
_LANGUAGE_SWITCH = re.compile(r"\([a-z-]+\)")


class Phonemizer:
    """Speaks one language's text as phonemes."""

    def __init__(self, voice: str) -> None:
        self._library = libespeak.load()
        self._voice = libespeak.Voice(voice, words_per_minute=175, pitch=50)
        self.codepoints("a")  # an unknown voice fails here

    def codepoints(self, text: str) -> list[int]:
        """The phonemes of `text` with its punctuation, as Unicode numbers.

        Raises:
            ProviderUnavailable: espeak-ng has no such voice.
        """
        return [ord(symbol) for symbol in "".join(self._phonemes(text)).strip()]

    def _phonemes(self, text: str) -> Iterator[str]:
        for part in _PART.finditer(text):
            words = self._library.phonemes(part["text"].strip(), self._voice)
            yield _LANGUAGE_SWITCH.sub("", words)
            if mark := part["mark"][:1]:
                yield _PLAIN_MARKS.get(mark, mark) + " "
