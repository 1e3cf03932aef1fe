"""One turn's stream of events. Everything else is derived from it by observers.

Event names with their data, in the order in which a plain turn has them:

    speech_started(speaker), partial(text), stable(text), pause(text),
    draft_started(draft, cause, text), llm_first_token(draft), phrase(draft, text),
    tts_first_audio(draft), buffered(draft), llm_done(draft, tokens),
    speech_ended(cause, last_speech), final(text), committed(draft), floor_taken,
    first_frame(draft), last_frame(until), outcome(kind, said, heard, why)

Besides: speech_resumed, draft_discarded(draft, tokens), ducked(by), restored, underrun,
interrupted(reason, by), cut_off(until), provider_failed(error, and draft if it was one
of a draft's).

A draft is `buffered` when it has audio enough to start: once, or again if the start
level rose before it did. A reply is `cut_off` if it was cancelled after its first
frame. `last_speech` and `until`, when the last frame that went out has sounded, count
from the turn's beginning, as `t` does. `cause` of a draft is "prefix", "pause", "final"
or "failure"; `why` is there if the outcome has a reason.
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

CURRENT_AGENT: ContextVar[str] = ContextVar("CURRENT_AGENT")
"""The name of the agent whose task this is, where there are several: for the log."""


def current_turn() -> int:
    """The number of the turn whose task this is; 0 if it is none's."""
    journal = CURRENT_TURN.get(None)
    return 0 if journal is None else journal.number


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
        peaks: The most that ever waited in each of the turn's queues.
    """

    number: int
    speaker: str
    label: str
    observers: Sequence[Observer] = ()
    started: float = attrs.Factory(trio.current_time)
    events: list[Event] = attrs.Factory(list)
    peaks: dict[str, float] = attrs.Factory(dict)

    def record(self, name: str, **data: Any) -> None:  # noqa: ANN401 - any JSON value
        """Something happened now."""
        event = Event(trio.current_time() - self.started, name, data)
        self.events.append(event)
        for observer in self.observers:
            observer(self, event)

    def peak(self, name: str, value: float) -> None:
        """So much waits in this queue now; the most is kept."""
        self.peaks[name] = max(value, self.peaks.get(name, 0))

    def since(self, time: float) -> float:
        """A `trio.current_time()` as seconds since the turn began."""
        return time - self.started
