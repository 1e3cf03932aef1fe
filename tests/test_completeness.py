from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from trioagent.decisions.completeness import DANGLING, Completeness, completeness

WORD = st.text("abcdefghijklmnopqrstuvwxyz", min_size=1, max_size=8)


@pytest.mark.parametrize(
    "text",
    [
        "What time is it?",
        "what time is it",
        "What is that",
        "where are you from",
        "can you hear me",
        "I am done.",
        "I am done!",
        "He said 'stop!'",
        "stop",
        "Yes",
        "oh yes",
        "thanks",
        "why",
        "I live in.",  # whoever set the full stop heard the end of the sentence
    ],
)
def test_a_finished_sentence_or_question(text: str) -> None:
    assert completeness(text) is Completeness.FINISHED


@pytest.mark.parametrize(
    "text",
    [
        "I want to",
        "I was in the shop and",
        "so",
        "Um",
        "well, uh",
        "turn on the",
        "what is the",
        "can you tell me who",
        "I would like milk,",
        "there are three things:",
        "let me think...",
        "let me think…",
        "and then I-",
        "Is it a",
    ],
)
def test_words_that_ask_for_more(text: str) -> None:
    assert completeness(text) is Completeness.UNFINISHED


@pytest.mark.parametrize(
    "text",
    [
        "",
        "   ",
        "...",
        "turn on the light",
        "what time",  # two words of a question are none yet
        "my name",
        "ich möchte ein Bier",
        "сколько времени",
    ],
)
def test_words_that_say_nothing_about_it(text: str) -> None:
    assert completeness(text) is Completeness.UNCLEAR


@given(st.lists(WORD, max_size=6), st.sampled_from(sorted(DANGLING - {"that"})))
def test_a_comma_always_waits_and_a_full_stop_never_does(
    words: list[str], last: str
) -> None:
    text = " ".join([*words, last])
    assert completeness(f"{text},") is Completeness.UNFINISHED
    assert completeness(f"{text}.") is Completeness.FINISHED
    assert completeness(f" {text}. \n") is Completeness.FINISHED


@given(st.lists(WORD, max_size=6))
def test_case_does_not_matter(words: list[str]) -> None:
    text = " ".join(words)
    assert completeness(text.upper()) is completeness(text)
