"""One turn's stream of events. Everything else is derived from it by observers.

Event names, in the order in which a plain turn has them: speech_started, partial,
pause, draft_started, llm_first_token, phrase, tts_first_audio, speech_ended, final,
committed, floor_taken, first_frame, last_frame, outcome. Besides: speech_resumed,
draft_discarded, llm_done, underrun, interrupted, provider_failed.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextvars import ContextVar
from typing import Any

import attrs
import trio

Observer = Callable[["TurnJournal", "Event"], None]

CURRENT_TURN: ContextVar[TurnJournal] = ContextVar("CURRENT_TURN")
"""The journal of the turn whose task this is: what observes providers can ask."""


@attrs.frozen
class Event:
    """Something that happened, `t` seconds after the turn began."""

    t: float
    name: str
    data: dict[str, Any] = attrs.Factory(dict)


@attrs.define(eq=False)
class TurnJournal:
    """Collects the events of one turn and shows each to the observers at once.

    Attributes:
        started: `trio.current_time()` at the turn's beginning; events count from it.
        label: The wall clock then, for people; nothing is decided by it.
    """

    number: int
    speaker: str
    label: str
    observers: Sequence[Observer] = ()
    started: float = attrs.Factory(trio.current_time)
    events: list[Event] = attrs.Factory(list)

    def record(self, name: str, **data: Any) -> None:  # noqa: ANN401 - any JSON value
        """Something happened now."""
        event = Event(trio.current_time() - self.started, name, data)
        self.events.append(event)
        for observer in self.observers:
            observer(self, event)

    def since(self, time: float) -> float:
        """A `trio.current_time()` as seconds since the turn began."""
        return time - self.started
