"""How a provider presents itself: the value behind its entry point.

A package adds a provider by an entry point in the group `trioagent.rooms`, `.vad`,
`.asr`, `.llm` or `.tts` whose object is a `Provider`. The module of a provider is
imported when the provider is chosen, and heavy imports wait until it is opened.
"""

from __future__ import annotations

from collections.abc import Callable
from contextlib import AbstractAsyncContextManager
from typing import Generic, TypeVar

import attrs

OptionsT = TypeVar("OptionsT")
ServiceT = TypeVar("ServiceT")


def _always_available(_options: object) -> None:
    return None


@attrs.frozen
class Provider(Generic[OptionsT, ServiceT]):
    """A provider's options and how to open it.

    Attributes:
        options: An attrs class; its fields are the keys of the provider's table in the
            configuration. Fields need defaults, validators and units in their names.
        open: Makes the service: loads, connects, starts what it needs; leaving the
            block ends all of that. Raises `ProviderUnavailable` (a room: `RoomError`).
        unavailable: Why the provider cannot be used with these options on this
            machine, or None. Cheap: `provider = "auto"` asks each in turn.
    """

    options: type[OptionsT]
    open: Callable[[OptionsT], AbstractAsyncContextManager[ServiceT]]
    unavailable: Callable[[OptionsT], str | None] = _always_available
