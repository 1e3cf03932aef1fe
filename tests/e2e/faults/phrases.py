"""What somebody heard of a reply, in a phrase."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tests.e2e.faults.replies import APOLOGY, ASKED, REPLIES
from tests.helpers_speech import word_errors, words

if TYPE_CHECKING:
    from collections.abc import Iterator

# Fewer words may only have been misheard.
GAP = 3


def told(heard: list[str]) -> str:
    """What was heard, in a phrase: of all that could be, what is nearest to it."""
    if not heard:
        return "nothing"

    def distance(possible: tuple[str, list[str]]) -> float:
        text = possible[1]
        errors = word_errors(" ".join(text), " ".join(heard))
        return errors / max(len(text), len(heard))

    return min(_possible(), key=distance)[0]


def _possible() -> Iterator[tuple[str, list[str]]]:
    """What can be heard, the likeliest first."""
    reply, sorry = words(REPLIES[ASKED]), words(APOLOGY)
    beginnings = [reply[:count] for count in range(1, len(reply) - 1)]
    yield "apology", sorry
    yield "the reply", reply
    for beginning in beginnings:
        yield "the reply's beginning", beginning
        yield "the reply's beginning, then apology", beginning + sorry
    yield "the reply, then apology", reply + sorry
    for start in range(len(reply)):
        for end in range(start + GAP, len(reply)):
            yield "the reply with a gap", reply[:start] + reply[end:]
