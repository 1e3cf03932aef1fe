"""Settings and journals: files of our own that others may have changed."""

from __future__ import annotations

import functools
from contextlib import contextmanager
from importlib import metadata
from typing import TYPE_CHECKING

from tests.fuzzing.target import Target
from tests.fuzzing.targets_files import written
from tests.helpers_hostile_text import STEERS
from trioagent.configuration.file import load_config, render_config
from trioagent.errors import ConfigError
from trioagent.latencies import reading
from trioagent.replay.live.transcripts import read_transcripts
from trioagent.tuning.ranges import read_ranges

if TYPE_CHECKING:
    from collections.abc import Iterator

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


_look_up = metadata.entry_points
_looked_up = functools.cache(_look_up)


@contextmanager
def _providers_known() -> Iterator[None]:
    """What is installed is looked up once: it takes longer than to read a file."""
    metadata.entry_points = _looked_up
    try:
        yield
    finally:
        metadata.entry_points = _look_up


def _config(data: bytes) -> None:
    with _providers_known():
        config = load_config(written("config.toml", data), (), {"TOKEN": "x"})
        render_config(config)


def _overrides(data: bytes) -> None:
    texts = data.decode("utf-8", "surrogateescape").split("\n")[:20]
    with _providers_known():
        render_config(load_config(None, texts, {"TOKEN": "x"}))


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
    file = reading.parse("latency.jsonl", data.decode(errors="replace"))
    for turn in file.turns:
        for text in (turn.time, turn.speaker, turn.outcome):
            text.encode()
            assert not STEERS.search(text), "it steers a terminal"
            assert len(text.splitlines()) <= 1, "it looks like another line"


def _transcripts(data: bytes) -> None:
    read_transcripts(written("transcripts", data), {"one", "two"})


TARGETS = (
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
