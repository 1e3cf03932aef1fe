from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from trioagent.decisions.history import Exchange, History

WORDS = st.text("abc", min_size=1, max_size=5)
EXCHANGES = st.lists(
    st.builds(Exchange, st.sampled_from(["Ana", "Ben"]), WORDS, st.just("") | WORDS)
)


def history(*exchanges: Exchange, max_turns: int = 20) -> History:
    made = History("Be brief.", max_turns, 100_000)
    for exchange in exchanges:
        made.add(exchange)
    return made


def shown(history: History, speaker: str, text: str) -> list[tuple[str, str]]:
    return [(m.role, m.content) for m in history.prompt(speaker, text)]


def test_the_first_prompt() -> None:
    assert shown(history(), "Ana", "hello") == [
        ("system", "Be brief."),
        ("user", "hello"),
    ]


def test_what_was_heard_stands_between() -> None:
    before = history(Exchange("Ana", "hello", "Hi."), Exchange("Ana", "one", "Two."))
    assert shown(before, "Ana", "three") == [
        ("system", "Be brief."),
        ("user", "hello"),
        ("assistant", "Hi."),
        ("user", "one"),
        ("assistant", "Two."),
        ("user", "three"),
    ]


def test_what_nobody_answered_is_joined_with_what_was_said_next() -> None:
    before = history(Exchange("Ana", "wait", ""), Exchange("Ana", "one moment", ""))
    assert shown(before, "Ana", "go on") == [
        ("system", "Be brief."),
        ("user", "wait\none moment\ngo on"),
    ]


def test_names_are_shown_from_the_second_speaker_on() -> None:
    before = history(Exchange("Ana", "hello", "Hi."), Exchange("Ben", "me too", "Hi."))
    assert shown(before, "Ana", "how are you") == [
        ("system", "Be brief."),
        ("user", "hello"),
        ("assistant", "Hi."),
        ("user", "Ben: me too"),
        ("assistant", "Hi."),
        ("user", "Ana: how are you"),
    ]


def test_asking_changes_nothing() -> None:
    before = history(Exchange("Ana", "wait", ""))
    first = before.prompt("Ana", "go on")
    assert before.prompt("Ana", "go on") == first
    assert before.version == 1
    assert before.exchanges == (Exchange("Ana", "wait", ""),)


def test_a_history_of_no_turns_remembers_nothing() -> None:
    before = history(Exchange("Ana", "hello", "Hi."), max_turns=0)
    assert shown(before, "Ana", "again") == [("system", "Be brief."), ("user", "again")]
    assert before.version == 1


@pytest.mark.parametrize("turns", [1, 4, 8, 9, 30])
def test_old_turns_are_cut_rarely(turns: int) -> None:
    made = history(max_turns=4)
    firsts = []
    for number in range(turns):
        made.add(Exchange("Ana", str(number), "ok"))
        kept = [int(e.said) for e in made.exchanges]
        assert kept == list(range(kept[0], number + 1))  # the newest, without a gap
        assert min(number + 1, 4) <= len(kept) <= 8
        firsts.append(kept[0])
    # A server's prefix cache is lost at each cut.
    assert len(set(firsts)) <= 1 + turns // 5


@given(EXCHANGES, WORDS)
def test_roles_alternate_and_nothing_is_lost(
    exchanges: list[Exchange], text: str
) -> None:
    before = history(*exchanges, max_turns=1000)
    messages = before.prompt("Ana", text)
    roles = [m.role for m in messages]
    assert roles[0] == "system"
    assert roles[1::2] == ["user"] * len(roles[1::2])
    assert roles[2::2] == ["assistant"] * len(roles[2::2])
    assert roles[-1] == "user"
    said = []
    for count, e in enumerate([*exchanges, Exchange("Ana", text, "")], 1):
        several = len({e.speaker, *(past.speaker for past in exchanges[:count])}) > 1
        said.append(f"{e.speaker}: {e.said}" if several else e.said)
    users = [m.content for m in messages if m.role == "user"]
    assert "\n".join(users) == "\n".join(said)
    assert [m.content for m in messages if m.role == "assistant"] == [
        e.heard for e in exchanges if e.heard
    ]


@given(EXCHANGES)
def test_each_turn_makes_earlier_replies_out_of_date(exchanges: list[Exchange]) -> None:
    made = history(max_turns=2)
    for count, exchange in enumerate(exchanges):
        assert made.version == count
        made.add(exchange)
    assert made.version == len(exchanges)


def test_too_many_tokens_drop_the_oldest_turns_half_at_once() -> None:
    made = History("Be brief.", 100, 100)
    lengths = []
    for number in range(40):
        made.add(Exchange("Ana", f"question {number:03}", "x" * 28))
        lengths.append(len(made.exchanges))
    # 40 characters a turn: ten turns are 100 tokens, five are kept of eleven.
    assert max(lengths) == 10
    assert lengths[9:17] == [10, 5, 6, 7, 8, 9, 10, 5]
    assert made.exchanges[-1].said == "question 039"
