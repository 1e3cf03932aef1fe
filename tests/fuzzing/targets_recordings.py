"""Recordings: folders of our own that others may have changed."""

from __future__ import annotations

import functools
from collections import deque
from pathlib import Path

import attrs
import soundfile

from tests.fuzzing.target import Target
from tests.fuzzing.targets_downloads import sound
from tests.fuzzing.targets_files import folder, written
from trioagent.errors import TrioagentError
from trioagent.recording.limits import _begins_as_ours
from trioagent.recording.lines import (
    BadLine,
    entry_lines,
    header_line,
    parse_entry,
    parse_header,
)
from trioagent.recording.reader import _claims, load
from trioagent.replay.settings import recorded_config

_ROOT = Path(__file__).parents[2]
_KEPT = min((_ROOT / "tests" / "recordings").iterdir())


@functools.cache
def _turn_lines() -> list[bytes]:
    return (_KEPT / "turn.jsonl").read_bytes().splitlines(keepends=True)


def _kinds() -> list[bytes]:
    """An entry of each kind."""
    by_kind = {line.split(b'"')[3]: line for line in _turn_lines()[1:]}
    return list(by_kind.values())


def _lines(data: bytes) -> None:
    """A line means the same when it was written and read again."""
    for line in data.split(b"\n")[:40]:
        if line.startswith(b'{"recording"'):
            # Times are written to the microsecond.
            header = parse_header(header_line(parse_header(line))[:-1])
            assert parse_header(header_line(header)[:-1]) == header
        elif line:
            entry = parse_entry(line)
            times = {k: v for k, v in attrs.asdict(entry).items() if k == "t"}
            again = parse_entry(entry_lines([entry])[:-1])
            assert type(again) is type(entry), times


# --- folders ---------------------------------------------------------------------

_FILES = (
    "turn.jsonl",
    "heard-2.flac",
    "synthesized.flac",
    "spoken.flac",
    "heard-2.pcm",
)
_SHORT_LINES = 12


@functools.cache
def _short_lines() -> list[bytes]:
    """A turn that is complete, but short: most of a long one is the same again."""
    first, *rest = _turn_lines()
    of_each_kind = {line.split(b'"')[3]: line for line in reversed(rest)}.values()
    kept = {*rest[:_SHORT_LINES], *of_each_kind}
    return [first, *(line for line in rest if line in kept)]


def _recording_seeds() -> list[bytes]:
    short, flac = b"".join(_short_lines()), sound("FLAC", 0.2)
    changed = [b"\1" + _originals()["heard-2.flac"], b"\2" + flac]
    whole = b"".join(_turn_lines()[:30])
    return [b"\0" + short, b"\0" + short[: len(short) // 2], *changed, b"\0" + whole]


@functools.cache
def _originals() -> dict[str, bytes]:
    """The short turn, with as much of its audio."""
    header, *entries = _short_lines()
    claimed = _claims(parse_header(header), [parse_entry(e) for e in entries])
    found = {"turn.jsonl": b"".join(_short_lines())}
    for stem, samples in claimed.items():
        pcm, rate_hz = soundfile.read(_KEPT / f"{stem}.flac", dtype="int16")
        path = folder() / "sound"
        soundfile.write(path, pcm[:samples], rate_hz, format="FLAC")
        found[f"{stem}.flac"] = path.read_bytes()
    return found


@functools.cache
def _recording() -> Path:
    path = folder() / "recording"
    path.mkdir()
    for name, data in _originals().items():
        (path / name).write_bytes(data)
    return path


def _loaded(data: bytes) -> None:
    """One file of a recording is another; what can be loaded can be looked through."""
    path, name = _recording(), _FILES[(data[0] if data else 0) % len(_FILES)]
    stem = name.removesuffix(".pcm")
    (path / name).write_bytes(data[1:])
    if stem != name:
        (path / f"{stem}.flac").unlink()
    try:
        recording = load(path)
        for number in recording.turns:
            recording.events(number)
        for each in (recording.packets(), recording.sounds(), recording.frames()):
            deque(each, maxlen=0)
        for ear in recording.header.ears:
            recording.pre_roll(ear)
        recorded_config(recording)
    finally:
        (path / name).unlink()
        for original in {name, f"{stem}.flac"} & _originals().keys():
            (path / original).write_bytes(_originals()[original])


def _header(data: bytes) -> None:
    with written("header", data).open("rb") as file:
        _begins_as_ours(file)


TARGETS = (
    Target(
        "recording.lines",
        _lines,
        lambda: [*_kinds(), _turn_lines()[0], b"".join(_kinds())],
        (BadLine,),
        is_json=True,
    ),
    Target(
        "recording.folder",
        _loaded,
        _recording_seeds,
        (TrioagentError,),
        tokens=(b"fLaC", b"\n", b'"samples":', b'"t":', b'"what":"ended"'),
        is_json=True,
        most_bytes=96 << 20,
    ),
    Target("recording.header", _header, lambda: [_turn_lines()[0]], is_json=True),
)
