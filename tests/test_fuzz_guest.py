"""Many inputs in one run of Trio, for fuzzing: see docs/fuzzing.md."""

from __future__ import annotations

import time

import pytest
import trio

from tests.fuzzing.guest import Guest
from tests.fuzzing.running import Hang, aborted_after, fuzz
from tests.fuzzing.target import Target


async def _parses(data: bytes) -> object:
    await trio.lowlevel.checkpoint()
    if data == b"bad":
        raise ValueError(data)
    if data == b"late":
        with trio.move_on_after(0.001):
            await trio.sleep_forever()
    if data == b"busy":
        time.sleep(60)  # noqa: ASYNC251 - what an alarm has to end
    return trio.lowlevel.current_root_task()


def test_inputs_share_a_run_and_raise_as_they_would_alone() -> None:
    with Guest(_parses) as guest:
        first = guest(b"good")
        with pytest.raises(ValueError, match="bad"):
            guest(b"bad")
        assert guest(b"late") is first
    assert trio.run(_parses, b"good") is not first, "and another run may follow"


def test_an_alarm_is_raised_and_others_follow() -> None:
    with Guest(_parses) as guest:
        for _ in range(3):
            with pytest.raises(Hang), aborted_after(0.05):
                guest(b"busy")
            assert guest(b"good") is not None
    trio.run(_parses, b"good")


def test_crashes_in_trio_are_found() -> None:
    async def planted(data: bytes) -> None:
        await trio.lowlevel.checkpoint()
        if b"\xff\xff\xff\xff" in data:
            raise IndexError("a length was believed")

    target = Target("planted", planted, lambda: [b"\0\0\0\4abcd"], (ValueError,))
    outcome = fuzz(target, inputs=2000, seconds=20, seed=1)
    assert outcome.inputs == 2000
    (place,) = outcome.crashes
    assert place.startswith("IndexError in tests/test_fuzz_guest.py"), place


def test_most_inputs_are_cut_and_some_are_not() -> None:
    lengths: list[int] = []
    target = Target(
        "long", lambda data: lengths.append(len(data)), lambda: [bytes(500)]
    )
    short = Target("short", target.run, lambda: [bytes(500)], usual_bytes=20)
    fuzz(short, inputs=1001, seconds=20, seed=1)
    broken = lengths[1:]  # The first is the seed itself.
    assert lengths[0] == 500
    assert sum(length > 20 for length in broken) in range(8, 11)
