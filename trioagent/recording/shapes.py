"""The shapes of a recording's values in JSON, and checks of what a line holds."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any, TypeVar, get_args, get_origin, get_type_hints

import attrs

from trioagent.recording.format import KINDS, Ear, Header, How, Kept, Person

T = TypeVar("T")
Fields = dict[str, Any]
Check = Callable[[Any], Any]

_TIMES = ("t", "asked", "offered", "arrived", "last_packet")
_TIME_DIGITS = 6
_LONGEST_S = 1e9
_MOST = 1 << 40
"""Samples: of 48 kHz, eight months."""
_SHOWN_CHARS = 40


class BadLine(ValueError):
    """A line that is not what it should be; `hint` says what to do."""

    def __init__(self, message: str, hint: str = "") -> None:
        super().__init__(message)
        self.hint = hint


def fields_of(value: object) -> Fields:
    """A value as an object of JSON, without what a reader adds by itself."""
    shape = _SHAPES[type(value)]
    fields: Fields = {}
    for name in shape.checks:
        item = getattr(value, name)
        if name in shape.defaults and item == shape.defaults[name]:
            continue
        if name in _TIMES and item is not None:
            item = round(item, _TIME_DIGITS)
        fields[name] = item
    return fields


def build(cls: type[T], fields: Fields) -> T:
    """The value that an object of JSON stands for.

    Raises:
        BadLine: a field is missing, unknown or mistyped.
    """
    checks = _SHAPES[cls].checks
    try:
        return cls(**{name: checks[name](item) for name, item in fields.items()})
    except (KeyError, TypeError, BadLine):
        raise BadLine(_complaint(cls, fields)) from None


def _complaint(cls: type, fields: Fields) -> str:
    shape = _SHAPES[cls]
    kind = KIND_OF.get(cls, cls.__name__.lower())
    for name in shape.checks:
        if name not in fields and name not in shape.defaults:
            return f'{kind}: "{name}" is missing'
    for name, item in fields.items():
        if name not in shape.checks:
            return f"{kind}: unknown field {shown(name)}"
        try:
            shape.checks[name](item)
        except BadLine as error:
            return f'{kind}: "{name}" {error}'
    return f"{kind}: not what it should be"


# --- what fields hold ------------------------------------------------------------


def _exactly(kind: type, words: str) -> Check:
    def check(value: object) -> object:
        if type(value) is not kind:
            raise _mistyped(words, value)
        return value

    return check


def _number(value: object) -> float:
    # The bound also refuses NaN, infinity, and whole numbers that are no float.
    if type(value) not in (float, int) or not -_LONGEST_S < value < _LONGEST_S:  # type: ignore[operator] # its type has just been asked for
        raise _mistyped("a number", value)
    return float(value)  # type: ignore[arg-type] # as above


def _at_least(least: int) -> Check:
    def check(value: object) -> int:
        if type(value) is not int or not least <= value < _MOST:
            raise _mistyped(f"a whole number from {least}", value)
        return value

    return check


def _how(value: object) -> object:
    if value not in get_args(How):
        raise _mistyped(" or ".join(map(shown, get_args(How))), value)
    return value


def _optional(check: Check) -> Check:
    def either(value: object) -> object:
        return None if value is None else check(value)

    return either


def _each(check: Check) -> Check:
    def every(value: object) -> tuple[Any, ...]:
        if not isinstance(value, list):
            raise _mistyped("a list", value)
        return tuple([check(item) for item in value])

    return every


def _pair(value: object) -> tuple[int, ...]:
    pair: tuple[int, ...] = _each(_at_least(0))(value)
    if len(pair) != 2:
        raise _mistyped("a pair", value)
    return pair


def _names(value: object) -> object:
    if not isinstance(value, dict) or not all(
        isinstance(text, str) for text in value.values()
    ):
        raise _mistyped("an object of strings", value)
    return value


def _object_of(cls: type) -> Check:
    def check(value: object) -> object:
        if not isinstance(value, dict):
            raise _mistyped("an object", value)
        return build(cls, value)

    return check


def _mistyped(expected: str, value: object) -> BadLine:
    return BadLine(f"must be {expected}, is {shown(value)}")


def shown(value: object) -> str:
    """A value as it stands in JSON, cut if it is long."""
    text = json.dumps(value)
    return text if len(text) <= _SHOWN_CHARS else text[: _SHOWN_CHARS - 1] + "…"


_SIMPLE: dict[Any, Check] = {
    bool: _exactly(bool, "true or false"),
    int: _exactly(int, "a whole number"),
    str: _exactly(str, "a string"),
    float: _number,
    How: _how,
    dict[str, Any]: _exactly(dict, "an object"),
    dict[str, str]: _names,
    tuple[int, int]: _pair,
}
_LEAST: dict[str, int] = {
    "samples": 0,
    "left_over": 0,
    "vad_frame_samples": 1,
    "synthesizer_rate_hz": 1,
    "room_rate_hz": 1,
}


# --- the shape of a class --------------------------------------------------------


@attrs.frozen(eq=False)
class _Shape:
    """How values of a class stand in JSON."""

    checks: dict[str, Check]
    defaults: dict[str, Any]


def _shape(cls: type) -> _Shape:
    types = get_type_hints(cls)
    checks = {name: _check(name, kind) for name, kind in types.items()}
    defaults = {
        field.name: {} if isinstance(field.default, attrs.Factory) else field.default  # type: ignore[arg-type] # Factory is a class, only typed as a function
        for field in attrs.fields(cls)
        if field.default is not attrs.NOTHING
    }
    return _Shape(checks, defaults)


def _check(name: str, kind: Any) -> Check:  # noqa: ANN401 - any annotation
    parts = get_args(kind)
    if kind in _SIMPLE:
        return _at_least(_LEAST[name]) if name in _LEAST else _SIMPLE[kind]
    if type(None) in parts:
        return _optional(_check(name, parts[0]))
    if get_origin(kind) is tuple:
        return _each(_check(name, parts[0]))
    return _object_of(kind)


KIND_OF: dict[type, str] = {cls: name for name, cls in KINDS.items()}
_SHAPES: dict[type, _Shape] = {
    cls: _shape(cls) for cls in (Header, Person, Ear, Kept, *KINDS.values())
}
