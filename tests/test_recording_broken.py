"""What is no recording, or not as it was written, says so and what to do."""

from __future__ import annotations

import contextlib
import errno
import json
import os
import shutil
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
import soundfile
from hypothesis import given
from hypothesis import strategies as st

from tests.helpers_recordings import ENTRIES, make
from trioagent.errors import TrioagentError
from trioagent.recording import format as f
from trioagent.recording.lines import BadLine, parse_entry, parse_header
from trioagent.recording.reader import RecordingError, load

if TYPE_CHECKING:
    from collections.abc import Callable

    Spoil = Callable[[Path], object]

LINES = 1 + len(ENTRIES)
OURS, NEWER = f.VERSION, f.VERSION + 1


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return make(tmp_path)


def line(number: int, **changes: Any) -> Spoil:
    """Change fields of a line; None takes one away."""

    def spoil(path: Path) -> None:
        file = path / "turn.jsonl"
        lines = file.read_text(encoding="utf-8").split("\n")
        fields = {**json.loads(lines[number - 1]), **changes}
        kept = {name: value for name, value in fields.items() if value is not None}
        lines[number - 1] = json.dumps(kept)
        file.write_text("\n".join(lines), encoding="utf-8")

    return spoil


def put(name: str, content: bytes) -> Spoil:
    return lambda path: (path / name).write_bytes(content)


def insert(number: int, content: bytes) -> Spoil:
    def spoil(path: Path) -> None:
        file = path / "turn.jsonl"
        lines = file.read_bytes().split(b"\n")
        file.write_bytes(
            b"\n".join([*lines[: number - 1], content, *lines[number - 1 :]])
        )

    return spoil


def sound(samples: int, rate_hz: int, channels: int = 1) -> Spoil:
    pcm = np.zeros((samples, channels), np.int16)
    return lambda path: soundfile.write(path / "spoken.flac", pcm, rate_hz)


def only_a_folder(path: Path) -> None:
    (path / "turn.jsonl").unlink()


def a_folder_of_that_name(path: Path) -> None:
    (path / "turn.jsonl").unlink()
    (path / "turn.jsonl").mkdir()


def a_file(path: Path) -> None:
    shutil.rmtree(path)
    path.touch()


def half_flac(path: Path) -> None:
    file = path / "spoken.flac"
    file.write_bytes(file.read_bytes()[:-4])


BROKEN: list[tuple[Spoil, str, str]] = [
    (shutil.rmtree, r"take: no such folder", "--record DIR"),
    (a_file, r"take: no recording: there is no file turn\.jsonl", "--record DIR"),
    (only_a_folder, r"take: no recording: there is no file turn", "--record DIR"),
    (a_folder_of_that_name, r"take: no recording: there is no file", "--record DIR"),
    # The first line.
    (put("turn.jsonl", b""), r"turn\.jsonl: line 1: not JSON in UTF-8", "edited"),
    (put("turn.jsonl", b"hello\n"), r"line 1: not JSON in UTF-8", "edited"),
    (put("turn.jsonl", b'{"recordi'), r"line 1: not JSON in UTF-8", "edited"),
    (put("turn.jsonl", b"[1]\n"), r"line 1: must be a JSON object, is \[1\]", "edited"),
    (put("turn.jsonl", b"[" * 99_999), r"line 1: not JSON in UTF-8", "edited"),
    (put("turn.jsonl", b'{"t": 0}\n'), r"line 1: .* holds no version", "made"),
    (line(1, recording="1"), r"line 1: .* holds no version", "made"),
    (line(1, recording=0), r"line 1: .* holds no version", "made"),
    (
        line(1, recording=NEWER, program="9.1", new=[]),
        rf"recorded by trioagent 9\.1 with format {NEWER}; this one reads up to {OURS}",
        "upgrade trioagent",
    ),
    (line(1, agent=None), r'line 1: header: "agent" is missing', "edited"),
    (line(1, color="red"), r'line 1: header: unknown field "color"', "edited"),
    (line(1, room_rate_hz=0), r'"room_rate_hz" must be a whole number from 1', ""),
    (line(1, providers={"asr": 1}), r'"providers" must be an object of str', ""),
    (line(1, config=[]), r'"config" must be an object, is \[\]', ""),
    (line(1, present=[{"id": 1}]), r'"present" person: "name" is missing', ""),
    (line(1, ears=[{"speaker": "x"}]), r'"ears" ear: "speaker" must be a whole', ""),
    # Entries.
    (line(3, what="smelled"), r'line 3: unknown kind of entry: "smelled"', "edited"),
    (line(3, what=None), r"line 3: unknown kind of entry: null", "edited"),
    (line(3, what=["packet"]), r"line 3: unknown kind of entry: \[", "edited"),
    (line(3, samples=None), r'line 3: packet: "samples" is missing', "edited"),
    (line(3, loud=True), r'line 3: packet: unknown field "loud"', "edited"),
    (line(3, samples=-1), r'"samples" must be a whole number from 0, is -1', "edited"),
    (line(3, samples=4.0), r'packet: "samples" must be a whole number from 0', ""),
    (line(3, samples=True), r'packet: "samples" must be a whole number from 0', ""),
    (line(3, speaker="Ana"), r'"speaker" must be a whole number, is "Ana"', ""),
    (line(3, t="x" * 99), r'"t" must be a number, is "x{38}…', ""),
    (line(3, t=True), r'"t" must be a number, is true', ""),
    (line(3, t=float("nan")), r'"t" must be a number, is NaN', ""),
    (line(3, t=10**400), r'"t" must be a number, is 1000', ""),
    (line(3, ends_talk=1), r'"ends_talk" must be true or false, is 1', ""),
    (line(3, speech=0.5), r'"speech" must be a list, is 0\.5', ""),
    (line(3, speech=[0.5, "x"]), r'"speech" must be a number, is "x"', ""),
    (line(7, words=[[1, 2, 3]]), r'"words" must be a pair, is \[1, 2, 3\]', ""),
    (line(7, words=[[1, -2]]), r'"words" must be a whole number from 0', ""),
    (line(2, data=[]), r'event: "data" must be an object, is \[\]', ""),
    (line(2, event=5), r'event: "event" must be a string, is 5', ""),
    (insert(4, b"{half"), r"turn\.jsonl: line 4: not JSON in UTF-8", "edited"),
    (insert(4, b"\xff"), r"turn\.jsonl: line 4: not JSON in UTF-8", "edited"),
    (insert(4, b""), r"turn\.jsonl: line 4: not JSON in UTF-8", "edited"),
    (
        insert(4, b'{"what":"said","t":0.2,"phrase":1,"how":"badly"}'),
        r'line 4: said: "how" must be "done" or "failed" or "\w+", is "badly"',
        "",
    ),
    (line(8, t=0.35), r"line 8: time goes back from 0\.4 to 0\.35", "edited"),
    (
        insert(LINES + 1, b'{"what":"restored","t":2}'),
        rf"line {LINES}: more comes after the end",
        "edited",
    ),
    # Audio.
    (lambda p: (p / "heard-7.flac").unlink(), r"heard-7\.flac: is missing", "edited"),
    (line(3, samples=5), r"heard-7\.flac: 14 samples, but 15 in turn\.jsonl", "edited"),
    (line(3, speaker=9), r"heard-\d\.flac: ", "edited"),
    (sound(4, 48_000), r"spoken\.flac: 4 samples, but 5 in turn\.jsonl", "edited"),
    (sound(6, 48_000), r"spoken\.flac: 6 samples, but 5 in turn\.jsonl", "edited"),
    (sound(5, 44_100), r"spoken\.flac: must be mono at 48000 Hz, is 44100 Hz", ""),
    (
        sound(5, 48_000, 2),
        r"spoken\.flac: must be mono at 48000 Hz, is 48000 Hz, shape",
        "",
    ),
    (put("spoken.flac", b""), r"spoken\.flac: broken, or no FLAC file", "edited"),
    (put("spoken.flac", b"fLaC" * 99), r"spoken\.flac: broken, or no FLAC", "edited"),
    (half_flac, r"spoken\.flac: ", "edited"),
]


