"""What is wrong with a configuration, said in sentences for the one who wrote it.

Rule: everything wrong is said at once, each with the path of its key, and no sentence
shows a secret.
"""

from __future__ import annotations

import difflib
import json
import re
from typing import TYPE_CHECKING, Any

import attrs
from cattrs.errors import (
    AttributeValidationNote,
    ClassValidationError,
    ForbiddenExtraKeysError,
    IterableValidationError,
)

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

KeyPath = tuple[str | int, ...]

SECRET_NAME = re.compile("key|token|password|secret|authorization", re.IGNORECASE)
"""Names that may hold a secret, where no schema says which do."""

_SHOWN_CHARS = 60


class FromEnvironment(str):
    """A string that `${NAME}` went into; messages show it as it was written."""

    __slots__ = ("written",)
    written: str

    def __new__(cls, value: str, written: str) -> FromEnvironment:
        """Make `value`, which stands as `written` in the configuration."""
        made = super().__new__(cls, value)
        made.written = written
        return made


class WrongValue(ValueError):
    """A value is not what its key takes; `expected` goes on from "must"."""

    def __init__(self, expected: str, value: object) -> None:
        super().__init__(expected)
        self.expected = expected
        self.value = value

    def sentence(self, *, secret: bool) -> str:
        """Say what it must be and, unless it is a secret, what it is."""
        if self.expected == NOT_EMPTY:
            return f"must {self.expected}"
        is_what = kind_of(self.value) if secret else shown(self.value)
        return f"must {self.expected}, is {is_what}"


@attrs.frozen
class Problem:
    """One thing that is wrong, and where."""

    path: KeyPath
    text: str


def problems_in(
    error: Exception, path: KeyPath = (), *, secret: bool = False
) -> Iterator[Problem]:
    """Flatten what cattrs found in the value at `path`."""
    match error:
        case ClassValidationError() | IterableValidationError():
            placed, others = error.group_exceptions()
            for sub, note in placed:
                key: str | int
                if isinstance(note, AttributeValidationNote):
                    key = note.name
                else:
                    key = note.index
                hidden = secret or _is_secret(error.cl, key)
                yield from problems_in(sub, (*path, key), secret=hidden)
            for sub in others:
                yield from problems_in(sub, path, secret=secret)
        case ForbiddenExtraKeysError():
            for key in sorted(error.extra_fields):
                yield Problem((*path, key), _unknown_key(key, error.cl))
        case WrongValue():
            yield Problem(path, error.sentence(secret=secret))
        case KeyError():
            yield Problem(path, "is missing")
        case _:
            yield Problem(path, first_words(error))


def first_words(error: Exception) -> str:
    """Take an exception's sentence; attrs puts more arguments after it."""
    return str(error.args[0]) if error.args else type(error).__name__


def is_secret(field: attrs.Attribute[Any]) -> bool:
    """Whether the schema says that this key holds a secret."""
    return bool(field.metadata.get("secret"))


def _is_secret(cls: type, key: object) -> bool:
    field = attrs.fields_dict(cls).get(str(key)) if attrs.has(cls) else None
    return field is not None and is_secret(field)


def _unknown_key(key: str, cls: type) -> str:
    fields = attrs.fields_dict(cls)
    for section, field in fields.items():
        kind: Any = field.type
        if attrs.has(kind) and key in attrs.fields_dict(kind):
            return f'unknown key; it belongs into a section: "{section}.{key}"'
    return f"unknown key{near_or_all(key, [n for n in fields if n != 'options'])}"


def did_you_mean(word: str, known: Sequence[str]) -> str:
    """End a sentence about an unknown `word` with the nearest known one, if any."""
    near = difflib.get_close_matches(word.lower().replace("-", "_"), known, n=1)
    return f'; did you mean "{near[0]}"?' if near else ""


def near_or_all(word: str, known: Iterable[str]) -> str:
    """End a sentence about an unknown `word` with the nearest known one, or all."""
    names = list(known)
    return did_you_mean(word, names) or f"; known: {', '.join(names) or 'none'}"


def dotted(path: KeyPath) -> str:
    """Write a path as one writes it: `mumble.tokens[1]`."""
    parts = (f"[{key}]" if isinstance(key, int) else f".{key}" for key in path)
    return "".join(parts).removeprefix(".")


_KINDS: tuple[tuple[type, str], ...] = (
    (bool, "a boolean"),
    (int, "a number"),
    (float, "a number"),
    (str, "a string"),
    (list, "an array"),
    (dict, "a table"),
)


def kind_of(value: object) -> str:
    """Name the TOML type of a value."""
    return next((name for kind, name in _KINDS if isinstance(value, kind)), "a date")


def shown(value: object) -> str:
    """Write a value for a message, short, and as its author wrote it."""
    if isinstance(value, FromEnvironment):
        return f"{json.dumps(value.written, ensure_ascii=False)} (always a string)"
    if isinstance(value, str | bool):
        text = json.dumps(value, ensure_ascii=False)
    elif isinstance(value, int | float):
        text = repr(value)
    else:
        return kind_of(value)
    return text if len(text) <= _SHOWN_CHARS else f"{text[:_SHOWN_CHARS]}…"


# --- validators in words ---------------------------------------------------------

NOT_EMPTY = "not be empty"
_COMPARISONS = {">=": "at least", ">": "more than", "<=": "at most", "<": "less than"}


def parts_of(validator: object) -> tuple[Any, ...]:
    """Take `attrs.validators.and_(...)` apart; anything else is its only part."""
    parts: tuple[Any, ...] = getattr(validator, "_validators", (validator,))
    return parts


def expected_by(validator: object) -> str:
    """Say what an attrs validator asks for, after "must"; empty if it is unknown."""
    parts = parts_of(validator)
    bounds = {getattr(part, "compare_op", ""): part for part in parts}
    if bounds.keys() == {">=", "<="}:
        return f"be between {bounds['>='].bound} and {bounds['<='].bound}"
    return " and ".join(words for part in parts if (words := _words(part)))


def _words(part: Any) -> str:  # noqa: ANN401 - attrs' validator classes are private
    match type(part).__name__:
        case "_NumberValidator" if part.compare_op in _COMPARISONS:
            return f"be {_COMPARISONS[part.compare_op]} {part.bound}"
        case "_MinLengthValidator" if part.min_length == 1:
            return NOT_EMPTY
        case "_MinLengthValidator":
            return f"have a length of at least {part.min_length}"
        case "_MaxLengthValidator":
            return f"have a length of at most {part.max_length}"
        case "_InValidator":
            return f"be {one_of(part.options)}"
        case "_MatchesReValidator":
            return f"match the pattern {part.pattern.pattern}"
        case "_OptionalValidator":
            return expected_by(part.validator)
        case _:
            return ""


def one_of(choices: Iterable[object]) -> str:
    """List choices: `"a", "b" or "c"`."""
    *first, last = (shown(choice) for choice in choices)
    return f"{', '.join(first)} or {last}" if first else last
