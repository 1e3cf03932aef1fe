"""Recordings that were cut off: all that had been appended is there."""

from __future__ import annotations

import errno
import os
import re
import signal
import subprocess
import sys
import textwrap
from pathlib import Path
from typing import TYPE_CHECKING

import attrs
import pytest

from tests.helpers_recordings import (
    ENTRIES,
    HEADER,
    audio_for,
    files,
    make,
    same_audio,
)
from trioagent.recording import format as f
from trioagent.recording.folder import RecordingFolder
from trioagent.recording.reader import load

if TYPE_CHECKING:
    from collections.abc import Callable

ROOT = Path(__file__).parents[1]

WRITER = """
    import resource, sys
    from pathlib import Path
    import numpy as np
    from trioagent.recording import format as f
    from trioagent.recording.folder import RecordingFolder
    from tests.helpers_recordings import HEADER

    def write(parent, limit=None):
        import attrs
        header = attrs.evolve(HEADER, ears=())
        folder = RecordingFolder.create(Path(parent), "take", header)
        if limit:
            resource.setrlimit(resource.RLIMIT_FSIZE, (limit, limit))
        try:
            for n in range(1_000_000):
                pcm = np.full(320, n % 30_000, np.int16)
                entries = [f.Packet(n * 0.02, 7, 320), f.Frame(n * 0.02, 640)]
                folder.append(entries, {"heard-7": [pcm], "spoken": [pcm, pcm]})
                print(n, flush=True)
        except OSError as error:
            print("full", error.errno, flush=True)
        return folder
"""


def writer(parent: Path, last_words: str) -> subprocess.Popen[str]:
    code = textwrap.dedent(WRITER) + f"\n{last_words}\n"
    return subprocess.Popen(
        [sys.executable, "-c", code, str(parent)],
        stdout=subprocess.PIPE,
        text=True,
        cwd=ROOT,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
    )


def check_cut_off(path: Path, appended: int, most: int) -> None:
    recording = load(path)
    count = len(recording.entries) // 2
    assert appended <= count <= most
    assert not recording.complete
    assert re.search(r"cut off after [\d.]+ s", recording.warnings[-1])
    for audio in (recording.packets(), recording.frames()):
        for number, (entry, pcm) in enumerate(audio):
            assert entry.t == pytest.approx(number * 0.02)
            assert len(pcm) == entry.samples
            assert set(pcm) == {number}


def test_a_killed_process_loses_nothing_that_was_appended(tmp_path: Path) -> None:
    process = writer(tmp_path, "write(sys.argv[1])")
    assert process.stdout
    for line in process.stdout:
        if int(line) == 200:
            break
    process.send_signal(signal.SIGKILL)
    rest = process.stdout.read().splitlines()
    process.stdout.close()
    assert process.wait() == -signal.SIGKILL
    # One more may have been appended and not told, and half of another.
    appended = 201 + len([line for line in rest if line.isdigit()])
    check_cut_off(tmp_path / "take", appended - 1, appended + 1)


@pytest.mark.parametrize("end", ["finish", "abandon"])
@pytest.mark.parametrize("limit", [20_000, 20_001, 22_222])
def test_a_full_disk_loses_nothing_that_was_appended(
    tmp_path: Path, limit: int, end: str
) -> None:
    process = writer(tmp_path, f"write(sys.argv[1], {limit}).{end}()")
    output, _ = process.communicate(timeout=60)
    *acknowledged, full = output.splitlines()
    assert process.returncode == 0
    assert full == f"full {errno.EFBIG}"
    path = tmp_path / "take"
    assert files(path) == (
        {"turn.jsonl", "heard-7.flac", "spoken.flac"}
        if end == "finish"
        else {"turn.jsonl", "heard-7.pcm", "spoken.pcm"}
    )
    check_cut_off(path, len(acknowledged), len(acknowledged))


def full_after(writes: int, half: int) -> Callable[..., int]:
    """An `os.pwrite` that writes only `half` of what comes after some writes."""
    calls = iter(range(1000))
    real = os.pwrite

    def pwrite(fd: int, data: bytes, offset: int) -> int:
        call = next(calls)
        if call < writes:
            return real(fd, data, offset)
        if call == writes and half:
            return real(fd, data[:half], offset)
        raise OSError(errno.ENOSPC, "No space left on device")

    return pwrite


def refuse(*_: object) -> None:
    raise OSError(errno.EIO, "Input/output error")


@pytest.mark.parametrize("writes", range(5))
@pytest.mark.parametrize("half", [0, 1, 2, 3])
@pytest.mark.parametrize("truncates", [True, False])
def test_half_written_ends_are_left_out(
    monkeypatch: pytest.MonkeyPatch,
    tmp_path: Path,
    writes: int,
    half: int,
    truncates: bool,
) -> None:
    folder = RecordingFolder.create(tmp_path, "take", HEADER)
    folder.append(ENTRIES[:4], audio_for(ENTRIES[:4], HEADER))
    more = ENTRIES[4:]
    with monkeypatch.context() as patch:
        patch.setattr(os, "pwrite", full_after(writes, half))
        if not truncates:
            patch.setattr(os, "ftruncate", refuse)
        if writes < 4:
            with pytest.raises(OSError, match="No space left"):
                folder.append(more, audio_for(more))
        else:
            folder.append(more, audio_for(more))
    recording = load(folder.path)
    assert recording.entries == (ENTRIES if writes == 4 else ENTRIES[:4])
    if writes < 4:
        # There is room again: it goes on as if nothing had been.
        folder.append(more, audio_for(more))
    folder.finish()
    assert load(folder.path).entries == ENTRIES


def test_a_failed_append_leaves_no_trace(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    folder = RecordingFolder.create(tmp_path, "take", attrs.evolve(HEADER, ears=()))
    folder.append([f.Restored(0.1)], {})
    before = (folder.path / "turn.jsonl").read_bytes()
    with monkeypatch.context() as patch:
        patch.setattr(os, "pwrite", full_after(0, 300))
        with pytest.raises(OSError, match="No space left"):
            folder.append([f.Token(n, 1, n, "a" * 80) for n in range(9)], {})
    assert (folder.path / "turn.jsonl").read_bytes() == before
    folder.append([f.Ended(0.2)], {})
    folder.abandon()
    recording = load(folder.path)
    assert recording.entries == (f.Restored(0.1), f.Ended(0.2))
    assert recording.warnings == ()


@pytest.mark.parametrize("writes", range(4))
def test_audio_that_cannot_be_encoded_stays_raw(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, writes: int
) -> None:
    folder = RecordingFolder.create(tmp_path, "take", HEADER)
    audio = audio_for(ENTRIES, HEADER)
    folder.append(ENTRIES, audio)
    with monkeypatch.context() as patch:
        patch.setattr(os, "pwrite", full_after(writes, 10))
        with pytest.raises(OSError, match="No space left"):
            folder.finish()
    assert len(list(folder.path.glob("*.flac"))) == writes
    assert len(list(folder.path.glob("*.pcm"))) == 4 - writes
    assert len(files(folder.path)) == 5
    recording = load(folder.path)
    assert recording.complete
    assert same_audio(recording, audio)


def test_nothing_is_left_of_what_cannot_begin(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr(os, "pwrite", full_after(0, 7))
    with pytest.raises(OSError, match="No space left"):
        RecordingFolder.create(tmp_path, "take", HEADER)
    assert not files(tmp_path)


def test_a_folder_that_cannot_be_made(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(OSError, match="file"):
        make(tmp_path / "file" / "recordings")
