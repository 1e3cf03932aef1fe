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
