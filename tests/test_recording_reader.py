"""Reading recordings: what is in them, and which there are."""

from __future__ import annotations

import errno
import os
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.helpers_recordings import ENTRIES, HEADER, audio_for, make
from trioagent.journal.events import Event
from trioagent.recording import format as f
from trioagent.recording.reader import RecordingError, find, find_all, load


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return make(tmp_path)


# --- what is in it ---------------------------------------------------------------


def test_turns_and_their_events(path: Path) -> None:
    recording = load(path)
    assert recording.path == path
    assert recording.complete
    assert recording.warnings == ()
    assert recording.length_s == 1.0
    assert recording.turns == (4, 5)
    assert recording.events(4) == [
        Event(0.0, "speech_started", {"speaker": "Ana"}),
        Event(1.0, "outcome", {"kind": "answered"}),
    ]
    # The second turn's times count from its own beginning.
    assert recording.events(5) == [
        Event(0.0, "speech_started", {"speaker": "Bot"}),
        Event(0.5, "outcome", {"kind": "ignored"}),
    ]
    assert recording.events(6) == []


@pytest.mark.parametrize("finish", [True, False])
def test_each_entry_has_its_own_samples(tmp_path: Path, finish: bool) -> None:
    recording = load(make(tmp_path, finish=finish))
    audio = audio_for(ENTRIES, HEADER)
    ana, bot = audio["heard-7"], audio["heard-8"]
    (ear,) = HEADER.ears
    kept = recording.pre_roll(ear)
    assert [k for k, _ in kept] == list(ear.pre_roll)
    assert [pcm.tolist() for _, pcm in kept] == [p.tolist() for p in ana[:2]]
    packets = list(recording.packets())
    assert [p for p, _ in packets] == [e for e in ENTRIES if isinstance(e, f.Packet)]
    expected = [ana[2], bot[0], ana[3], ana[4]]
    assert [pcm.tolist() for _, pcm in packets] == [p.tolist() for p in expected]
    for found, stem in (
        (recording.sounds(), "synthesized"),
        (recording.frames(), "spoken"),
    ):
        assert [pcm.tolist() for _, pcm in found] == [p.tolist() for p in audio[stem]]
    assert recording.heard[7].dtype == np.int16
    assert recording.heard[7].flags.writeable


def test_whoever_kept_only_a_pre_roll_is_heard(tmp_path: Path) -> None:
    recording = load(make(tmp_path, [f.Ended(0.0)]))
    assert len(recording.heard[7]) == 8
    assert recording.turns == ()


def test_a_last_line_without_its_newline_counts(path: Path) -> None:
    file = path / "turn.jsonl"
    file.write_bytes(file.read_bytes().rstrip(b"\n"))
    assert load(path).complete


def test_both_forms_of_audio_are_fine(path: Path) -> None:
    """As when it is killed after the FLAC is there and before the raw audio is gone."""
    (path / "spoken.pcm").write_bytes(b"half")
    (path / "heard-7.flac.part").write_bytes(b"fLaC")
    assert len(load(path).spoken) == 5


def test_a_rounded_time_may_be_a_microsecond_early(tmp_path: Path) -> None:
    entries = [f.Restored(0.000002), f.Restored(0.000001), f.Ended(0.1)]
    assert load(make(tmp_path, entries)).complete


@pytest.mark.parametrize("finish", [True, False])
@given(data=st.data())
@settings(max_examples=40, deadline=None)
def test_cut_off_anywhere_it_is_read_up_to_there(
    tmp_path_factory: pytest.TempPathFactory, data: st.DataObject, finish: bool
) -> None:
    """Any file may end early, as when the machine loses power."""
    path = make(tmp_path_factory.mktemp("r"), ENTRIES[:-1], finish=finish)
    whole = load(path)
    names = ["turn.jsonl"] if finish else sorted(p.name for p in path.iterdir())
    file = path / data.draw(st.sampled_from(names))
    content = file.read_bytes()
    least = content.index(b"\n") + 1 if file.name == "turn.jsonl" else 0
    file.write_bytes(content[: data.draw(st.integers(least, len(content)))])
    recording = load(path)
    assert not recording.complete
    assert "cut off after" in recording.warnings[-1]
    count = len(recording.entries)
    assert recording.entries == whole.entries[:count]
    for cut, full in (
        (recording.packets(), whole.packets()),
        (recording.sounds(), whole.sounds()),
        (recording.frames(), whole.frames()),
    ):
        for (entry, pcm), (same, all_of_it) in zip(cut, full, strict=False):
            assert entry == same
            assert pcm.tolist() == all_of_it.tolist()


@pytest.mark.parametrize("finish", [True, False])
def test_cut_off_without_audio_it_ends_before_the_first(
    tmp_path: Path, finish: bool
) -> None:
    path = make(tmp_path, ENTRIES[:-1], finish=finish)
    for file in path.glob("spoken.*"):
        file.unlink()
    recording = load(path)
    assert recording.entries == ENTRIES[:6]
    assert recording.warnings == (
        "cut off after 0.40 s: killed, or the disk was full?",
    )
    for file in path.glob("heard-7.*"):
        file.unlink()
    assert load(path).entries == ()
    assert load(path).pre_roll(HEADER.ears[0])[0][1].tolist() == []


# --- all that there are ----------------------------------------------------------


def test_recordings_are_found_however_deep(tmp_path: Path) -> None:
    made = [make(tmp_path / "b", name=n) for n in ("y", "x")]
    made.append(make(tmp_path / "a" / "deep" / "er"))
    (tmp_path / "a" / "loop").symlink_to(tmp_path)
    (tmp_path / "notes.txt").touch()
    # Not looked at: what lies in a recording belongs to it.
    make(made[0], name="inner")
    assert find([tmp_path]) == sorted(made)
    assert find([made[0], tmp_path / "b", made[0]]) == sorted(made[:2])


def test_a_recording_that_is_broken_is_found_too(path: Path) -> None:
    (path / "turn.jsonl").write_text("?")
    assert find([path.parent]) == [path]


def test_each_path_has_its_own_error(tmp_path: Path) -> None:
    good = make(tmp_path / "good")
    (tmp_path / "empty").mkdir()
    (tmp_path / "file").touch()
    paths = [tmp_path / name for name in ("no", "file", "good", "empty")]
    found = find_all(paths)
    assert found.recordings == (good,)
    assert [error.message for error in found.errors] == [
        f"{tmp_path}/no: no such folder",
        f"{tmp_path}/file: is a file, and no folder",
        f"{tmp_path}/empty: holds no recording",
    ]
    assert all("--record DIR" in error.hint for error in found.errors)
    with pytest.raises(RecordingError, match="no: no such folder"):
        find(paths)
    assert find([]) == []


def test_a_path_that_cannot_even_be_looked_at(tmp_path: Path) -> None:
    found = find_all([tmp_path / ("x" * 300)])
    assert "File name too long" in found.errors[0].message


def test_a_folder_that_may_not_be_read_is_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    good = make(tmp_path / "a")
    locked = tmp_path / "locked"
    locked.mkdir()
    real = os.scandir

    def scandir(path: str) -> Any:
        if Path(path) == locked:
            raise PermissionError(errno.EACCES, "Permission denied", str(path))
        return real(path)

    monkeypatch.setattr(os, "scandir", scandir)
    found = find_all([tmp_path])
    assert found.recordings == (good,)
    (error,) = found.errors
    assert error.message == f"{locked}: cannot be read: Permission denied"
