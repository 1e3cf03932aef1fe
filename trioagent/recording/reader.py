"""Reading a recording.

A recording that was cut off (a killed process, a full disk) is read as far as it goes.
One that is complete must be so in every part, or somebody has changed it.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from trioagent.recording.files import BrokenAudio, rate_hz, read_audio
from trioagent.recording.finding import (
    NOT_OURS,
    Found,
    RecordingError,
    find,
    find_all,
    unreadable,
)
from trioagent.recording.format import (
    SPOKEN,
    SYNTHESIZED,
    TURN_FILE,
    Ended,
    Entry,
    Frame,
    Header,
    Packet,
    Sound,
    heard_by,
)
from trioagent.recording.lines import BadLine, parse_entry, parse_header
from trioagent.recording.recording import Recording, kept_samples, no_audio, stem_of

if TYPE_CHECKING:
    from collections.abc import Sequence

    from trioagent.interfaces import Pcm

__all__ = ["Found", "Recording", "RecordingError", "find", "find_all", "load"]

_ROUNDING_S = 2e-6
"""By so much two times in order may be in the wrong order in the file."""
_EDITED = "edited or damaged? Restore it, or delete it"


def load(path: Path) -> Recording:
    """Read the recording in this folder. Blocks.

    Raises:
        RecordingError: it is none, or cannot be used; the error says why.
    """
    data = _read(path)
    warnings: list[str] = []
    header, entries = _parse(path / TURN_FILE, data, warnings)
    _check_order(path / TURN_FILE, entries)
    claimed = _claims(header, entries)
    audio = {stem: _audio(path, header, stem) for stem in claimed}
    complete = bool(entries) and isinstance(entries[-1], Ended)
    if complete:
        _check_audio(path, claimed, audio)
    else:
        entries = entries[: _covered(header, entries, audio)]
        claimed = _claims(header, entries)
        last = f"{entries[-1].t:.2f} s" if entries else "its beginning"
        warnings.append(f"cut off after {last}: killed, or the disk was full?")
    # What is longer was written just before it was cut off.
    whole = {s: pcm[: claimed.get(s, 0)] for s, pcm in audio.items() if pcm is not None}
    speakers = {e.speaker for e in entries if isinstance(e, Packet)}
    speakers |= {ear.speaker for ear in header.ears if ear.pre_roll}
    return Recording(
        path,
        header,
        entries,
        {s: whole.get(heard_by(s), no_audio()) for s in sorted(speakers)},
        whole.get(SYNTHESIZED, no_audio()),
        whole.get(SPOKEN, no_audio()),
        complete,
        tuple(warnings),
    )


def _read(path: Path) -> bytes:
    file = path / TURN_FILE
    try:
        return file.read_bytes()
    except (FileNotFoundError, NotADirectoryError, IsADirectoryError) as error:
        if not path.exists():
            raise unreadable(path, error) from error
        what = f"{path}: no recording: there is no file {TURN_FILE} in it"
        raise RecordingError(what, hint=NOT_OURS) from error
    except OSError as error:
        raise unreadable(file, error) from error


def _parse(
    file: Path, data: bytes, warnings: list[str]
) -> tuple[Header, tuple[Entry, ...]]:
    first, *lines = data.split(b"\n")
    # Empty, unless the last line was cut off.
    rest = lines.pop() if lines else b""
    parsed: list[Entry] = []
    number = 1
    try:
        header = parse_header(first)
        for line in lines:
            number += 1
            parsed.append(parse_entry(line))
    except BadLine as error:
        raise RecordingError(
            f"{file}: line {number}: {error}", hint=error.hint or _EDITED
        ) from error
    try:
        parsed.extend(map(parse_entry, [rest] if rest else []))
    except BadLine:
        warnings.append("the last line is cut off and was left out")
    return header, tuple(parsed)


def _check_order(file: Path, entries: Sequence[Entry]) -> None:
    """Refuse what no recorder writes."""
    before = -np.inf
    for number, entry in enumerate(entries, 2):
        if entry.t < before - _ROUNDING_S:
            raise RecordingError(
                f"{file}: line {number}: time goes back from {before} to {entry.t}",
                hint=_EDITED,
            )
        before = entry.t
        if isinstance(entry, Ended) and number < len(entries) + 1:
            raise RecordingError(
                f"{file}: line {number}: more comes after the end", hint=_EDITED
            )


# --- its audio -------------------------------------------------------------------


def _audio(path: Path, header: Header, stem: str) -> Pcm | None:
    """None if there is no file."""
    try:
        return read_audio(path, stem, rate_hz(header, stem))
    except FileNotFoundError:
        return None
    except OSError as error:
        raise unreadable(Path(error.filename or path / stem), error) from error
    except BrokenAudio as error:
        raise RecordingError(f"{path / stem}.flac: {error}", hint=_EDITED) from error


def _check_audio(
    path: Path, claimed: dict[str, int], audio: dict[str, Pcm | None]
) -> None:
    for stem, samples in claimed.items():
        pcm = audio[stem]
        if pcm is None and samples:
            raise RecordingError(f"{path / stem}.flac: is missing", hint=_EDITED)
        if pcm is not None and len(pcm) != samples:
            counts = f"{len(pcm)} samples, but {samples} in {TURN_FILE}"
            raise RecordingError(f"{path / stem}.flac: {counts}", hint=_EDITED)


def _claims(header: Header, entries: Sequence[Entry]) -> dict[str, int]:
    """How many samples there must be, by stem."""
    claimed = kept_samples(header)
    for entry in entries:
        if isinstance(entry, Packet | Sound | Frame):
            stem = stem_of(entry)
            claimed[stem] = claimed.get(stem, 0) + entry.samples
    return claimed


def _covered(
    header: Header, entries: Sequence[Entry], audio: dict[str, Pcm | None]
) -> int:
    """How many entries there are until one whose audio is not there."""
    left = {stem: 0 if pcm is None else len(pcm) for stem, pcm in audio.items()}
    for stem, samples in kept_samples(header).items():
        left[stem] -= samples
    for index, entry in enumerate(entries):
        if isinstance(entry, Packet | Sound | Frame):
            stem = stem_of(entry)
            left[stem] -= entry.samples
        if min(left.values(), default=0) < 0:
            return index
    return len(entries)
