"""What a server's prefix cache needs: a prompt goes on from the one before it."""

from __future__ import annotations

from itertools import pairwise
from typing import TYPE_CHECKING

from hypothesis import given
from hypothesis import strategies as st

from trioagent.decisions.history import Exchange, History

if TYPE_CHECKING:
    from collections.abc import Sequence

    from trioagent.interfaces import Message

WORDS = st.text("abc ", min_size=1, max_size=5)
SPEAKERS = st.sampled_from(["Ana", "Ben", "Cleo"])
TURNS = st.lists(
    st.builds(Exchange, SPEAKERS, WORDS, st.just("") | WORDS), min_size=1, max_size=30
)


def as_text(messages: Sequence[Message]) -> str:
    """As a chat template puts them in a row, up to the end of what the user said."""
    return "".join(f"<{m.role}>{m.content}" for m in messages)


def prompts(history: History, turns: Sequence[Exchange]) -> list[str]:
    texts = []
    for turn in turns:
        texts.append(as_text(history.prompt(turn.speaker, turn.said)))
        history.add(turn)
    return texts


@given(TURNS)
def test_each_prompt_begins_with_the_one_before_it(turns: list[Exchange]) -> None:
    texts = prompts(History("Be brief.", 100, 100_000), turns)
    for before, after in pairwise(texts):
        assert after.startswith(before)


def test_a_second_speaker_does_not_rewrite_the_past() -> None:
    turns = [Exchange("Ana", "hello", "Hi."), Exchange("Ben", "me too", "Hi Ben.")]
    first, second = prompts(History("Be brief.", 100, 100_000), turns)
    assert second == f"{first}<assistant>Hi.<user>Ben: me too"


def test_only_a_cut_of_old_turns_loses_the_prefix_and_it_is_rare() -> None:
    turns = [Exchange("Ana", f"question {n}", f"answer {n}") for n in range(100)]
    texts = prompts(History("Be brief.", 20, 100_000), turns)
    lost = [
        number
        for number, (before, after) in enumerate(pairwise(texts), 1)
        if not after.startswith(before)
    ]
    assert lost == [41, 62, 83]


def test_a_draft_on_fewer_words_is_a_prefix_of_the_next() -> None:
    """While somebody speaks, each draft's prompt is read from the cache, too."""
    history = History("Be brief.", 20, 100_000)
    history.add(Exchange("Ana", "hello", "Hi."))
    drafts = ["what is", "what is the weather", "what is the weather like"]
    texts = [as_text(history.prompt("Ana", words)) for words in drafts]
    for before, after in pairwise(texts):
        assert after.startswith(before)
