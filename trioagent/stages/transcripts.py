"""What listening tells drafting of a speaker's words."""

from __future__ import annotations

import attrs

from trioagent.errors import ProviderError


@attrs.frozen
class Prefix:
    """The speaker goes on; these words of theirs will hardly change any more."""

    text: str


@attrs.frozen
class Pause:
    """The speaker is silent for a moment; these are their words so far."""

    text: str


@attrs.frozen
class Final:
    """The speaker has finished; these are their words."""

    text: str


@attrs.frozen
class Unintelligible:
    """The recognizer failed; what was said is lost."""

    error: ProviderError


Transcript = Prefix | Pause | Final | Unintelligible
