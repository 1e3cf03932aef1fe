from __future__ import annotations

from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from trioagent.decisions.spoken_text import ThinkFilter, spoken_text

PROSE = st.text(st.characters(categories=["L", "N"]) | st.sampled_from(" .,?'"))


@pytest.mark.parametrize(
    ("text", "spoken"),
    [
        ("Plain words, and a number: 3.5!", "Plain words, and a number: 3.5!"),
        ("**bold** and *soft* and __under__", "bold and soft and under"),
        ("# A title\nText", "A title Text"),
        ("- one\n- two\n* three\n+ four", "one two three four"),
        ("1. first\n2. second", "1. first 2. second"),
        ("> quoted", "quoted"),
        ("Above\n---\nBelow", "Above Below"),
        ("see [the page](https://example.org/a_b) now", "see the page now"),
        ("`code` and ```python\nx = 1\n```", "code and x = 1"),
        ("Great 👍🏽 work 🎉!", "Great work!"),
        ("family 👩‍👩‍👧, flag 🇩🇪, key 1️⃣", "family, flag, key 1"),
        ("a → b ⇒ c ✓", "a b c"),
        ("20 °C costs 5 € © me", "20 °C costs 5 € © me"),
        ("snake_case and 2 * 3 = 6", "snake_case and 2 * 3 = 6"),
        ("2*3, 2**3 and **4**, *5*!", "2*3, 2**3 and 4, 5!"),
        ("is 3 > 2 and 1 < 2 ?", "is 3 > 2 and 1 < 2?"),
        ("wait ... what", "wait ... what"),
        (
            "soft\u00adhyphen\u200b and\x07bell\ttab\n\nline",
            "softhyphen andbell tab line",
        ),
        ("Grüße, 你好, नमस्ते", "Grüße, 你好, नमस्ते"),
        ("  \n ", ""),
        ("🙂", ""),
    ],
)
def test_what_is_spoken(text: str, spoken: str) -> None:
    assert spoken_text(text) == spoken


@given(st.text())
def test_nothing_unspeakable_is_left(text: str) -> None:
    spoken = spoken_text(text)
    assert len(spoken) <= len(text)
    assert "  " not in spoken
    assert spoken == spoken.strip()
    assert not set(spoken) & set("`~[]\n\t\u200d\ufe0f")


@given(PROSE)
def test_prose_loses_nothing_but_space(text: str) -> None:
    assert "".join(spoken_text(text).split()) == "".join(text.split())


# --- thoughts ------------------------------------------------------------------------


def filtered(tokens: list[str]) -> str:
    think = ThinkFilter()
    return "".join(map(think.push, tokens)) + think.finish()


@pytest.mark.parametrize(
    ("text", "outside"),
    [
        ("no thoughts", "no thoughts"),
        ("<think>hm</think>Yes.", "Yes."),
        ("<think>a</think>One. <think>b</think>Two.", "One. Two."),
        ("<think>never closed", ""),
        ("1 < 2 and <this> stays", "1 < 2 and <this> stays"),
        ("it ends with <thi", "it ends with <thi"),
        ("<think>a <think> b</think>c", "c"),
        ("<think></think>", ""),
        ("<<think>x</think>>", "<>"),
        ("<think>a</thin</think>b", "b"),
    ],
)
def test_thoughts_are_removed_however_they_are_split(text: str, outside: str) -> None:
    assert filtered([text]) == outside
    assert filtered(list(text)) == outside
    for cut in range(len(text)):
        assert filtered([text[:cut], text[cut:]]) == outside


@given(
    st.lists(st.sampled_from(["<", "think", "/", ">", "<think>", "</think>", "x"])),
    st.data(),
)
def test_any_split_of_a_text_leaves_the_same(
    parts: list[str], data: st.DataObject
) -> None:
    text = "".join(parts)
    cuts = data.draw(st.lists(st.integers(0, len(text))).map(sorted))
    edges = [0, *cuts, len(text)]
    tokens = [text[a:b] for a, b in pairwise(edges)]
    assert filtered(tokens) == filtered([text])


def test_text_is_not_held_back_longer_than_needed() -> None:
    think = ThinkFilter()
    assert think.push("1 <") == "1 "
    assert think.push(" 2") == "< 2"
    assert think.push("<think>") == ""
    assert think.push("a</think") == ""
    assert think.push(">b") == "b"
