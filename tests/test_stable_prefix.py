from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from trioagent.decisions.stable_prefix import StablePrefix
from trioagent.decisions.text import same_words, words_of

# Few words, so that hypotheses often agree, and often nearly do.
WORD = st.sampled_from(
    ["we", "weather", "London", "well-known", "it's", "3.5", "-", "Well,", "known"]
)
HYPOTHESIS = st.lists(WORD, max_size=6).map(" ".join)
HYPOTHESES = st.lists(HYPOTHESIS, max_size=12)
AGREE = st.integers(1, 4)


@pytest.mark.parametrize(
    ("agree", "steps"),
    [
        # the last word may be half of one
        (2, [("we", ""), ("weather", ""), ("weather in", "weather")]),
        (1, [("what", ""), ("what time", "what"), ("what time is", "what time")]),
        (
            3,
            [("a b c", ""), ("a b d", ""), ("a b d e", "a b"), ("a b d e f", "a b d")],
        ),
        # the newest spelling; punctuation and case are no revision
        (
            2,
            [
                ("so what is", ""),
                ("So, what is it", "So, what is"),
                ("so what is it now", "So, what is it"),
            ],
        ),
        # nothing but punctuation came: the last word counts
        (2, [("what time is it", ""), ("What time is it?", "What time is it?")]),
        (3, [("stop it", ""), ("stop it", ""), ("stop it", "stop it")]),
        (1, [("stop", ""), ("stop", "stop")]),
        # shrinks, is revised, and agrees again
        (
            2,
            [
                ("turn on the light", ""),
                ("turn on the light in", "turn on the light"),
                ("turn on", "turn on the light"),
                ("turn off the light in the", "turn on the light"),
                ("turn off the light in the hall", "turn on the light"),
                ("turn on the light in the hall", "turn on the light"),
                ("turn on the light in the hall now", "turn on the light in the hall"),
            ],
        ),
        # words that one token holds
        (2, [("a well known man", ""), ("a well-known fact is", "a well-known")]),
        (2, [("a well done", ""), ("a well-known fact", "a")]),
        (1, [("a well done", "a well"), ("a well-known fact", "a well known")]),
        (2, [("it costs 3", ""), ("it costs 3.5", "it costs")]),
        (2, [("it costs 3.5", ""), ("it costs 3.5 now", "it costs 3.5")]),
        (2, [("", ""), ("...", ""), ("- a", ""), ("- a b", "a")]),
        (2, [("", ""), ("", ""), ("yes I do", ""), ("yes I did so", "yes I")]),
    ],
)
def test_what_is_stable(agree: int, steps: list[tuple[str, str]]) -> None:
    prefix = StablePrefix(agree)
    for hypothesis, stable in steps:
        assert prefix.push(hypothesis) == stable, hypothesis
        assert prefix.text == stable


def test_at_least_one_hypothesis() -> None:
    with pytest.raises(ValueError, match="agree"):
        StablePrefix(0)


@given(AGREE, HYPOTHESES)
def test_what_was_given_never_changes(agree: int, hypotheses: list[str]) -> None:
    prefix, before = StablePrefix(agree), ""
    for hypothesis in hypotheses:
        stable = prefix.push(hypothesis)
        assert stable == before or stable.startswith(f"{before} ".lstrip())
        before = stable


@given(AGREE, HYPOTHESES)
def test_it_grows_only_to_words_that_the_last_hypotheses_share(
    agree: int, hypotheses: list[str]
) -> None:
    prefix, before = StablePrefix(agree), ""
    for count, hypothesis in enumerate(hypotheses, 1):
        stable = prefix.push(hypothesis)
        if stable != before:
            words = words_of(stable)
            assert count >= agree
            for recent in hypotheses[max(count - agree, 0) : count]:
                assert words_of(recent)[: len(words)] == words
            followed = len(words_of(hypothesis)) > len(words)
            assert followed or same_words(hypotheses[count - 2], hypothesis)
        before = stable


@given(AGREE, st.lists(WORD, max_size=8))
def test_a_recognizer_that_never_revises_is_followed_and_right(
    agree: int, said: list[str]
) -> None:
    prefix = StablePrefix(agree)
    for count in range(len(said) + 1):
        prefix.push(" ".join(said[:count]))
    text = " ".join(said)
    for _ in range(max(agree, 2)):
        prefix.push(text)
    assert same_words(prefix.text, text)


@given(AGREE, HYPOTHESES, st.sampled_from([str.upper, str.title, lambda t: f"«{t}!»"]))
def test_case_and_punctuation_decide_nothing(
    agree: int, hypotheses: list[str], spell: object
) -> None:
    assert callable(spell)
    plain, other = StablePrefix(agree), StablePrefix(agree)
    for hypothesis in hypotheses:
        assert same_words(plain.push(hypothesis), other.push(spell(hypothesis)))
