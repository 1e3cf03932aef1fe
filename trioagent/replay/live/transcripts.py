"""What was really said in recordings, and how many words were understood otherwise."""

from __future__ import annotations

from typing import TYPE_CHECKING

import attrs

from trioagent.decisions.text import words_of
from trioagent.errors import ConfigError

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable
    from pathlib import Path

_FORM = "each line is the recording's folder name, a tab, and what was said in it"


def read_transcripts(path: Path, recordings: Collection[str]) -> dict[str, str]:
    """Texts by recording; `recordings` are those that there are.

    Raises:
        ConfigError: it cannot be read; or a line for each thing wrong in it.
    """
    try:
        text = path.read_text(encoding="utf-8-sig")
    except UnicodeDecodeError as error:
        raise ConfigError(
            f"{path}: not UTF-8 text", hint="save the file as UTF-8"
        ) from error
    except OSError as error:
        reason = error.strerror or error
        raise ConfigError(f"{path}: cannot be read: {reason}", hint=_FORM) from error
    found: dict[str, str] = {}
    wrong: list[str] = []
    for number, line in enumerate(text.split("\n"), 1):
        name, tab, said = (part.strip(" \r") for part in line.partition("\t"))
        if not (name or tab):
            continue
        if not (name and tab):
            wrong.append(f"{path}: line {number}: there is no tab in it")
        elif name not in recordings:
            wrong.append(f"{path}: line {number}: there is no recording {name!r}")
        elif name in found:
            wrong.append(f"{path}: line {number}: {name!r} comes twice")
        found[name] = said.strip()
    if wrong:
        raise ConfigError("\n".join(wrong), hint=_FORM)
    return found


@attrs.frozen
class WordErrors:
    """How a text differs from what was said, in words; `+` adds two up.

    Attributes:
        words: How many were said.
    """

    words: int = 0
    substitutions: int = 0
    deletions: int = 0
    insertions: int = 0

    @property
    def errors(self) -> int:
        """All of them."""
        return self.substitutions + self.deletions + self.insertions

    @property
    def rate(self) -> float | None:
        """The word error rate; None if nothing was said."""
        return self.errors / self.words if self.words else None

    def __add__(self, other: WordErrors) -> WordErrors:
        return WordErrors(
            self.words + other.words,
            self.substitutions + other.substitutions,
            self.deletions + other.deletions,
            self.insertions + other.insertions,
        )


def word_errors(said: str, understood: str) -> WordErrors:
    """Compare without case, punctuation and white space."""
    import jiwer  # noqa: PLC0415 - only here, and slow to import

    reference, hypothesis = words_of(said), words_of(understood)
    if not reference:
        return WordErrors(insertions=len(hypothesis))
    found = jiwer.process_words(" ".join(reference), " ".join(hypothesis))
    return WordErrors(
        len(reference), found.substitutions, found.deletions, found.insertions
    )


def total(errors: Iterable[WordErrors | None]) -> WordErrors | None:
    """Of all that were counted; None if none were."""
    counted = [one for one in errors if one is not None]
    return sum(counted, WordErrors()) if counted else None
