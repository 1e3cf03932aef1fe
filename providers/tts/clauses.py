"""Cuts a phrase into clauses for models that give a clause's audio all at once.

The first clause is short, since nothing is heard before it is made; the later ones are
long, since a model speaks better what it sees whole. Nothing in here awaits.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from trioagent.config import ChunkerConfig
from trioagent.decisions.phrases import PhraseCutter

if TYPE_CHECKING:
    from collections.abc import Iterator

_FIRST_SENTENCE_CHARS = 8
_FIRST_CLAUSE_CHARS = 16
_SENTENCE_CHARS = 30
_CLAUSE_CHARS = 80
_LONGEST_CHARS = 200
"""Some 15 s of speech, and well below the 510 phonemes that Kokoro can take."""


def clauses(phrase: str) -> Iterator[str]:
    """Give the clauses of `phrase` in order; none if nothing in it can be spoken."""
    cutter = PhraseCutter(
        ChunkerConfig(
            first_min_chars=_FIRST_SENTENCE_CHARS,
            min_chars=_SENTENCE_CHARS,
            clause_chars=_FIRST_CLAUSE_CHARS,
            max_chars=_LONGEST_CHARS,
        )
    )
    for character in phrase:
        for clause in cutter.push(character):
            yield clause
            cutter.config = ChunkerConfig(
                min_chars=_SENTENCE_CHARS,
                clause_chars=_CLAUSE_CHARS,
                max_chars=_LONGEST_CHARS,
            )
    yield from cutter.finish()
