"""Running a target many times: what it raised, how long it took, what it allocated."""

from __future__ import annotations

import contextlib
import resource
import signal
import time
import traceback
import tracemalloc
from collections import Counter
from itertools import count, islice
from random import Random
from typing import TYPE_CHECKING, Any

import attrs

from tests.fuzzing.mutator import Material, edits, make

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from tests.fuzzing.target import Target

HANG_S = 1.0
"""One input that takes longer hangs the event loop, whatever it is."""
_ABORT_S = 20.0
_MEASURED_EVERY = 500
"""Inputs; tracemalloc makes all slower."""
_LONG_EVERY = 100
"""Inputs; the others are cut to the target's usual length."""
_PER_BYTE = 100
_PAGE_BYTES = resource.getpagesize()
_SHOWN_BYTES = 4_000


class Hang(BaseException):
    """An input took longer than anybody would wait."""


@attrs.define(eq=False)
class Outcome:
    """What came of many inputs; `crashes` is empty if all is well."""

    parser: str
    inputs: int = 0
    seconds: float = 0.0
    gave: Counter[str] = attrs.Factory(Counter)
    crashes: dict[str, str] = attrs.Factory(dict)
    """Where it crashed or hung, and an input that does it, as hexadecimal digits."""
    slowest_ms: float = 0.0
    rss_growth_mb: float = 0.0
    largest_peak_mb: float = 0.0

    def as_line(self) -> dict[str, Any]:
        """As it stands in the file of results."""
        return {
            "parser": self.parser,
            "inputs": self.inputs,
            "seconds": round(self.seconds, 1),
            "per_s": round(self.inputs / self.seconds) if self.seconds else 0,
            "errors_by_type": dict(self.gave.most_common()),
            "slowest_ms": round(self.slowest_ms, 1),
            "rss_growth_mb": round(self.rss_growth_mb, 1),
            "largest_peak_mb": round(self.largest_peak_mb, 1),
            "crashes": self.crashes,
        }


def material_of(target: Target) -> Material:
    """What the inputs of a target are made of."""
    return Material(target.seeds(), target.tokens, target.is_json)


def fuzz(target: Target, *, inputs: int, seconds: float, seed: int = 0) -> Outcome:
    """Run a target on so many inputs, or for so many seconds of the processor."""
    material, outcome = material_of(target), Outcome(target.name)
    broken = _broken(target, material, Random(seed))
    with target.ready() as gives:
        for data in material.seeds:  # also warms up, before memory is counted
            one(gives, data, outcome)
        for data in islice(broken, 200):
            one(gives, data, outcome)
        rss, start = rss_bytes(), time.process_time()
        while outcome.inputs < inputs and time.process_time() - start < seconds:
            if outcome.inputs % _MEASURED_EVERY == 0:
                _measured(target, gives, next(broken), outcome)
            else:
                one(gives, next(broken), outcome)
        outcome.seconds = time.process_time() - start
        outcome.rss_growth_mb = (rss_bytes() - rss) / 1e6
    return outcome


def _broken(target: Target, material: Material, rng: Random) -> Iterator[bytes]:
    """Inputs without end; one in so many is as long as it came."""
    for number in count():
        data = make(material, rng.getrandbits(30), edits(rng))
        yield data[: target.usual_bytes] if number % _LONG_EVERY else data


def one(gives: Callable[[bytes], str], data: bytes, outcome: Outcome) -> None:
    """Run a target on one input, and take note of what happened."""
    outcome.inputs += 1
    # Of the processor: the machine may have other things to do.
    start = time.process_time()
    try:
        with aborted_after(_ABORT_S):
            outcome.gave[gives(data)] += 1
    except (Exception, Hang) as error:  # noqa: BLE001 - that is what we look for
        outcome.gave[f"CRASH {type(error).__name__}"] += 1
        outcome.crashes.setdefault(_place(error), data.hex()[:_SHOWN_BYTES])
    took_s = time.process_time() - start
    outcome.slowest_ms = max(outcome.slowest_ms, took_s * 1000)
    if took_s > HANG_S:
        outcome.crashes.setdefault(f"took {took_s:.1f} s", data.hex()[:_SHOWN_BYTES])


def _measured(
    target: Target, gives: Callable[[bytes], str], data: bytes, outcome: Outcome
) -> None:
    tracemalloc.start()
    try:
        one(gives, data, outcome)
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    outcome.largest_peak_mb = max(outcome.largest_peak_mb, peak / 1e6)
    if peak > target.most_bytes + _PER_BYTE * len(data):
        where = f"allocated {peak >> 20} MiB"
        outcome.crashes.setdefault(where, data.hex()[:_SHOWN_BYTES])


@contextlib.contextmanager
def aborted_after(seconds: float) -> Iterator[None]:
    """Raise `Hang` in what takes longer. For the main thread of POSIX systems."""

    def ring(_number: int, _frame: object) -> None:
        raise Hang

    before = signal.signal(signal.SIGALRM, ring)
    signal.setitimer(signal.ITIMER_REAL, seconds)
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, before)


def rss_bytes() -> int:
    """What of this process is in memory now."""
    with open("/proc/self/statm", encoding="ascii") as file:  # noqa: PTH123 - often
        return int(file.read().split()[1]) * _PAGE_BYTES


def _place(error: BaseException) -> str:
    """The error and the innermost line of ours."""
    frames = traceback.extract_tb(error.__traceback__)
    ours = [
        f for f in frames if "/providers/" in f.filename or "/trioagent/" in f.filename
    ]
    at = (ours or frames)[-1]
    where = "/".join(at.filename.rsplit("/", 2)[-2:])
    return f"{type(error).__name__} in {where}:{at.lineno} {at.name}"
