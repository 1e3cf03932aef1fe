from __future__ import annotations

import re
from itertools import pairwise

import attrs
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from trioagent.config import ChunkerConfig
from trioagent.decisions.phrases import PhraseCutter

CONFIG = ChunkerConfig(first_min_chars=10, min_chars=30, clause_chars=60, max_chars=150)
EAGER = attrs.evolve(CONFIG, first_min_chars=1, min_chars=1)

PIECES = st.sampled_from(
    "a hello there world. Yes! No? 3.5 e.g. Dr. Smith ... ... U.S. 1. 12. , ; : — ( )"
    " https://example.org/a.b?c=d <think> </think> <thi **bold** `x` - # 🙂 naïve"
    " someone@example.org extraordinarily".split()
)
SPACES = st.sampled_from([" ", " ", " ", "\n", "\n\n", "  ", ""])
TEXTS = st.lists(st.tuples(PIECES, SPACES), max_size=60).map(
    lambda parts: "".join(piece + space for piece, space in parts)
)


def cut(tokens: list[str], config: ChunkerConfig = CONFIG) -> list[str]:
    cutter = PhraseCutter(config)
    phrases = [phrase for token in tokens for phrase in cutter.push(token)]
    return phrases + cutter.finish()


def split_at(text: str, cuts: list[int]) -> list[str]:
    edges = [0, *sorted(cuts), len(text)]
    return [text[a:b] for a, b in pairwise(edges)]


@pytest.mark.parametrize(
    ("text", "phrases"),
    [
        ("", []),
        (" \n ", []),
        ("*** --- 🙂", []),
        ("Yes", ["Yes"]),
        ("One. Two. Three.", ["One.", "Two.", "Three."]),
        ("Really?! Yes!! Ok.", ["Really?!", "Yes!!", "Ok."]),
        ('He said "go." She left.', ['He said "go."', "She left."]),
        ("It did (he said.) Good.", ["It did (he said.)", "Good."]),
        ("A title\nThe text", ["A title", "The text"]),
        ("你好。 再见。", ["你好。", "再见。"]),
        # --- no sentence ends here
        ("It is 3.5 degrees. Cold.", ["It is 3.5 degrees.", "Cold."]),
        ("Fruit, e.g. apples. Yum.", ["Fruit, e.g. apples.", "Yum."]),
        ("Ask Dr. Smith. Now.", ["Ask Dr. Smith.", "Now."]),
        ("Ask J. Smith. Now.", ["Ask J. Smith.", "Now."]),
        ("So am I. Good.", ["So am I.", "Good."]),
        ("Well... maybe. Yes.", ["Well... maybe.", "Yes."]),
        ("Well ... maybe. Yes.", ["Well ... maybe.", "Yes."]),
        (
            "Go to www.example.org/a.b now. Ok.",
            ["Go to www.example.org/a.b now.", "Ok."],
        ),
        ("See https://x.org/?a=1,2;bc. Ok.", ["See https://x.org/?a=1,2;bc.", "Ok."]),
        ("1. eggs\n2. milk", ["1. eggs", "2. milk"]),
        ("It costs 12. That is fine.", ["It costs 12.", "That is fine."]),
        ("In the U.S. it rains. Ok.", ["In the U.S. it rains.", "Ok."]),
    ],
)
def test_where_sentences_end(text: str, phrases: list[str]) -> None:
    assert cut([text], EAGER) == phrases


def test_short_sentences_are_joined_but_the_first_may_be_short() -> None:
    text = "Hello Ana. I do. So do you. It is very nice of you. Bye now."
    assert cut([text]) == [
        "Hello Ana.",
        "I do. So do you. It is very nice of you.",
        "Bye now.",
    ]


def test_the_minimum_counts_what_the_sentence_has() -> None:
    exactly = "x" * 28 + "y."
    assert cut(["Hello Ana. ", exactly, " And the rest is here."])[1] == exactly
    shorter = "x" * 27 + "y."
    phrases = cut(["Hello Ana. ", shorter, " And the rest is here."])
    assert phrases[1] == f"{shorter} And the rest is here."


@pytest.mark.parametrize("mark", [",", ";", ":", "—"])
def test_a_clause_ends_a_long_phrase_only(mark: str) -> None:
    text = f"some words go{mark} " + "on and " * 7 + f"on{mark} and some more"
    first, rest = cut([text])
    assert first.endswith(f"on and on{mark}")
    assert len(first) >= 60
    assert rest == "and some more"


def test_what_has_no_end_is_cut_between_words() -> None:
    phrases = cut(["word " * 100])
    assert [len(p) for p in phrases] == [149, 149, 149, 49]


