"""Providers' options: every kind of annotation and validator, with its sentence."""

from __future__ import annotations

from pathlib import Path
from typing import Any, Literal

import attrs
import pytest
from attrs import validators as v

from trioagent.configuration.file import structure_options
from trioagent.errors import ConfigError
from trioagent.registry import provider


def like_a_host(_options: object, field: attrs.Attribute[str], value: str) -> None:
    if " " in value:
        raise ValueError(f"{field.name} has a space in it: {value!r}")


@attrs.frozen(kw_only=True)
class Inner:
    depth: int = attrs.field(default=1, validator=v.gt(0))


@attrs.frozen(kw_only=True)
class Options:
    threads: int = attrs.field(default=1, validator=[v.ge(1), v.le(4)])
    speed: float = attrs.field(default=1.0, validator=v.gt(0))
    voice: str = attrs.field(default="en", validator=v.matches_re("[a-z]+"))
    engine: str = attrs.field(default="a", validator=v.in_(["a", "b"]))
    rate: Literal[8000, 16000] = 16000
    seed: int | None = attrs.field(default=None, validator=v.optional(v.lt(10)))
    words: list[str] = attrs.field(factory=list, validator=v.max_len(2))
    stop: str | tuple[str, ...] = ()
    headers: dict[str, str] = attrs.field(factory=dict, metadata={"secret": True})
    extra: dict[str, Any] = attrs.Factory(dict)
    inner: Inner = attrs.Factory(Inner)
    host: str = attrs.field(default="h", validator=like_a_host)
    token: str = attrs.field(
        default="", validator=like_a_host, metadata={"secret": True}
    )
    low: float = 0
    high: float = attrs.field(default=9)

    @high.validator
    def _ordered(self, _field: object, value: float) -> None:
        if self.low > value:
            raise ValueError(f"low ({self.low}) must not be above high ({value})")


def test_every_kind_of_value() -> None:
    table: dict[str, Any] = {
        "speed": 2,
        "rate": 8000,
        "seed": 5,
        "words": ["a"],
        "stop": ["x", "y"],
        "headers": {"A": "b"},
        "extra": {"x": [1, {"y": True}]},
        "inner": {"depth": 2},
    }
    options = structure_options(Options, table, "tts.x")
    assert options == Options(
        speed=2.0,
        rate=8000,
        seed=5,
        words=["a"],
        stop=("x", "y"),
        headers={"A": "b"},
        extra={"x": [1, {"y": True}]},
        inner=Inner(depth=2),
    )
    assert structure_options(Options, {"stop": "x"}, "tts.x").stop == "x"
    assert structure_options(Options, {}, "tts.x") == Options()


@pytest.mark.parametrize(
    ("table", "line"),
    [
        ({"threads": 0}, "tts.x.threads: must be between 1 and 4, is 0"),
        ({"threads": "4"}, 'tts.x.threads: must be a whole number, is "4"'),
        ({"speed": 0}, "tts.x.speed: must be more than 0, is 0"),
        ({"voice": "EN"}, 'tts.x.voice: must match the pattern [a-z]+, is "EN"'),
        ({"engine": "c"}, 'tts.x.engine: must be "a" or "b", is "c"'),
        ({"rate": 8001}, "tts.x.rate: must be 8000 or 16000, is 8001"),
        ({"rate": "8000"}, 'tts.x.rate: must be 8000 or 16000, is "8000"'),
        ({"seed": 10}, "tts.x.seed: must be less than 10, is 10"),
        ({"seed": "1"}, 'tts.x.seed: must be a whole number, is "1"'),
        (
            {"words": ["a", "b", "c"]},
            "tts.x.words: must have a length of at most 2, is an array",
        ),
        ({"words": "ab"}, 'tts.x.words: must be an array, is "ab"'),
        ({"stop": 5}, "tts.x.stop: must be a string in quotes or be an array, is 5"),
        ({"headers": "x"}, "tts.x.headers: must be a table, is a string"),
        (
            {"headers": {"A": 5}},
            "tts.x.headers.A: must be a string in quotes, is a number",
        ),
        ({"inner": {"depth": 0}}, "tts.x.inner.depth: must be more than 0, is 0"),
        (
            {"inner": {"dept": 1}},
            'tts.x.inner.dept: unknown key; did you mean "depth"?',
        ),
        ({"host": "a b"}, "tts.x.host: has a space in it: 'a b'"),
        ({"token": "a b"}, "tts.x.token: has a space in it: '***'"),
        ({"low": 10}, "tts.x: low (10.0) must not be above high (9)"),
        ({"low": 10, "high": 8}, "tts.x: low (10.0) must not be above high (8.0)"),
        ({"thread": 1}, 'tts.x.thread: unknown key; did you mean "threads"?'),
        (5, "tts.x: must be a table, is 5"),
    ],
)
def test_what_is_wrong_is_said_with_the_key(table: object, line: str) -> None:
    with pytest.raises(ConfigError) as caught:
        structure_options(Options, table, "tts.x")
    assert caught.value.message == line


def test_a_key_without_a_default_is_asked_for() -> None:
    needs = attrs.make_class("Needs", {"folder": attrs.field(type=str)}, frozen=True)
    with pytest.raises(ConfigError, match=r"^tts\.x\.folder: is missing$"):
        structure_options(needs, {}, "tts.x")


def test_everything_wrong_is_said_at_once() -> None:
    with pytest.raises(ConfigError) as caught:
        structure_options(Options, {"threads": 9, "host": " ", "oops": 1}, "tts.x")
    assert len(caught.value.message.split("\n")) == 3


def test_the_options_of_a_shipped_provider() -> None:
    options = provider("vad", "rms").options
    made = structure_options(options, {"threshold": 300}, "vad.rms")
    assert made == options(threshold=300)
    with pytest.raises(ConfigError, match=r"vad\.rms\.threshold: must be more than 0"):
        structure_options(options, {"threshold": 0}, "vad.rms")


# Commented tables of the example are made whole and read by their providers.
EXAMPLE = Path(__file__).parent.parent / "config.toml"
