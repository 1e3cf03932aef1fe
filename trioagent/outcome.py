"""How a turn ended, as a value."""

from __future__ import annotations

import attrs


@attrs.frozen
class Answered:
    """The reply was played to its end."""

    said: str
    heard: str


@attrs.frozen
class Interrupted:
    """The turn was stopped; `heard` is what had been played of its reply."""

    said: str
    heard: str
    reason: str
    by: str = ""


@attrs.frozen
class Ignored:
    """There was nothing to answer."""

    said: str
    why: str


@attrs.frozen
class Failed:
    """The reply could not be made, or not all of it."""

    said: str
    heard: str
    error: BaseException


Outcome = Answered | Interrupted | Ignored | Failed


def told(outcome: Outcome) -> dict[str, str]:
    """It as data for the journal: kind, said, heard, and why if there is a reason."""
    data = {"kind": type(outcome).__name__.lower(), "said": outcome.said}
    match outcome:
        case Ignored(why=why):
            return {**data, "heard": "", "why": why}
        case Interrupted(heard=heard, reason=reason):
            return {**data, "heard": heard, "why": reason}
        case Answered(heard=heard) | Failed(heard=heard):
            return {**data, "heard": heard}