@pytest.mark.parametrize(("spoil", "message", "hint"), BROKEN)
def test_what_cannot_be_used_says_why(
    path: Path, spoil: Any, message: str, hint: str
) -> None:
    spoil(path)
    with pytest.raises(RecordingError, match=message) as caught:
        load(path)
    assert caught.value.message.startswith(str(path))
    assert hint in caught.value.hint
    assert caught.value.hint
    assert isinstance(caught.value, TrioagentError)


@pytest.mark.parametrize("name", ["turn.jsonl", "heard-7.flac"])
def test_what_may_not_be_read(
    path: Path, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    """Patched, as the superuser may read everything."""
    real = Path.open

    def denied(self: Path, *args: Any, **kwargs: Any) -> Any:
        if self.name == name:
            text = os.strerror(errno.EACCES)
            raise PermissionError(errno.EACCES, text, str(self))
        return real(self, *args, **kwargs)

    monkeypatch.setattr(Path, "open", denied)
    with pytest.raises(RecordingError, match="Permission denied") as caught:
        load(path)
    assert caught.value.message.startswith(f"{path / name}: cannot be read")
    assert "run as that user" in caught.value.hint


json_lines = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(st.sampled_from(["what", "t", "samples", "recording"]), inner)
    ),
    max_leaves=6,
).map(lambda value: json.dumps(value).encode())


@given(st.binary(max_size=30) | json_lines)
def test_any_line_is_good_or_bad(content: bytes) -> None:
    for parse in (parse_header, parse_entry):
        # Whatever it is, nothing but BadLine comes of it.
        with contextlib.suppress(BadLine):
            assert parse(content)


@given(st.sampled_from(sorted(f.KINDS)), st.data())
def test_any_field_of_any_kind_is_checked(kind: str, data: st.DataObject) -> None:
    """An entry that is accepted has nothing in it that its type does not allow."""
    names = [field.name for field in f.KINDS[kind].__attrs_attrs__]
    values = st.sampled_from(
        [None, True, 1, -1, 0.5, "x", "done", [], [1], [[1, 2]], {}]
    )
    fields = {name: data.draw(values) for name in names}
    content = json.dumps({"what": kind, **fields}).encode()
    try:
        entry = parse_entry(content)
    except BadLine:
        return
    assert type(entry.t) is float
    for name in names:
        value = getattr(entry, name)
        if name in ("samples", "stream", "turn", "speaker", "request", "phrase"):
            assert value is None or type(value) is int
        if name in ("text", "error", "said", "event", "reason"):
            assert type(value) is str
