"""The sentences to train and to test on, drawn from the phrases in corpus.toml."""

from __future__ import annotations

import re
import tomllib
from pathlib import Path
from typing import TYPE_CHECKING, TypeVar

import attrs

if TYPE_CHECKING:
    from collections.abc import Sequence

    import numpy as np

CORPUS_FILE = Path(__file__).with_name("corpus.toml")
SLOT = re.compile(r"\{(\w+)\}")

# Out of 100 sentences: how many are phrases, and how many a single word. The rest is
# words in no order, so that the model learns the sounds and not only the grammar.
PHRASE_SHARE = 0.62
SINGLE_WORD_SHARE = 0.08
SECOND_PHRASE_SHARE = 0.2

T = TypeVar("T")


def pick(rng: np.random.Generator, items: Sequence[T]) -> T:
    """Return one of `items`, each as likely as any other."""
    return items[int(rng.integers(len(items)))]


@attrs.frozen
class Corpus:
    """Phrases with slots, and the words that fill them."""

    slots: dict[str, tuple[str, ...]]
    phrases: tuple[str, ...]

    def vocabulary(self) -> list[str]:
        """Return every word, sorted: a word's place is its token number."""
        words = {word for filler in self.slots.values() for word in filler}
        for phrase in self.phrases:
            words.update(SLOT.sub("", phrase).split())
        return sorted(words)

    def phrase(self, rng: np.random.Generator) -> str:
        """Return one phrase, its slots filled."""
        chosen = pick(rng, self.phrases)
        return SLOT.sub(lambda slot: pick(rng, self.slots[slot[1]]), chosen)

    def words(self, rng: np.random.Generator, count: int) -> str:
        """Return `count` words in no order."""
        vocabulary = self.vocabulary()
        return " ".join(pick(rng, vocabulary) for _ in range(count))

    def sentence(self, rng: np.random.Generator) -> str:
        """Return one sentence to train on: a phrase, two, or loose words."""
        kind = rng.random()
        if kind < PHRASE_SHARE:
            if rng.random() < SECOND_PHRASE_SHARE:
                return f"{self.phrase(rng)} {self.phrase(rng)}"
            return self.phrase(rng)
        if kind < PHRASE_SHARE + SINGLE_WORD_SHARE:
            return self.words(rng, 1)
        return self.words(rng, int(rng.integers(2, 8)))


def load_corpus(path: Path = CORPUS_FILE) -> Corpus:
    """Read the corpus from a TOML file."""
    tables = tomllib.loads(path.read_text(encoding="utf-8"))
    return Corpus(
        slots={name: tuple(words.split()) for name, words in tables["slots"].items()},
        phrases=tuple(
            line
            for topic in tables["phrases"].values()
            for line in topic.splitlines()
            if line
        ),
    )
