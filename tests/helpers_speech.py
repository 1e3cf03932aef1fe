"""Speech for tests: spoken by espeak-ng, or recorded from people where that is at hand.

The recordings are no part of the project: a folder `shared/speech` beside the checkout
holds WAV files at 16 kHz and `manifest.jsonl`. Tests that need them skip without.
"""

from __future__ import annotations

import contextlib
import functools
import io
import json
import re
import shutil
import subprocess
from pathlib import Path

import attrs
import numpy as np
import pytest
import soundfile
import soxr

from trioagent.interfaces import HEARING_RATE_HZ, Pcm

TINY_MODEL = Path(__file__).parent / "data/tiny-nemotron-160ms"
"""206 words (see its tokens.txt), spoken by espeak-ng."""

SMALL_MODEL_SENTENCES = [
    "what is the weather like in toronto",
    "one two three four five",
    "turn on the light",
    "turn off the radio",
    "stop the music please",
]

RECORDINGS = Path(__file__).parents[2] / "shared" / "speech"


@attrs.frozen(eq=False)
class Recording:
    """Somebody's speech, what it says, and from when to when."""

    name: str
    text: str
    tags: tuple[str, ...]
    speech_start_s: float
    speech_end_s: float
    pauses: tuple[tuple[float, float], ...]
    pcm: Pcm


@functools.cache
def _recordings() -> tuple[Recording, ...]:
    manifest = (RECORDINGS / "manifest.jsonl").read_text(encoding="utf-8")
    found = []
    for line in manifest.splitlines():
        entry = json.loads(line)
        pcm, rate_hz = soundfile.read(RECORDINGS / entry["file"], dtype="int16")
        assert rate_hz == HEARING_RATE_HZ
        found.append(
            Recording(
                name=entry["file"],
                text=entry["text"],
                tags=tuple(entry["tags"]),
                speech_start_s=entry["speech_start"],
                speech_end_s=entry["speech_end"],
                pauses=tuple((start, end) for start, end in entry["pauses"]),
                pcm=pcm,
            )
        )
    return tuple(found)


def recordings() -> tuple[Recording, ...]:
    """All recordings of people; skips the test where there are none."""
    if not (RECORDINGS / "manifest.jsonl").is_file():
        pytest.skip(f"no recordings of people in {RECORDINGS}")
    return _recordings()


def recording(name: str) -> Recording:
    """One recording; skips the test where it is not at hand."""
    return next(found for found in recordings() if found.name == name)


@functools.cache
def say(text: str, voice: str = "en-us") -> Pcm:
    """Have espeak-ng say `text`; skips the test where it is not installed."""
    if shutil.which("espeak-ng") is None:
        pytest.skip("espeak-ng is not installed")
    wav = subprocess.run(
        ["espeak-ng", "-v", voice, "--stdout", text], capture_output=True, check=True
    ).stdout
    # A WAV header written to a pipe has no true length in it.
    samples, rate_hz = soundfile.read(io.BytesIO(_with_length(wav)), dtype="float32")
    at_16_khz = soxr.resample(samples, rate_hz, HEARING_RATE_HZ)
    pcm = np.clip(at_16_khz * 32768, -32768, 32767).astype(np.int16)
    pcm.flags.writeable = False
    return pcm


def _with_length(wav: bytes) -> bytes:
    start = wav.index(b"data") + 8
    length = (len(wav) - start).to_bytes(4, "little")
    return wav[: start - 4] + length + wav[start:]


def silence(seconds: float) -> Pcm:
    """Digital silence."""
    return np.zeros(round(seconds * HEARING_RATE_HZ), dtype=np.int16)


def frames(pcm: Pcm, samples: int) -> list[Pcm]:
    """Whole frames of `pcm`, the rest dropped."""
    ends = range(samples, len(pcm) + 1, samples)
    return [pcm[end - samples : end] for end in ends]


def words(text: str) -> list[str]:
    """The words of `text` without case and punctuation."""
    return re.findall(r"[\w']+", text.lower())


def word_errors(reference: str, hypothesis: str) -> int:
    """How many words must be changed, added or removed (Levenshtein's distance)."""
    heard = words(hypothesis)
    row = list(range(len(heard) + 1))
    for count, word in enumerate(words(reference), 1):
        diagonal, row[0] = row[0], count
        for column, other in enumerate(heard, 1):
            changed = diagonal + (word != other)
            diagonal = row[column]
            row[column] = min(row[column] + 1, row[column - 1] + 1, changed)
    return row[-1]


def small_language_model(folder: Path) -> tuple[Path, Path]:
    """Write an n-gram model of a few sentences and the dictionary of its words.

    With these, pocketsphinx starts at once and decodes five times as fast.
    """
    import pocketsphinx  # noqa: PLC0415 - few tests need it
    from pocketsphinx.lm import ArpaBoLM  # noqa: PLC0415

    language_model, dictionary = folder / "small.arpa", folder / "small.dict"
    # It prints how many sentences it took.
    with contextlib.redirect_stdout(io.StringIO()):
        model = ArpaBoLM(text="\n".join(SMALL_MODEL_SENTENCES), add_start=True)
        model.compute()
        model.write_file(str(language_model))
    known = set(words(" ".join(SMALL_MODEL_SENTENCES)))
    english = Path(pocketsphinx.get_model_path("en-us/cmudict-en-us.dict"))
    with english.open(encoding="utf-8") as lines, dictionary.open("w") as file:
        # "read(2)" is the second way to say "read".
        file.writelines(
            line for line in lines if line.split(" ")[0].split("(")[0] in known
        )
    return language_model, dictionary
