from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from trioagent.config import DEFAULT_BACKCHANNELS, BargeInConfig
from trioagent.decisions.interruption import (
    BargeIn,
    is_backchannel,
    may_be_backchannel,
)
from trioagent.decisions.text import words_of

BACKCHANNELS = st.lists(st.sampled_from(DEFAULT_BACKCHANNELS), min_size=1, max_size=5)


@pytest.mark.parametrize(
    "text", ["uh huh", "Uh-huh.", "Yeah, right!", "okay okay okay", "I see", "Mm-hmm"]
)
def test_backchannels(text: str) -> None:
    assert is_backchannel(text, DEFAULT_BACKCHANNELS)


@pytest.mark.parametrize(
    "text", ["", "...", "uh", "I", "yeah but", "stop", "see I", "okay stop", "yeahs"]
)
def test_no_backchannels(text: str) -> None:
    assert not is_backchannel(text, DEFAULT_BACKCHANNELS)


@pytest.mark.parametrize(
    ("text", "may"),
    [
        ("", True),
        ("uh", True),
        ("mm", True),
        ("yeah I", True),
        ("okay uh", True),
        ("yeah I think", False),
        ("uh what", False),
        ("stop", False),
        ("see", False),
    ],
)
def test_the_beginning_of_a_backchannel_may_become_one(text: str, may: bool) -> None:
    assert may_be_backchannel(text, DEFAULT_BACKCHANNELS) is may


@given(BACKCHANNELS, st.sampled_from([" ", ", ", ". "]))
def test_backchannels_in_a_row_are_one_and_so_is_each_beginning(
    parts: list[str], separator: str
) -> None:
    text = separator.join(parts)
    assert is_backchannel(text, DEFAULT_BACKCHANNELS)
    words = words_of(text)
    for count in range(len(words) + 1):
        assert may_be_backchannel(" ".join(words[:count]), DEFAULT_BACKCHANNELS)


@given(BACKCHANNELS, BACKCHANNELS, st.sampled_from(["stop", "what", "no wait"]))
def test_one_other_word_makes_it_something_else(
    before: list[str], after: list[str], word: str
) -> None:
    text = " ".join([*before, word, *after])
    assert not is_backchannel(text, DEFAULT_BACKCHANNELS)
    assert not may_be_backchannel(text, DEFAULT_BACKCHANNELS)


def test_without_a_list_nothing_is_a_backchannel() -> None:
    assert not is_backchannel("uh huh", ())
    assert not may_be_backchannel("uh", ())


@pytest.mark.parametrize(
    ("allow", "addressee", "another"),
    [("anyone", True, True), ("addressee", True, False), ("nobody", False, False)],
)
def test_who_may_interrupt(allow: str, addressee: bool, another: bool) -> None:
    barge_in = BargeIn(BargeInConfig(allow=allow))
    assert barge_in.allowed(7, 7) is addressee
    assert barge_in.allowed(8, 7) is another


@pytest.mark.parametrize(
    ("speech_s", "text", "confirmed"),
    [
        (0.02, "", False),
        (0.24, "", False),
        (0.25, "", True),
        (0.24, "...", False),  # punctuation is no word
        (0.02, "stop", True),
        (0.02, "yeah but", True),
        (3.0, "yeah", False),
        (3.0, "uh", False),
        (3.0, "uh huh okay", False),
    ],
)
def test_what_interrupts(speech_s: float, text: str, confirmed: bool) -> None:
    barge_in = BargeIn(BargeInConfig(confirm_ms=250))
    assert barge_in.confirmed(speech_s, text) is confirmed


@pytest.mark.parametrize(
    ("text", "confirmed"),
    [("hello", False), ("hello there", True), ("stop", True), ("uh huh", False)],
)
def test_so_many_words_or_an_urgent_one(text: str, confirmed: bool) -> None:
    barge_in = BargeIn(BargeInConfig(min_words=2))
    assert barge_in.confirmed(0.1, text) is confirmed
    assert barge_in.confirmed(5.0, "hello")
