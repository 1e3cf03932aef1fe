"""libespeak-ng through ctypes: text in, audio and words out, as they are made.

The library's state belongs to the process, whoever loads it. So there is one `Library`
per process, it makes one text at a time, and it is never unloaded.
"""

from __future__ import annotations

import ctypes as c
import threading
from functools import cache
from importlib import import_module
from typing import TYPE_CHECKING, Any, ClassVar

import attrs
import outcome

from trioagent.errors import ProviderError, ProviderUnavailable

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

SYSTEM_LIBRARY = "libespeak-ng.so.1"
_INSTALL = "install it: apt-get install libespeak-ng1 (or pip install espeakng-loader)"

# Names and numbers of speak_lib.h.
_AUDIO_OUTPUT_SYNCHRONOUS = 2
_INITIALIZE_DONT_EXIT = 0x8000
_CHARS_UTF8 = 1
_POS_CHARACTER = 1
_PHONEMES_IPA = 2
_RATE, _PITCH = 1, 3
_EVENT_LIST_TERMINATED, _EVENT_WORD = 0, 1
_BUFFER_MS = 50


@attrs.frozen
class Voice:
    """How to speak: a voice's name, words per minute, pitch 0-99."""

    name: str
    words_per_minute: int
    pitch: int


@attrs.frozen
class Word:
    """A word that the library reports: its first character and its first sample."""

    start_char: int
    at_sample: int


if TYPE_CHECKING:
    Sink = Callable[[bytes, list[Word]], bool]
    """Takes 16-bit samples and the words reported with them; False stops."""


class _EventId(c.Union):
    _fields_: ClassVar[Any] = (
        ("number", c.c_int),
        ("name", c.c_char_p),
        ("string", c.c_char * 8),
    )


class _Event(c.Structure):
    _fields_: ClassVar[Any] = (
        ("type", c.c_int),
        ("unique_identifier", c.c_uint),
        ("text_position", c.c_int),
        ("length", c.c_int),
        ("audio_position_ms", c.c_int),
        ("sample", c.c_int),
        ("user_data", c.c_void_p),
        ("id", _EventId),
    )


class _VoiceEntry(c.Structure):
    _fields_: ClassVar[Any] = (
        ("name", c.c_char_p),
        ("languages", c.c_char_p),
        ("identifier", c.c_char_p),
        ("rest", c.c_ubyte * 4),
        ("score", c.c_int),
        ("spare", c.c_void_p),
    )


_SynthCallback = c.CFUNCTYPE(c.c_int, c.c_void_p, c.c_int, c.POINTER(_Event))


