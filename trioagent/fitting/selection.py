"""The providers that a configuration selects, with their options and needs."""

from __future__ import annotations

import contextlib
from typing import TYPE_CHECKING, Any

import attrs

from trioagent.choices import choice, choose_recognizer
from trioagent.errors import ConfigError
from trioagent.fitting.needs import Installed, Need, need_of
from trioagent.fitting.threads import ThreadUser
from trioagent.registry import Kind

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from trioagent.config import Config


@attrs.frozen
class Selected:
    """A provider of one kind."""

    kind: Kind
    name: str
    options: Any
    need: Need


def selected(config: Config, installed: Installed) -> tuple[Selected, ...]:
    """All that can be selected; what cannot is found by the check that opens it."""
    found = []
    for kind, name in _choices(config):
        try:
            options = choice(config, kind, name).options
        except ConfigError:
            continue
        need = need_of(kind, name, options, installed)
        found.append(Selected(kind, name, options, need))
    return tuple(found)


def thread_users(parts: Sequence[Selected]) -> list[ThreadUser]:
    """Those that compute on the CPU in this process, and have a `threads` key."""
    return [
        ThreadUser(part.need.part, f"{part.kind}.{part.name}.threads", threads)
        for part in parts
        if part.need.place == "cpu"
        and (threads := getattr(part.options, "threads", None)) is not None
    ]


def _choices(config: Config) -> Iterable[tuple[Kind, str]]:
    yield "vad", config.vad.provider
    with contextlib.suppress(ConfigError):
        yield "asr", choose_recognizer(config.asr)
    for name in config.llm.providers:
        yield "llm", name
    yield "tts", config.tts.provider
