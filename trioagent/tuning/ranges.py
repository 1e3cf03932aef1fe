"""What may be searched: `--range turn.hold_ms=200:800:100`, or a list `a,b,c`."""

from __future__ import annotations

import itertools
import json
import math
import tomllib
from decimal import Decimal, InvalidOperation
from typing import TYPE_CHECKING, TypeGuard

import attrs

from trioagent.errors import ConfigError
from trioagent.replay.settings import check_overrides

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

Value = float | int | bool | str
Point = tuple[int, ...]
"""Which value of each range."""
Setting = tuple[tuple[str, Value], ...]
"""Keys with their values; without any, what was recorded."""

MOST_VALUES = 1000
_LARGEST = 10**12
HINT = "give --range SECTION.KEY=FROM:TO:STEP, or --range SECTION.KEY=A,B,C"


@attrs.frozen
class Range:
    """The values that a key may have, in their order."""

    key: str
    values: tuple[Value, ...]

    def distance(self, one: object, other: object) -> float:
        """How far two values lie apart: 1 is all of the range."""
        numbers = [v for v in self.values if _is_number(v)]
        if not (_is_number(one) and _is_number(other)) or not numbers:
            return float(one != other)
        span = float(max(numbers)) - float(min(numbers))
        return abs(float(one) - float(other)) / (span or 1.0)


@attrs.frozen
class Space:
    """All settings that the ranges allow."""

    ranges: tuple[Range, ...]

    @property
    def size(self) -> int:
        """How many there are."""
        return math.prod(len(one.values) for one in self.ranges)

    def points(self) -> Iterator[Point]:
        """All of them."""
        return itertools.product(*(range(len(one.values)) for one in self.ranges))

    def point(self, index: int) -> Point:
        """The one with this place among all."""
        places = []
        for one in reversed(self.ranges):
            index, place = divmod(index, len(one.values))
            places.append(place)
        return tuple(reversed(places))

    def neighbours(self, point: Point) -> Iterator[Point]:
        """Those that differ by one step of one key."""
        for axis, one in enumerate(self.ranges):
            for place in (point[axis] - 1, point[axis] + 1):
                if 0 <= place < len(one.values):
                    yield (*point[:axis], place, *point[axis + 1 :])

    def setting(self, point: Point) -> Setting:
        """Its keys and values."""
        chosen = zip(self.ranges, point, strict=True)
        return tuple((one.key, one.values[place]) for one, place in chosen)


def overrides(setting: Setting) -> list[str]:
    """As what follows `--set`."""
    return [f"{key}={written(value)}" for key, value in setting]


def written(value: Value) -> str:
    """A value as TOML, as people write it."""
    if isinstance(value, float) and value.is_integer():
        value = int(value)
    return json.dumps(value, ensure_ascii=False)


def read_ranges(texts: Sequence[str]) -> Space:
    """The ranges that were asked for.

    Raises:
        ConfigError: a line for each that cannot be read, or whose key is unknown, has
            no such values, or belongs to a part that is not run in a what-if.
    """
    ranges: list[Range] = []
    problems: list[str] = []
    for text in texts:
        try:
            one = _range(text)
            _check(one, ranges)
        except ConfigError as error:
            problems += [f"--range {text}: {line}" for line in _lines(error)]
        else:
            ranges.append(one)
    if problems or not ranges:
        raise ConfigError("\n".join(problems or ["no --range was given"]), hint=HINT)
    return Space(tuple(ranges))


def _range(text: str) -> Range:
    key, equals, values = (part.strip() for part in text.partition("="))
    if not equals or not key or not values:
        raise ConfigError("must look like section.key=from:to:step or section.key=a,b")
    return Range(key, tuple(_numbers(values) if ":" in values else _listed(values)))


def _numbers(text: str) -> list[Value]:
    """From:to:step, both ends included, without rounding errors."""
    try:
        start, stop, step = map(Decimal, text.split(":"))
        finite = all(x.is_finite() for x in (start, stop, step))
    except (InvalidOperation, ValueError) as error:
        raise ConfigError("must have three numbers, from:to:step") from error
    if not finite or step <= 0 or stop < start:
        raise ConfigError("must go up, from:to:step, by a step above 0")
    # Else how many there are may be more digits than there is memory for.
    # Compared, not computed with: that fails at such numbers.
    small = start > -_LARGEST and stop < _LARGEST and step < _LARGEST
    if not small or step < 1 / Decimal(_LARGEST):
        raise ConfigError(
            f"has numbers beyond {_LARGEST}, or smaller than 1/{_LARGEST}"
        )
    count = int((stop - start) / step) + 1
    if count > MOST_VALUES:
        raise ConfigError(f"has {count} values; {MOST_VALUES} are the most")
    return [_plain(start + i * step) for i in range(count)]


def _listed(text: str) -> list[Value]:
    values = [_value(part.strip()) for part in text.split(",")]
    if "" in values or len(set(map(written, values))) < len(values):
        raise ConfigError("has an empty value, or one twice")
    return values


def _value(text: str) -> Value:
    """A number, true or false; what is neither is a word."""
    try:
        read = tomllib.loads(f"x = {text}")["x"]
    except (ValueError, KeyError, RecursionError):
        return text
    return read if isinstance(read, bool | int | float | str) else text


def _plain(number: Decimal) -> Value:
    return int(number) if number == number.to_integral_value() else float(number)


def _is_number(value: object) -> TypeGuard[float]:
    return isinstance(value, int | float) and not isinstance(value, bool)


def _check(one: Range, others: Sequence[Range]) -> None:
    if any(one.key == other.key for other in others):
        raise ConfigError(f"{one.key} has a range already")
    # In a range from:to:step, what is wrong with one is so with an end or the second.
    for value in dict.fromkeys((*one.values[:2], *one.values[-1:])):
        check_overrides(overrides(((one.key, value),)))
    if not all(map(_is_number, one.values)):
        for value in one.values:
            check_overrides(overrides(((one.key, value),)))


def _lines(error: ConfigError) -> list[str]:
    """What is wrong, without what was not typed."""
    return [line.removeprefix("--set ") for line in error.message.splitlines()]