class Library:
    """The loaded library. Get it from `load`."""

    def __init__(self, path: str, data_path: str | None) -> None:
        self._c = c.CDLL(path)
        self._c.espeak_Synth.argtypes = (
            *(c.c_char_p, c.c_size_t, c.c_uint, c.c_int),
            *(c.c_uint, c.c_uint, c.c_void_p, c.c_void_p),
        )
        self._c.espeak_TextToPhonemes.argtypes = (
            *(c.POINTER(c.c_char_p), c.c_int, c.c_int),
        )
        self._c.espeak_TextToPhonemes.restype = c.c_char_p
        self._c.espeak_ListVoices.restype = c.POINTER(c.POINTER(_VoiceEntry))
        data = data_path.encode() if data_path else None
        self.rate_hz: int = self._c.espeak_Initialize(
            _AUDIO_OUTPUT_SYNCHRONOUS, _BUFFER_MS, data, _INITIALIZE_DONT_EXIT
        )
        if self.rate_hz <= 0:
            raise OSError(f"{path} does not find its data")
        self._lock = threading.Lock()
        self._voice: Voice | None = None
        self._sink: Sink | None = None
        self._raised: BaseException | None = None
        # The library keeps the pointer: so must we.
        self._callback = _SynthCallback(self._on_audio)
        self._c.espeak_SetSynthCallback(self._callback)

    def speak(self, text: str, voice: Voice, sink: Sink) -> None:
        """Make `text` into speech, in the calling thread; `sink` gets it in pieces.

        What `sink` raises stops the speech and is raised again from here. `text` holds
        no control characters: some of them are commands to the library.

        Raises:
            ProviderUnavailable: there is no such voice.
            ProviderError: the library failed.
        """
        raw = text.encode(errors="replace")
        with self._lock:
            self._select(voice)
            self._sink, self._raised = sink, None
            try:
                status = self._c.espeak_Synth(
                    *(raw, len(raw) + 1, 0, _POS_CHARACTER, 0, _CHARS_UTF8, None, None)
                )
                raised = self._raised
            finally:
                self._sink = self._raised = None
        if raised is not None:
            raise raised
        if status != 0:
            raise ProviderError(f"espeak-ng cannot speak this: status {status}")

    def phonemes(self, text: str, voice: Voice) -> str:
        """Give the phonemes of `text` in IPA; punctuation is lost.

        Raises:
            ProviderUnavailable: there is no such voice.
        """
        rest = c.c_char_p(text.encode(errors="replace"))
        parts = []
        with self._lock:
            self._select(voice)
            # Each call takes one clause, and moves the pointer behind it.
            while rest.value:
                spoken = self._c.espeak_TextToPhonemes(
                    c.byref(rest), _CHARS_UTF8, _PHONEMES_IPA
                )
                parts.append((spoken or b"").decode(errors="replace"))
        return " ".join(part for part in parts if part)

    def _select(self, voice: Voice) -> None:
        """Loading a voice costs some 30 ms, so only when it is another."""
        if voice == self._voice:
            return
        self._voice = None
        if self._c.espeak_SetVoiceByName(voice.name.encode(errors="replace")) != 0:
            known = ", ".join(self._similar_voices(voice.name))
            raise ProviderUnavailable(
                f"espeak-ng has no voice {voice.name!r}",
                hint=f"set voice in [tts.espeak] to one like {known}",
            )
        self._c.espeak_SetParameter(_RATE, voice.words_per_minute, 0)
        self._c.espeak_SetParameter(_PITCH, voice.pitch, 0)
        self._voice = voice

    def _similar_voices(self, name: str) -> list[str]:
        entries = list(self._voices())
        same = [identifier for language, identifier in entries if language == name]
        near = [
            identifier for language, identifier in entries if language[:2] == name[:2]
        ]
        some = ["en-us", "gmw/en", "gmw/de", "roa/fr", "roa/es"]
        return (same or near or some)[:8]

    def _voices(self) -> Iterator[tuple[str, str]]:
        """Language and identifier of each voice."""
        listed = self._c.espeak_ListVoices(None)
        for entry in listed:
            if not entry:
                return
            # A byte of priority stands before the language.
            language = (entry.contents.languages or b"")[1:]
            yield language.decode(errors="replace"), entry.contents.identifier.decode()

    def _on_audio(self, wav: int | None, samples: int, events: c.Array[_Event]) -> int:
        """Called by the library in the middle of `speak`; non-zero stops it."""
        if not wav or self._sink is None:
            return 0
        # No exception passes through C, not even a cancellation: `speak` raises it.
        taken = outcome.capture(
            self._sink, c.string_at(wav, samples * 2), _words(events)
        )
        if isinstance(taken, outcome.Error):
            self._raised = taken.error
            return 1
        return 0 if taken.unwrap() else 1


def _words(events: c.Array[_Event]) -> list[Word]:
    words = []
    for event in events:
        if event.type == _EVENT_LIST_TERMINATED:
            break
        if event.type == _EVENT_WORD and event.length > 0:
            words.append(Word(event.text_position - 1, event.sample))
    return words


def _candidates() -> Iterator[tuple[str, str | None]]:
    yield SYSTEM_LIBRARY, None
    try:
        loader = import_module("espeakng_loader")
    except ImportError:
        return
    yield loader.get_library_path(), loader.get_data_path()


@cache
def _load() -> Library:
    reasons = []
    for path, data_path in _candidates():
        try:
            return Library(path, data_path)
        except OSError as error:
            reasons.append(str(error))
    raise ProviderUnavailable(
        f"espeak-ng cannot be loaded: {'; '.join(reasons)}", hint=_INSTALL
    )


_loading = threading.Lock()


def load() -> Library:
    """Load the library, the system's or espeakng-loader's; once per process.

    Raises:
        ProviderUnavailable: there is none.
    """
    with _loading:
        return _load()
