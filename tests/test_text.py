from __future__ import annotations

import unicodedata

import pytest
from hypothesis import given
from hypothesis import strategies as st

from trioagent.decisions.text import same_words, words_of

WORD = st.text("abcdefgäöüß0123456789", min_size=1, max_size=8)


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("", []),
        ("… ?! --", []),
        ("What's  the\ttime?", ["what's", "the", "time"]),
        ("What’s the time", ["what's", "the", "time"]),  # noqa: RUF001
        ("'quoted' words'", ["quoted", "words"]),
        ("rock 'n' roll", ["rock", "n", "roll"]),
        ("STRASSE Straße", ["strasse", "strasse"]),
        ("3.5 is not 35", ["3", "5", "is", "not", "35"]),
        ("well-known snake_case", ["well", "known", "snake", "case"]),
        ("ＷＩＤＥ ﬁne", ["wide", "fine"]),  # noqa: RUF001
        ("привет, мир!", ["привет", "мир"]),
    ],
)
def test_words(text: str, words: list[str]) -> None:
    assert words_of(text) == words


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("Hello, there!", "hello there"),
        ("  hello\nthere", "Hello there."),
        ("don’t", "don't"),  # noqa: RUF001
        ("café", unicodedata.normalize("NFD", "café")),
        ("", "..."),
    ],
)
def test_the_same_words(one: str, other: str) -> None:
    assert same_words(one, other)


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("what is", "what is that"),
        ("I can", "I can't"),
        ("we are", "were"),
        ("its here", "it's here"),
        ("buy 3.5", "buy 35"),
        ("the cafe", "the café"),
        ("का", "की"),  # they differ in a vowel sign, which is a mark, not a letter
        ("dog bites man", "man bites dog"),
    ],
)
def test_other_words(one: str, other: str) -> None:
    assert not same_words(one, other)


@given(
    st.lists(WORD, min_size=1),
    st.sampled_from([" ", ", ", "\n", "  - ", "… "]),
    st.sampled_from(["", ".", "?!", " ..."]),
)
def test_punctuation_space_and_case_never_make_a_difference(
    words: list[str], separator: str, end: str
) -> None:
    assert same_words(" ".join(words), separator.join(words).upper() + end)


@given(st.lists(WORD, min_size=1), st.data())
def test_a_word_more_or_less_always_does(words: list[str], data: st.DataObject) -> None:
    index = data.draw(st.integers(0, len(words) - 1))
    fewer = words[:index] + words[index + 1 :]
    assert not same_words(" ".join(words), " ".join(fewer))


@given(st.text())
def test_words_are_their_own_words(text: str) -> None:
    words = words_of(text)
    assert words_of(" ".join(words)) == words