def test_a_word_without_end_is_cut_anywhere() -> None:
    assert [len(p) for p in cut(["x" * 400])] == [150, 150, 100]


def test_a_phrase_is_given_as_soon_as_it_is_certain() -> None:
    cutter = PhraseCutter(CONFIG)
    assert cutter.push("It is warm. I") == ["It is warm."]
    assert cutter.push(" think so.") == []  # "so.5" may come
    assert cutter.finish() == ["I think so."]


def test_a_full_stop_at_the_end_of_a_token_may_be_a_decimal_point() -> None:
    cutter = PhraseCutter(EAGER)
    assert cutter.push("It is 3.") == []
    assert cutter.push("5 degrees. ") == ["It is 3.5 degrees."]


def test_thoughts_are_never_a_phrase() -> None:
    text = "<think>First. I think. About it.</think>\n\nHello there. <think>Hm."
    assert cut([text]) == ["Hello there."]
    assert cut(list(text)) == ["Hello there."]


def test_markup_that_opens_in_one_phrase_and_closes_in_another() -> None:
    assert cut(["**One. Two.** Three."], EAGER) == ["One.", "Two.", "Three."]


def test_a_timeout_gives_whole_words_only() -> None:
    cutter = PhraseCutter(CONFIG)
    assert cutter.push("let me th") == []
    assert cutter.timeout() == ["let me"]
    assert cutter.timeout() == []
    assert cutter.push("ink about it ") == []
    assert cutter.timeout() == ["think about it"]
    assert cutter.timeout() == []
    assert cutter.finish() == []


def test_a_timeout_gives_no_half_a_tag() -> None:
    cutter = PhraseCutter(CONFIG)
    cutter.push("so <thi")
    assert cutter.timeout() == ["so"]
    assert cutter.push("nk>secret</think>well") == []
    assert cutter.finish() == ["well"]


def test_after_a_timeout_the_rest_is_no_longer_the_first_phrase() -> None:
    cutter = PhraseCutter(CONFIG)
    cutter.push("let me ")
    cutter.timeout()
    assert cutter.push("think of it. And on ") == []


# --- for any text --------------------------------------------------------------------


@given(TEXTS, st.sampled_from([CONFIG, EAGER]), st.data())
def test_any_split_into_tokens_gives_the_same_phrases(
    text: str, config: ChunkerConfig, data: st.DataObject
) -> None:
    cuts = data.draw(st.lists(st.integers(0, len(text)), max_size=20))
    assert cut(split_at(text, cuts), config) == cut(list(text), config)


@given(TEXTS, st.integers(10, 60))
def test_no_phrase_is_too_long_or_has_nothing_to_say(text: str, most: int) -> None:
    config = attrs.evolve(CONFIG, max_chars=most)
    for phrase in cut([text], config):
        assert len(phrase) <= most
        assert any(map(str.isalnum, phrase))
        assert phrase == phrase.strip()
        assert "think>" not in phrase.replace("</think>", "")


@given(TEXTS.filter(lambda text: "<" not in text), st.sampled_from([CONFIG, EAGER]))
def test_nothing_is_lost_but_markup_and_space(text: str, config: ChunkerConfig) -> None:
    letters = "".join(filter(str.isalnum, text))
    spoken = "".join(cut([text], config))
    assert "".join(filter(str.isalnum, spoken)) == letters


@given(TEXTS.filter(lambda text: "<" not in text), st.data())
def test_timeouts_lose_nothing_either(text: str, data: st.DataObject) -> None:
    cuts = data.draw(st.lists(st.integers(0, len(text)), max_size=10))
    cutter, phrases = PhraseCutter(CONFIG), []
    for token in split_at(text, cuts):
        phrases += cutter.push(token)
        phrases += cutter.timeout()
    phrases += cutter.finish()
    assert "".join(filter(str.isalnum, "".join(phrases))) == "".join(
        filter(str.isalnum, text)
    )


@given(
    st.lists(
        st.sampled_from(
            "it is 3.5 e.g. Dr. Jones ... https://x.org/a.b,c www.a.b and".split()
        ),
        max_size=30,
    )
)
@example(["Dr."] * 3 + ["..."])
def test_what_only_looks_like_an_end_cuts_nothing(words: list[str]) -> None:
    text = " ".join([*words, "end"])
    config = attrs.evolve(EAGER, max_chars=2000)
    assert cut([text], config) == [text]


@given(TEXTS.filter(lambda text: "<" not in text))
def test_words_are_cut_only_when_they_are_too_long(text: str) -> None:
    unmarked = re.sub("[*`🙂]", "", text)
    words = set(re.findall(r"\w+", unmarked))
    for phrase in cut([text]):
        assert set(re.findall(r"\w+", phrase)) <= words
