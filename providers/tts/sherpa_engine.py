"""A voice loaded into sherpa-onnx. All of this blocks, and belongs into one thread."""

from __future__ import annotations

import contextlib
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import trio

from providers.tts.reference_voice import load_reference
from providers.tts.sherpa_folder import VoiceFolder, examine
from providers.tts.sherpa_phonemes import Phonemizer
from trioagent.errors import ProviderError, ProviderUnavailable

if TYPE_CHECKING:
    from providers.tts.clause_speaker import Sink
    from providers.tts.sherpa import Options

_GO_ON, _STOP = 1, 0
_FIRST_WORD = "Hello."


class Engine:
    """One voice, ready to speak.

    Raises:
        ProviderUnavailable: the folder holds no voice that fits these options.
    """

    def __init__(self, options: Options) -> None:
        folder = Path(options.model).expanduser()
        self.voice = examine(folder, prefer_int8=options.provider == "cpu")
        self._speaker = speaker_number(self.voice, options.voice)
        self._phonemizer = _phonemizer(self.voice, options.language)
        self._options = options
        self._reference = None
        if self.voice.clones:
            self._reference = load_reference(options.reference_wav, "tts.sherpa")
        if self.voice.kind == "zipvoice" and not options.reference_text.strip():
            raise ProviderUnavailable(
                "sherpa: ZipVoice must know what is said in the reference_wav",
                hint="set reference_text in [tts.sherpa] to its words",
            )
        self._tts = _load(self.voice, options)
        self.rate_hz = int(self._tts.sample_rate)
        # The first run allocates; the first reply shall not wait for it.
        self.speak(_FIRST_WORD, lambda _samples: True)

    def speak(self, clause: str, sink: Sink) -> None:
        """Make `clause` into speech; stop when `sink` is False.

        Raises:
            ProviderError: onnxruntime failed.
        """
        given = False

        def take(samples: Any, _progress: float) -> int:  # noqa: ANN401 - ndarray
            nonlocal given
            given = True
            return _GO_ON if sink(samples) else _STOP

        _end_if_abandoned()
        config = self._generation(clause)
        text = "" if self._phonemizer else clause
        try:
            audio = self._tts.generate(text, config, take)
        except Exception as error:  # onnxruntime's errors arrive as various classes
            folder = self.voice.folder
            raise ProviderError(f"sherpa: {folder} failed to speak: {error}") from error
        # Kitten never calls back.
        if not given and audio.samples:
            sink(np.asarray(audio.samples, np.float32))

    def _generation(self, clause: str) -> Any:  # noqa: ANN401 - sherpa_onnx has no types
        import sherpa_onnx  # noqa: PLC0415 - heavy

        config = sherpa_onnx.GenerationConfig()
        config.sid = self._speaker
        config.speed = self._options.speed
        # Clauses are the agent's to join: no merging of short ones with the next.
        config.extra = {"min_words_in_sentence": "1"}
        if self._phonemizer:
            config.phoneme_codepoints = [self._phonemizer.codepoints(clause)]
        if self._reference:
            config.num_steps = self._options.num_steps
            config.reference_audio = self._reference.samples.tolist()
            config.reference_sample_rate = self._reference.rate_hz
            config.reference_text = self._options.reference_text
        return config


def speaker_number(voice: VoiceFolder, wanted: str) -> int:
    """The number of the speaker with this name or number; empty is the first.

    Raises:
        ProviderUnavailable: there is no such speaker.
    """
    if not wanted:
        return 0
    names = voice.speaker_names
    count = max(1, int(voice.metadata.get("n_speakers", "1")))
    if wanted in names:
        return names.index(wanted)
    if wanted.isdecimal() and int(wanted) < count:
        return int(wanted)
    known = ", ".join(names[:60]) or f"0 to {count - 1}"
    raise ProviderUnavailable(
        f"sherpa: {voice.folder} has no voice {wanted!r}",
        hint=f"set voice in [tts.sherpa] to one of: {known}",
    )


def _phonemizer(voice: VoiceFolder, language: str) -> Phonemizer | None:
    if not voice.takes_phonemes:
        return None
    return Phonemizer(language or voice.metadata.get("voice") or "en-us")


def _load(voice: VoiceFolder, options: Options) -> Any:  # noqa: ANN401 - no types
    import sherpa_onnx  # noqa: PLC0415 - heavy

    parts = {name: str(path) for name, path in voice.files.items()}
    if voice.lexicons:
        parts["lexicon"] = ",".join(str(path) for path in voice.lexicons)
    kind = getattr(sherpa_onnx, f"OfflineTts{voice.kind.capitalize()}ModelConfig")
    config = sherpa_onnx.OfflineTtsConfig(
        model=sherpa_onnx.OfflineTtsModelConfig(
            **{voice.kind: kind(**parts)},
            num_threads=options.threads,
            provider=options.provider,
        ),
        rule_fsts=",".join(str(path) for path in sorted(voice.folder.glob("*.fst"))),
    )
    if not config.validate():
        raise ProviderUnavailable(f"sherpa: {voice.folder} is no whole {voice.kind}")
    return sherpa_onnx.OfflineTts(config)


def _end_if_abandoned() -> None:
    """Raise Cancelled in a worker thread whose caller has gone."""
    # RuntimeError: this is no worker thread of Trio's, nobody can have gone.
    with contextlib.suppress(RuntimeError):
        trio.from_thread.check_cancelled()
