"""Recordings as they are written: all of what was appended is there, come what may."""

from __future__ import annotations

import itertools
import os
import re
import stat
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING

import attrs
import numpy as np
import pytest
import soundfile
from hypothesis import example, given, settings
from hypothesis import strategies as st

from tests.helpers_recordings import (
    ENTRIES,
    HEADER,
    audio_for,
    files,
    headers,
    make,
    same_audio,
    stem_of,
    takes,
)
from trioagent.recording import format as f
from trioagent.recording.files import is_ours, safe_name
from trioagent.recording.folder import RecordingFolder
from trioagent.recording.lines import entry_lines, parse_entry
from trioagent.recording.reader import load

if TYPE_CHECKING:
    from collections.abc import Sequence

ROOT = Path(__file__).parents[1]
AUDIO_STEMS = {"heard-7", "heard-8", "synthesized", "spoken"}


# --- what is written is read -----------------------------------------------------


@given(
    header=headers, entries=takes, cuts=st.sets(st.integers(0, 12)), end=st.booleans()
)
@example(header=HEADER, entries=list(ENTRIES[:-1]), cuts={3, 7}, end=True)
@settings(max_examples=60, deadline=None)
def test_what_is_written_is_read(
    header: f.Header, entries: list[f.Entry], cuts: set[int], end: bool
) -> None:
    if end:
        entries = [*entries, f.Ended(entries[-1].t if entries else 0.0)]
    pieces = audio_for(entries, header)
    waiting = {stem: list(of_stem) for stem, of_stem in pieces.items()}
    with tempfile.TemporaryDirectory() as parent:
        folder = RecordingFolder.create(Path(parent), "take", header)
        # The pre-roll is there before all else.
        kept = {
            f"heard-{e.speaker}": len(e.pre_roll) for e in header.ears if e.pre_roll
        }
        folder.append([], {stem: take(waiting[stem], n) for stem, n in kept.items()})
        bounds = [0, *sorted(cut for cut in cuts if cut < len(entries)), len(entries)]
        for start, stop in itertools.pairwise(bounds):
            part = entries[start:stop]
            audio: dict[str, list[np.ndarray]] = {}
            for entry in part:
                if stem := stem_of(entry):
                    audio.setdefault(stem, []).extend(take(waiting[stem], 1))
            folder.append(part, audio)
        before = load(folder.path)
        folder.finish()
        after = load(folder.path)
        assert not [name for name in files(folder.path) if name.endswith(".pcm")]
    for recording in (before, after):
        assert recording.header == header
        assert list(recording.entries) == entries
        assert recording.complete is end
        assert bool(recording.warnings) is not end
        assert same_audio(recording, pieces)


def take(pieces: list[np.ndarray], count: int) -> list[np.ndarray]:
    taken = pieces[:count]
    del pieces[:count]
    return taken


def test_lines_are_short_and_text_stays_text() -> None:
    entries = [
        f.Packet(0.12345678, 7, 320),
        f.Fed(0.5, 1, 0.4999999999, 320, "Grüß Gott\u2028あ"),
        f.Token(0.5, 1, 0.5, "half a pair: \ud83d"),
        f.Joined(1, f.Person(7, "Ana")),
    ]
    fed = '"asked":0.5,"samples":320,"text":"Grüß Gott\u2028あ"}'
    token = '"offered":0.5,"text":"half a pair: \\ud83d"}'
    assert entry_lines(entries).decode().split("\n") == [
        '{"what":"packet","t":0.123457,"speaker":7,"samples":320}',
        '{"what":"fed","t":0.5,"stream":1,' + fed,
        '{"what":"token","t":0.5,"request":1,' + token,
        '{"what":"joined","t":1,"person":{"id":7,"name":"Ana"}}',
        "",
    ]


@pytest.mark.parametrize("rate_hz", [8_000, 11_025, 16_000, 22_050, 44_100, 48_000])
def test_flac_has_the_rate_and_every_sample(tmp_path: Path, rate_hz: int) -> None:
    header = attrs.evolve(HEADER, synthesizer_rate_hz=rate_hz, ears=())
    folder = RecordingFolder.create(tmp_path, "take", header)
    pcm = np.array([0, 32767, -32768, 1, -1] * 999, np.int16)
    sound = f.Sound(0.0, 1, 0.0, len(pcm))
    folder.append([sound, f.Ended(0.0)], {"synthesized": [pcm]})
    folder.finish()
    assert soundfile.info(folder.path / "synthesized.flac").samplerate == rate_hz
    assert np.array_equal(load(folder.path).synthesized, pcm)


