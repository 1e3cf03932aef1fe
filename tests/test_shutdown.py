"""Signals, in a process of its own."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from collections.abc import Iterator

PROGRAM = """
import signal, sys, time
import trio
from trioagent import shutdown
from trioagent.shutdown import until_signal

async def stay():
    try:
        print("ready", flush=True)
        await trio.sleep_forever()
    finally:
        print("cancelled", flush=True)

async def hang():
    try:
        print("ready", flush=True)
        await trio.sleep_forever()
    finally:
        print("cancelled", flush=True)
        # A call that does not return, as a thread or a native library may be.
        time.sleep(60)

async def end():
    pass

async def fail():
    raise OSError("broken")

shutdown.FINISH_S = 0.1
main, *more = sys.argv[1:]
for name in more:
    if name.startswith("SIG_"):
        signal.signal(signal.SIGHUP, getattr(signal, name))
finish = [globals()[name] for name in more if not name.startswith("SIG_")]
sys.exit(trio.run(until_signal, globals()[main], *finish))
"""
PATIENCE_S = 10


@pytest.fixture
def processes() -> Iterator[list[subprocess.Popen[str]]]:
    started: list[subprocess.Popen[str]] = []
    yield started
    for process in started:
        process.kill()
        process.communicate()


def start(processes: list[subprocess.Popen[str]], *main: str) -> subprocess.Popen[str]:
    process = subprocess.Popen(
        [sys.executable, "-c", PROGRAM, *main],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env=os.environ | {"PYTHONWARNINGS": "error"},
    )
    processes.append(process)
    return process


SIGNALS = pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])


@SIGNALS
def test_the_first_signal_asks_it_to_leave(
    number: int, processes: list[subprocess.Popen[str]]
) -> None:
    process = start(processes, "stay")
    assert process.stdout is not None
    assert process.stdout.readline() == "ready\n"
    sent = time.monotonic()
    process.send_signal(number)
    out, err = process.communicate(timeout=PATIENCE_S)
    assert time.monotonic() - sent < 1
    assert process.returncode == 0
    assert out == "cancelled\n"
    assert not err


@SIGNALS
@pytest.mark.parametrize("second", [signal.SIGINT, signal.SIGTERM])
def test_the_second_signal_ends_the_process_whatever_it_does(
    number: int, second: int, processes: list[subprocess.Popen[str]]
) -> None:
    process = start(processes, "hang")
    assert process.stdout is not None
    assert process.stdout.readline() == "ready\n"
    process.send_signal(number)
    assert process.stdout.readline() == "cancelled\n"
    assert process.poll() is None
    process.send_signal(second)
    assert process.wait(PATIENCE_S) == -second


@pytest.mark.parametrize("hangup", ["SIG_DFL", "SIG_IGN"])
def test_a_lost_terminal_ends_it_unless_that_is_ignored(
    hangup: str, processes: list[subprocess.Popen[str]]
) -> None:
    process = start(processes, "stay", hangup)
    assert process.stdout is not None
    assert process.stdout.readline() == "ready\n"
    process.send_signal(signal.SIGHUP)
    if hangup == "SIG_IGN":
        status = Path(f"/proc/{process.pid}/status").read_text()
        found = re.search(r"SigIgn:\s*([0-9a-f]+)", status)
        assert found is not None
        assert int(found[1], 16) & 1 << (signal.SIGHUP - 1)
        process.terminate()
    out, _ = process.communicate(timeout=PATIENCE_S)
    assert process.returncode == 0
    assert out == "cancelled\n"


def test_what_never_finishes_is_not_waited_for(
    processes: list[subprocess.Popen[str]],
) -> None:
    process = start(processes, "stay", "stay")
    assert process.stdout is not None
    assert process.stdout.readline() == "ready\n"
    process.terminate()
    out, _ = process.communicate(timeout=PATIENCE_S)
    assert process.returncode == 0
    assert out == "ready\ncancelled\ncancelled\n"


def test_it_ends_by_itself_with_its_main(
    processes: list[subprocess.Popen[str]],
) -> None:
    process = start(processes, "end")
    _, err = process.communicate(timeout=PATIENCE_S)
    assert process.returncode == 0
    assert not err


def test_errors_pass_through(processes: list[subprocess.Popen[str]]) -> None:
    process = start(processes, "fail")
    _, err = process.communicate(timeout=PATIENCE_S)
    assert process.returncode == 1
    assert "OSError: broken" in err
