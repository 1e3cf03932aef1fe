"""The ledger of a turn: what its speaker waited for until the reply sounded.

From the end of speech to the first frame, every millisecond is charged to one wait. The
walk begins at the first frame. Each step finds the event that was the last thing
missing, charges the time since then to the wait between the two, and goes on from
there, until it is back at the end of speech. So the charges add up to the whole, and
what was not on the path (a discarded draft, a draft that was ready too early) costs
nothing.

A draft begun while its speaker still talked reaches back beyond the end of speech; what
it took until then was not waited for.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import attrs

if TYPE_CHECKING:
    from collections.abc import Sequence

    from trioagent.journal.events import Event

WAITS = (
    "endpoint_hold_ms",
    "recognizer_tail_ms",
    "llm_first_token_ms",
    "first_phrase_ms",
    "synthesis_ms",
    "prebuffer_ms",
    "floor_ms",
    "pacing_ms",
    "agent_overhead_ms",
)


@attrs.frozen
class _Wait:
    """What an event waited for, since the latest of its causes."""

    name: str
    causes: tuple[str, ...] = ()
    without: str = ""
    """Its name if no cause came after the end of speech; empty is the same one."""


# What each event waited for.
_BEFORE = {
    # Audio, and the right to be heard: one of them came last.
    "first_frame": _Wait("pacing_ms", ("buffered", "floor_taken", "restored")),
    # As long as there was no audio, or no commit, the floor was not what was missing.
    "floor_taken": _Wait("floor_ms", ("committed", "buffered")),
    "restored": _Wait("floor_ms", ("committed", "buffered")),
    "committed": _Wait("agent_overhead_ms", ("final",)),
    "buffered": _Wait("prebuffer_ms", ("tts_first_audio",)),
    "tts_first_audio": _Wait("synthesis_ms", ("phrase",)),
    # A reply without a prompt has no first token.
    "phrase": _Wait("first_phrase_ms", ("llm_first_token", "draft_started")),
    "llm_first_token": _Wait("llm_first_token_ms", ("draft_started",)),
    "final": _Wait("recognizer_tail_ms", ("speech_ended",)),
    "provider_failed": _Wait("recognizer_tail_ms", ("speech_ended",)),
    # The recognizer is flushed in a pause: what it says of the same silence later, and
    # the pause that is told again with those words, waited for the recognizer.
    "stable": _Wait("recognizer_tail_ms", ("pause",)),
    "pause": _Wait("recognizer_tail_ms", ("pause",), without="endpoint_hold_ms"),
    "speech_ended": _Wait("endpoint_hold_ms"),
}
# What a draft was begun on, by its `cause`.
_BEGUN_ON = {
    "final": "final",
    "pause": "pause",
    "prefix": "stable",
    "failure": "provider_failed",
}
# A draft has one of each on its path: what a failed first phrase cost until another
# one sounded is synthesis, too.
_FIRST_OF_DRAFT = ("draft_started", "llm_first_token", "phrase", "tts_first_audio")


def ledger(events: Sequence[Event]) -> dict[str, float] | None:
    """Milliseconds for each of `WAITS`, in their order; none is negative.

    Their sum is `total_ttfa_ms`. None for a turn without a first frame, or whose
    speaker was not heard to the end (the recognizer failed before).
    """
    heard = until_first_frame(events)
    ends = [e for e in heard if e.name == "speech_ended"]
    if not ends or heard[-1].name != "first_frame":
        return None
    start = ends[-1].data["last_speech"]
    charges = dict.fromkeys(WAITS, 0.0)
    left = _after(start, _of_the_draft(heard))
    while left:
        effect = left.pop()
        wait = _wait_before(effect)
        while left and not _is_cause(wait, effect, left[-1]):
            left.pop()
        since = left[-1].t if left else start
        name = wait.name if left else wait.without or wait.name
        charges[name] += (effect.t - since) * 1000
    return charges


def until_first_frame(events: Sequence[Event]) -> Sequence[Event]:
    """The events up to the first frame and with it; all, if there is none."""
    frames = (i for i, event in enumerate(events) if event.name == "first_frame")
    return events[: next(frames, len(events)) + 1]


def _of_the_draft(events: Sequence[Event]) -> list[Event]:
    """What had to do with the draft that sounded.

    A language model that failed before its first token is as good as one: the reply is
    the notice then.
    """
    draft, kept, seen = events[-1].data["draft"], [], set()
    for event in events:
        if event.data.get("draft", draft) != draft:
            continue
        if event.name == "provider_failed" and "draft" in event.data:
            event = attrs.evolve(event, name="llm_first_token")  # noqa: PLW2901
        if event.name not in seen:
            kept.append(event)
        if event.name in _FIRST_OF_DRAFT:
            seen.add(event.name)
    return kept


def _after(start: float, events: Sequence[Event]) -> list[Event]:
    return [event for event in events if event.t > start]


def _wait_before(event: Event) -> _Wait:
    if event.name == "draft_started":
        return _Wait("agent_overhead_ms", (_BEGUN_ON[event.data["cause"]],))
    return _BEFORE[event.name]


def _is_cause(wait: _Wait, effect: Event, event: Event) -> bool:
    if event.name not in wait.causes:
        return False
    # A draft was begun on the event that told its text.
    told = event.data.get("text") if effect.name == "draft_started" else None
    return told is None or told == effect.data["text"]
