"""Virtual time: where it jumps, what passes it, and whom a seed lets go first."""

from __future__ import annotations

import math

import pytest
import trio
from trio._core import _run

from trioagent.replay.clock import COMPUTED_S, Laps, VirtualClock, scheduled_by


def run_sleeping(clock: VirtualClock, *deadlines: float) -> list[float]:
    """When each of these deadlines was met."""
    woken: list[float] = []

    async def main() -> None:
        for deadline in deadlines:
            await trio.sleep_until(deadline)
            woken.append(trio.current_time())

    trio.run(main, clock=clock)
    return woken


def test_it_jumps_to_each_deadline() -> None:
    assert run_sleeping(VirtualClock(5.0), 5.5, 1000.0, 1e6) == [5.5, 1000.0, 1e6]


def test_it_stands_still_while_a_task_can_run() -> None:
    async def main() -> None:
        async with trio.open_nursery() as nursery:
            nursery.start_soon(trio.sleep, 100)
            for _ in range(1000):
                await trio.lowlevel.checkpoint()
                assert trio.current_time() == 2.0
            nursery.cancel_scope.cancel()
        assert trio.current_time() == 2.0

    trio.run(main, clock=VirtualClock(2.0))


def test_a_timer_is_as_late_as_it_was() -> None:
    instants = [1.0, 1.5, 4.0]
    woken = run_sleeping(VirtualClock(0.0, instants), 0.25, 1.0, 1.25, 3.0, 9.0)
    # The last is behind all instants.
    assert woken == [1.0, 1.0, 1.5, 4.0, 9.0]


def test_an_instant_that_was_rounded_down_is_that_instant() -> None:
    # A deadline half a microsecond behind an instant does not wait for the next one.
    (woken,) = run_sleeping(VirtualClock(0.0, [1.0, 2.0]), 1.0000005)
    assert woken == pytest.approx(1.0, abs=1e-6)


@pytest.mark.parametrize(
    ("now", "time", "passed"),
    [
        (0.5, 0.4, 0.5),  # never back
        (0.5, 0.5 + COMPUTED_S / 2, 0.5 + COMPUTED_S / 2),  # a little
        (0.995, 1.0, 1.0),
        (1.0, 1.004, 1.004),
        (1.0, 3.0, 3.0),  # nothing happened in between: it all stood still
        (1.0, 3.1, 1.0),  # something happened in between
        (0.9999995, 3.0, 3.0),  # at the instant, but for rounding
        (3.0, 3.0 + 2 * COMPUTED_S, 3.0),  # nobody computes for so long
    ],
)
def test_what_passes(now: float, time: float, passed: float) -> None:
    clock = VirtualClock(now, [1.0, 3.0])
    clock.pass_until(time)
    assert clock.current_time() == passed


def test_without_a_deadline_there_is_nothing_to_jump_to() -> None:
    clock = VirtualClock(1.0)
    assert clock.deadline_to_sleep_time(math.inf) == math.inf
    assert clock.deadline_to_sleep_time(0.5) <= 0
    assert clock.current_time() == 1.0


# --- who goes first --------------------------------------------------------------


def order(seed: int) -> list[int]:
    """In which order ten tasks run that were all ready at once."""
    ran: list[int] = []

    async def note(number: int) -> None:
        ran.append(number)

    async def main() -> None:
        async with trio.open_nursery() as nursery:
            for number in range(10):
                nursery.start_soon(note, number)

    with scheduled_by(seed):
        trio.run(main)
    return ran


def test_a_seed_is_an_order() -> None:
    assert order(3) == order(3)
    assert len({tuple(order(seed)) for seed in range(20)}) > 10


def test_all_is_as_before_afterwards() -> None:
    flag, state = _run._ALLOW_DETERMINISTIC_SCHEDULING, _run._r.getstate()
    with scheduled_by(1):
        assert _run._ALLOW_DETERMINISTIC_SCHEDULING
        assert _run._r.getstate() != state
    assert flag == _run._ALLOW_DETERMINISTIC_SCHEDULING
    assert _run._r.getstate() == state


def test_also_after_an_error_and_inside_of_another() -> None:
    state = _run._r.getstate()
    with scheduled_by(1):
        expected = _run._r.random()
    with scheduled_by(1):
        with pytest.raises(ZeroDivisionError), scheduled_by(2):
            _ = _run._r.random() / 0
        assert _run._r.random() == expected
    assert _run._r.getstate() == state


def test_a_round_may_take_until_the_next_instant() -> None:
    clock = VirtualClock(0.0, [0.1, 0.2, 0.9])
    clock.next_within(0.05)
    assert clock.current_time() == 0.0
    clock.next_within(0.1)
    assert clock.current_time() == 0.1
    clock.next_within(1.0)
    # One at a time.
    assert clock.current_time() == 0.2
    clock.next_within(1.0)
    clock.next_within(1.0)
    assert clock.current_time() == 0.9


def test_laps_let_time_pass_while_tasks_are_ready() -> None:
    clock = VirtualClock(0.0, [0.0001, 0.0002, 0.5])
    times: list[float] = []

    async def main() -> None:
        for _ in range(4):
            times.append(trio.current_time())
            await trio.lowlevel.checkpoint()

    trio.run(main, clock=clock, instruments=[Laps(clock, 0.0001)])
    assert times[-1] == 0.0002
    assert times == sorted(times)
