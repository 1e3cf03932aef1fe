"""The circuit breaker's decisions: any calls, in any order, at any time."""

from __future__ import annotations

import attrs
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    invariant,
    precondition,
    rule,
)

from trioagent.decisions.breaker import LONGEST_PAUSE_S, Breaker, Ticket

RETRY_S = 10.0


def failed(
    breaker: Breaker, times: int, now: float = 0.0, why: str = "stalled"
) -> None:
    for _ in range(times):
        ticket = breaker.admit(now)
        assert ticket is not None
        breaker.failed(ticket, why, now)


def test_it_opens_after_so_many_failures_in_a_row() -> None:
    breaker = Breaker(3, RETRY_S)
    failed(breaker, 2)
    breaker.succeeded()
    failed(breaker, 2)
    assert breaker.state(0) == "closed"
    failed(breaker, 1, why="refused")
    assert breaker.state(0) == "open"
    assert breaker.admit(9.99) is None
    assert breaker.last_error == "refused"


def test_one_call_finds_out_and_the_others_wait_for_it() -> None:
    breaker = Breaker(1, RETRY_S)
    failed(breaker, 1)
    assert breaker.state(10) == "half-open"
    probe = breaker.admit(10)
    assert probe is not None
    assert breaker.admit(10) is breaker.admit(1000) is None
    breaker.failed(probe, "again", 12)
    assert breaker.admit(21.9) is None
    assert breaker.admit(22) is not None
    breaker.succeeded()
    assert breaker.state(22) == "closed"
    assert not breaker.failing


def test_a_probe_whose_caller_went_away_makes_room_for_another() -> None:
    breaker = Breaker(1, RETRY_S)
    failed(breaker, 1)
    probe = breaker.admit(10)
    assert probe is not None
    breaker.abandoned(probe)
    assert breaker.state(10) == "half-open"
    assert breaker.admit(10) is not None


def test_a_call_from_before_it_opened_does_not_keep_it_open() -> None:
    breaker = Breaker(1, RETRY_S)
    early = breaker.admit(0)
    assert early is not None
    failed(breaker, 1)
    breaker.failed(early, "late", 9)
    assert breaker.admit(10) is not None


def test_who_only_seems_well_is_asked_less_and_less() -> None:
    breaker, now, pauses = Breaker(3, RETRY_S), 0.0, []
    failed(breaker, 3)
    for _ in range(7):
        pauses.append(breaker.retry_at - now)
        now = breaker.retry_at
        breaker.seems_well()
        assert breaker.state(now) == "closed"
        failed(breaker, 1, now)
        assert breaker.state(now) == "open"  # one failure is enough
    assert pauses == [10, 20, 40, 80, 160, LONGEST_PAUSE_S, LONGEST_PAUSE_S]
    now = breaker.retry_at
    assert breaker.admit(now) is not None
    breaker.succeeded()
    failed(breaker, 3, now)
    assert breaker.retry_at == now + RETRY_S


def test_a_pause_may_be_longer_than_the_longest_that_doubling_makes() -> None:
    breaker = Breaker(1, 2 * LONGEST_PAUSE_S)
    failed(breaker, 1)
    assert breaker.retry_at == 2 * LONGEST_PAUSE_S


def test_who_is_well_and_says_so_is_not_on_probation() -> None:
    breaker = Breaker(1, RETRY_S)
    breaker.seems_well()
    failed(breaker, 1)
    assert breaker.retry_at == RETRY_S


def test_a_probe_that_still_runs_does_not_stand_for_the_next() -> None:
    breaker = Breaker(1, RETRY_S)
    failed(breaker, 1)
    assert breaker.admit(10) is not None
    breaker.seems_well()
    failed(breaker, 1, now=11)
    assert breaker.state(11) == "open"
    assert breaker.admit(breaker.retry_at) is not None


@given(st.integers(1, 5), st.lists(st.booleans()))
def test_without_waiting_only_failures_in_a_row_count(
    limit: int, answers: list[bool]
) -> None:
    breaker, row = Breaker(limit, RETRY_S), 0
    for answer in answers:
        ticket = breaker.admit(0)
        assert (ticket is None) == (row >= limit)
        if ticket is None:
            return
        row = 0 if answer else row + 1
        if answer:
            breaker.succeeded()
        else:
            breaker.failed(ticket, "x", 0)


class AnyCalls(RuleBasedStateMachine):
    """Calls overlap and end in any way; what must hold holds at each step."""

    def __init__(self) -> None:
        super().__init__()
        self.now = 0.0
        self.breaker = Breaker(2, RETRY_S)
        self.calls: list[Ticket] = []

    @rule(seconds=st.floats(0, 25))
    def wait(self, seconds: float) -> None:
        self.now += seconds

    @rule()
    def begin(self) -> None:
        state = self.breaker.state(self.now)
        ticket = self.breaker.admit(self.now)
        if state == "closed":
            assert ticket is not None
        if state == "open":
            assert ticket is None
        if ticket is not None:
            self.calls.append(ticket)

    @precondition(lambda self: self.calls)
    @rule(which=st.integers(0), how=st.sampled_from(["ok", "no", "gone", "well"]))
    def end(self, which: int, how: str) -> None:
        ticket = self.calls.pop(which % len(self.calls))
        match how:
            case "ok":
                self.breaker.succeeded()
                assert self.breaker.state(self.now) == "closed"
            case "no":
                self.breaker.failed(ticket, "why", self.now)
                assert self.breaker.last_error == "why"
            case "gone":
                before = self.breaker.in_a_row
                self.breaker.abandoned(ticket)
                assert self.breaker.in_a_row == before
            case _:
                self.breaker.seems_well()
                self.breaker.abandoned(ticket)
                assert not self.breaker.failing

    @invariant()
    def it_never_refuses_for_ever(self) -> None:
        """With no call under way, one is let through after the longest pause."""
        if not self.calls:
            state = self.breaker.state(self.now + LONGEST_PAUSE_S)
            assert state in ("closed", "half-open")
            later = attrs.evolve(self.breaker)
            assert later.admit(self.now + LONGEST_PAUSE_S) is not None

    @invariant()
    def only_one_goes_through_while_it_is_not_closed(self) -> None:
        if self.breaker.state(self.now) == "closed":
            return
        copy = attrs.evolve(self.breaker)
        first, second = copy.admit(self.now), copy.admit(self.now)
        assert second is None
        assert first is None or copy.state(self.now) == "half-open"


TestAnyCalls = AnyCalls.TestCase