def test_no_samples_no_file(tmp_path: Path) -> None:
    folder = RecordingFolder.create(tmp_path, "take", attrs.evolve(HEADER, ears=()))
    silent = np.zeros(0, np.int16)
    folder.append([f.Packet(0, 7, 0, ends_talk=True)], {"heard-7": [silent]})
    folder.append([f.Ended(0)], {})
    folder.finish()
    assert files(folder.path) == {"turn.jsonl"}
    assert len(load(folder.path).heard[7]) == 0


def test_floats_are_no_pcm(tmp_path: Path) -> None:
    folder = RecordingFolder.create(tmp_path, "take", HEADER)
    with pytest.raises(TypeError, match="safe"):
        folder.append([], {"spoken": [np.zeros(3)]})  # type: ignore[list-item] # the point
    folder.abandon()


# --- files -----------------------------------------------------------------------


@pytest.mark.parametrize("umask", [0o000, 0o022, 0o777])
@pytest.mark.parametrize("finish", [True, False])
def test_only_the_owner_can_read(tmp_path: Path, umask: int, finish: bool) -> None:
    old = os.umask(umask)
    try:
        path = make(tmp_path, finish=finish)
    finally:
        os.umask(old)
    assert stat.S_IMODE(path.stat().st_mode) == 0o700
    assert {stat.S_IMODE(file.stat().st_mode) for file in path.iterdir()} == {0o600}
    suffix = "flac" if finish else "pcm"
    assert files(path) == {"turn.jsonl"} | {f"{stem}.{suffix}" for stem in AUDIO_STEMS}
    assert all(is_ours(name) for name in files(path))


def test_a_missing_parent_is_made(tmp_path: Path) -> None:
    path = make(tmp_path / "a" / "b")
    assert path == tmp_path / "a" / "b" / "take"
    assert stat.S_IMODE((tmp_path / "a" / "b").stat().st_mode) == 0o700


def test_a_name_in_use_gets_a_number(tmp_path: Path) -> None:
    (tmp_path / "take-2").write_text("a file, and not ours")
    (tmp_path / "take-3").symlink_to("nowhere")
    assert [make(tmp_path).name for _ in range(3)] == ["take", "take-4", "take-5"]


@pytest.mark.parametrize(
    ("text", "name"),
    [
        ("2026-03-01T12:00:00.250+00:00 4 Ana", "2026-03-01T12-00-00.250-00-00-4-Ana"),
        ("../../etc/passwd", "etc-passwd"),
        ("..", "recording"),
        ("", "recording"),
        ("/", "recording"),
        (".hidden", "hidden"),
        ("a\0b\nc\td", "a-b-c-d"),
        ("--record", "record"),
        ("नमस्ते 日本 Zoë", "नमस्ते-日本-Zoë"),
        ("Zoe\u0308", "Zoë"),
        ("half \ud83d and 👍", "half-and"),
        ("C:\\CON", "C-CON"),
        ("a_b.c", "a_b.c"),
    ],
)
def test_names_are_safe(text: str, name: str) -> None:
    assert safe_name(text) == name


@given(st.text(st.characters(exclude_categories=()), max_size=300))
def test_any_name_is_one_name_of_a_file(text: str) -> None:
    name = safe_name(text)
    assert 0 < len(name.encode()) <= 120
    assert not set(name) & set('/\\\0\n:*?"<>| ')
    assert name[0] not in ".-"
    assert safe_name(name) == name


def test_after_the_end_nothing_can_be_appended(tmp_path: Path) -> None:
    folder = RecordingFolder.create(tmp_path, "take", HEADER)
    folder.append(ENTRIES, audio_for(ENTRIES, HEADER))
    folder.finish()
    folder.finish()
    folder.abandon()
    with pytest.raises(ValueError, match="take is closed"):
        folder.append([], {})
    assert load(folder.path).complete


# --- the description -------------------------------------------------------------


def description() -> str:
    return (ROOT / "docs" / "recordings.md").read_text(encoding="utf-8")


def examples() -> Sequence[str]:
    return re.findall(r'^\{"what".*\}$', description(), re.MULTILINE)


def test_the_description_has_every_kind_with_its_fields() -> None:
    parsed = [parse_entry(line.encode()) for line in examples()]
    assert {type(entry) for entry in parsed} == set(f.KINDS.values())
    text = description()
    for cls in (f.Header, f.Person, f.Ear, f.Kept, *f.KINDS.values()):
        for field in attrs.fields(cls):
            assert f"`{field.name}`" in text, (cls, field.name)
    for line in examples():
        assert entry_lines([parse_entry(line.encode())]).decode() == line + "\n"


def test_the_description_s_program_runs(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    make(tmp_path / "recordings")
    monkeypatch.chdir(tmp_path)
    (program,) = re.findall(r"```python\n(.*?)```", description(), re.DOTALL)
    exec(program, {})
    output = capsys.readouterr().out
    assert output.startswith("take 1.0 s (4, 5)\n")
    assert "  0.500 outcome {'kind': 'ignored'}\n" in output
