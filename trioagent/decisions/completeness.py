"""What the words say about whether their speaker has finished.

English only. In another language every hypothesis is `UNCLEAR`, and the plain hold
decides.
"""

from __future__ import annotations

import enum
import re

from trioagent.decisions.text import words_of

# Words that no English sentence ends with unless its speaker is about to go on:
# conjunctions, articles, possessives, most prepositions, and sounds of thinking.
DANGLING = frozenset(
    "a an the and or but so because if that than as of to for from with without in"
    " into on at by about between my your his its our their this these those is are"
    " was were am be i we they he she um uh er erm hmm like well then when while which"
    " who".split()
)
# First words of a question; a bare one ("why") is complete, too.
QUESTION = frozenset(
    "what when where who whose which why how is are am was were do does did can could"
    " will would should shall may might have has had".split()
)
# Dangling elsewhere, but "what is that", "where am I", "what is it like".
QUESTION_ENDS = frozenset(
    "that this these those from about like i we they he she".split()
)
# Complete in one or two words.
SHORT = frozenset(
    "yes no yeah nope okay ok sure thanks stop wait hello hi hey goodbye bye please"
    " why how really right continue louder".split()
)
MIN_QUESTION_WORDS = 3
_TERMINAL = re.compile(r"[.!?][\"'”’)\]]*$")  # noqa: RUF001 - quotes that models write
_OPEN = re.compile(r"[,;:…—–-]$|\.\.\.$")  # noqa: RUF001 - dashes


class Completeness(enum.Enum):
    """What a hypothesis says about the end of a turn."""

    FINISHED = "finished"
    UNCLEAR = "unclear"
    UNFINISHED = "unfinished"


def completeness(text: str) -> Completeness:
    """Judge a hypothesis, with or without punctuation."""
    text = text.strip()
    words = words_of(text)
    if not words:
        return Completeness.UNCLEAR
    if _OPEN.search(text):
        return Completeness.UNFINISHED
    if _TERMINAL.search(text):
        return Completeness.FINISHED
    if len(words) <= 2 and words[-1] in SHORT:
        return Completeness.FINISHED
    if words[0] in QUESTION and len(words) >= MIN_QUESTION_WORDS:
        if words[-1] in DANGLING - QUESTION_ENDS:
            return Completeness.UNFINISHED
        return Completeness.FINISHED
    return Completeness.UNFINISHED if words[-1] in DANGLING else Completeness.UNCLEAR
