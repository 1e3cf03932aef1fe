"""Many items at a time, in processes: the results come in order, errors among them."""

from __future__ import annotations

import os
from functools import partial

import pytest

from trioagent.errors import ConfigError
from trioagent.replay.pool import each


def square(number: int) -> tuple[int, int]:
    """Its square, and which process says so."""
    if number == 3:
        raise ConfigError("three is too many", hint="take two")
    return number * number, os.getpid()


def power(exponent: int, number: int) -> int:
    return number**exponent


def crash(number: int) -> int:
    return 1 // number


@pytest.mark.parametrize("jobs", [1, 2])
def test_in_order_with_errors_in_place(jobs: int) -> None:
    results = list(each(square, range(6), jobs=jobs, what="squaring"))
    assert [item for item, _ in results] == list(range(6))
    error = results.pop(3)[1]
    assert isinstance(error, ConfigError)
    # Also through a process.
    assert (error.message, error.hint) == ("three is too many", "take two")
    assert [result[0] for _, result in results] == [0, 1, 4, 16, 25]
    here = {pid == os.getpid() for _, (_, pid) in results}
    assert here == {jobs == 1}


def test_one_item_needs_no_process() -> None:
    ((_, (result, pid)),) = each(square, [5], jobs=8, what="squaring")
    assert (result, pid) == (25, os.getpid())


def test_a_partial_function_and_nothing_to_do() -> None:
    cubes = each(partial(power, 3), [1, 2, 3], jobs=1, what="cubing")
    assert [result for _, result in cubes] == [1, 8, 27]
    assert list(each(square, [], jobs=None, what="squaring")) == []


def test_a_bug_is_no_result() -> None:
    with pytest.raises(ZeroDivisionError):
        list(each(crash, [1, 0], jobs=1, what="dividing"))


def test_there_is_no_bar_where_nobody_looks(capfd: pytest.CaptureFixture[str]) -> None:
    results = [result for _, result in each(crash, [1, 1], jobs=1, what="dividing")]
    assert results == [1, 1]
    assert capfd.readouterr() == ("", "")
