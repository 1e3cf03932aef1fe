"""Recordings, settings and journals: files of our own that others may have changed."""

from __future__ import annotations

import functools
import shutil
from collections import deque
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

import attrs

from tests.fuzzing.target import Target
from tests.fuzzing.targets_downloads import sound
from tests.fuzzing.targets_files import folder, written
from trioagent import registry
from trioagent.configuration import file
from trioagent.configuration.file import load_config, render_config
from trioagent.errors import ConfigError, TrioagentError
from trioagent.latencies import reading
from trioagent.recording.limits import _begins_as_ours
from trioagent.recording.lines import (
    BadLine,
    entry_lines,
    header_line,
    parse_entry,
    parse_header,
)
from trioagent.recording.reader import load
from trioagent.replay.live.transcripts import read_transcripts
from trioagent.replay.settings import recorded_config
from trioagent.tuning.ranges import read_ranges

if TYPE_CHECKING:
    from collections.abc import Iterator

_ROOT = Path(__file__).parents[2]
_KEPT = min((_ROOT / "tests" / "recordings").iterdir())


# --- recordings ------------------------------------------------------------------


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
            header = parse_header(line)
            assert parse_header(header_line(header)[:-1]) == header
        elif line:
            entry = parse_entry(line)
            times = {k: v for k, v in attrs.asdict(entry).items() if k == "t"}
            again = parse_entry(entry_lines([entry])[:-1])
            assert type(again) is type(entry), times


_FILES = (
    "turn.jsonl",
    "heard-2.flac",
    "synthesized.flac",
    "spoken.flac",
    "heard-2.pcm",
)


def _recording_seeds() -> list[bytes]:
    lines = _turn_lines()
    cut = b"".join(lines[:30])
    flac = sound("FLAC", 0.2)
    return [b"\0" + b"".join(lines), b"\0" + cut, b"\1" + flac, b"\2" + flac, b"\4ab"]


@functools.cache
def _recording() -> Path:
    copy = folder() / "recording"
    shutil.copytree(_KEPT, copy)
    return copy


def _loaded(data: bytes) -> None:
    """One file of a recording is another; what can be loaded can be looked through."""
    copy, name = _recording(), _FILES[(data[0] if data else 0) % len(_FILES)]
    original = (_KEPT / name).read_bytes() if (_KEPT / name).exists() else None
    (copy / name).write_bytes(data[1:])
    if name.endswith(".pcm"):
        (copy / "heard-2.flac").unlink()
    try:
        recording = load(copy)
        for number in recording.turns:
            recording.events(number)
        for each in (recording.packets(), recording.sounds(), recording.frames()):
            deque(each, maxlen=0)
        for ear in recording.header.ears:
            recording.pre_roll(ear)
        recorded_config(recording)
    finally:
        (copy / name).unlink()
        if original is not None:
            (copy / name).write_bytes(original)
        if name.endswith(".pcm"):
            shutil.copy(_KEPT / "heard-2.flac", copy)


def _header(data: bytes) -> None:
    with written("header", data).open("rb") as opened:
        _begins_as_ours(opened)


# --- settings --------------------------------------------------------------------

_TOML = b"""
[mumble]
server = "localhost"
tokens = ["a", "${TOKEN}"]
[agent]
names = ["Trio"]
[llm]
providers = ["openai", "echo"]
[llm.openai]
base_url = "http://127.0.0.1:8000/v1"
extra = { top_p = 0.5, list = [1, [2, {a = 1979-05-27}]] }
[turn]
hold_ms = 500
[asr.sherpa]
model = "x"
"""
_WORDS = (
    *(b"[[", b"]]", b"= ", b".", b"a.a.a.a.a.a.a.a", b'"""', b"'''", b"${", b"$${X}"),
    *(b"inf", b"nan", b"0x", b"1_0", b"1979-05-27T07:32:00Z", b"\\u0000", b"api_key ="),
    *(b"[turn]", b"hold_ms", b"options", b"{ a = { a = ", b"true", b"-0.0", b"1e400"),
)


_known_names = functools.cache(registry.provider_names)


@contextmanager
def _names_known() -> Iterator[None]:
    """What is installed is looked up once: it takes longer than to read a file."""
    file.provider_names = _known_names
    try:
        yield
    finally:
        file.provider_names = registry.provider_names


def _config(data: bytes) -> None:
    with _names_known():
        config = load_config(written("config.toml", data), (), {"TOKEN": "x"})
    render_config(config)


def _overrides(data: bytes) -> None:
    texts = data.decode("utf-8", "surrogateescape").split("\n")[:20]
    with _names_known():
        config = load_config(None, texts, {"TOKEN": "x"})
    render_config(config)


def _ranges(data: bytes) -> None:
    read_ranges(data.decode(errors="replace").split("\n")[:10])


# --- journals --------------------------------------------------------------------

_TURN = (
    b'{"turn": 1, "time": "2026-11-22T14:27:26.746+00:00", "speaker": "ann", "outcome":'
    b' "answered", "vad_duration_ms": 501.3, "asr_ms": 135.3, "llm_ttft_ms": 3.9,'
    b' "tts_ttfa_ms": 7.6, "total_ttfa_ms": 636.9, "drafts": 1, "queues": {"audio": 2},'
    b' "ledger": {"endpoint_hold_ms": 500.0}}\n'
)


def _latency(data: bytes) -> None:
    parsed = reading.parse("latency.jsonl", data.decode(errors="replace"))
    for turn in parsed.turns:
        for text in (turn.time, turn.speaker, turn.outcome):
            text.encode()
            assert text.isprintable(), "it steers a terminal"


def _transcripts(data: bytes) -> None:
    read_transcripts(written("transcripts", data), {"one", "two"})


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
    Target("config.toml", _config, lambda: [_TOML], (ConfigError,), _WORDS),
    Target(
        "config.set",
        _overrides,
        lambda: [b"turn.hold_ms=200\nmumble.tokens=['a']", b"llm.openai.extra={a=1}"],
        (ConfigError,),
        _WORDS,
    ),
    Target(
        "config.ranges",
        _ranges,
        lambda: [b"turn.hold_ms=100:500:50", b'turn.early_start=prefix,"off"'],
        (ConfigError,),
        tokens=(b"1e999999", b"nan", b":", b",", b"turn.hold_ms=", b"sNaN", b"-1e-9"),
    ),
    Target(
        "latency.jsonl",
        _latency,
        lambda: [_TURN, _TURN * 3, _TURN + b'{"turn": 2, "outc'],
        (ConfigError,),
        tokens=(b'{"turn":', b'"ledger":', b'"total_ttfa_ms":', b"\0\0", b"null"),
        is_json=True,
    ),
    Target(
        "recording.transcripts",
        _transcripts,
        lambda: [b"one\thello\ntwo\tthere you are\n"],
        (ConfigError,),
        tokens=(b"\t", b"one\t", b"\r\n"),
    ),
)
