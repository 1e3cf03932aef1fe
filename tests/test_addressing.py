from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from trioagent.decisions.addressing import CLOSERS, OPENERS, Addressing, Name

ANA, BEN = 7, 8
NAMES = ("trioagent", "Jarvis", "Big Max")
# None is like a name, none makes what is beside it its object, none may open or close.
WORD = st.sampled_from(
    "weather people tomorrow little music seven garden window book played".split()
)
WORDS = st.lists(WORD, min_size=1, max_size=8)
NAME = st.sampled_from(NAMES)

CALLS = """
trioagent
Trioagent?
trioagent what time is it
TrioAgent, what time is it?
hey trioagent
Hey, TrioAgent! Turn it down.
hey trio agent what's the weather
tree agent what time is it
three agent stop
Trio a gent, are you there?
trio asian tell me a story
okay trio asian
try agent how are you
radio agent can you hear me
what time is it trioagent
What time is it, TrioAgent?
what do you think tree agent
can you turn it off trio agent please
thank you trioagent
good morning trioagent how are you
um so hey trioagent what is that
excuse me jarvis
jervis play some music
charvis what is seven times six
stop jarvis
jarvis is it raining
what is that jarvis
where are you from jarvis
no jarvis the other one
I told trioagent yesterday that. TrioAgent, what time is it?
We were late. Right, Jarvis?
hey big max
big macs what's for dinner
bigmax are you there
What's up, Big Max?
thanks for that jarvis
""".strip().splitlines()

TALK = """


...
what time is it
I told trioagent yesterday that
I told trioagent
have you tried trioagent
she was talking to trioagent
we could ask tree agent
this was made with jarvis
I like jarvis and all that
when did trioagent join the channel
trioagent said that it would rain
jarvis thinks it's tuesday
jarvises are rare
jarvis's answer was wrong
the agent called me yesterday
your agent called me
my agent
travel agent prices are high
my travel agent
triangle
the trial was urgent
it was a service
service please
nervous
max what do you think
so big mistakes happen
hey big guy
the maximum
who is the jarvis
me and jarvis
agent
trio
""".strip("\n").splitlines()


@pytest.fixture
def addressing() -> Addressing:
    return Addressing(NAMES, attention_s=10.0)


@pytest.mark.parametrize("text", CALLS)
def test_called_by_name(addressing: Addressing, text: str) -> None:
    assert addressing.addressed(text, ANA, 0.0)


@pytest.mark.parametrize("text", TALK)
def test_not_called(addressing: Addressing, text: str) -> None:
    assert not addressing.addressed(text, ANA, 0.0)


@pytest.mark.parametrize(
    ("name", "heard", "alike"),
    [
        ("trioagent", "trio agent", True),
        ("trioagent", "tree agent", True),
        ("trioagent", "trio asian", True),
        ("trioagent", "rio agent", True),
        ("trioagent", "street agent", False),
        ("trioagent", "free agent", False),
        ("trioagent", "urgent", False),
        ("trioagent", "training", False),
        ("Trio Agent", "trioagent", True),
        ("Jarvis", "service", False),
        ("Jarvis", "travis", False),
        ("Jarvis", "jarvis and", False),
        ("Max", "max", True),
        ("Max", "macs", False),
        ("Max", "makes", False),
        ("Mary", "marry", True),
        ("Joe", "jo", True),
        ("Ava", "over", False),
        ("Zoë", "zoe", True),
        ("Алиса", "алиса", True),
        ("Алиса", "лиса", True),
        ("Алиса", "алмаз", False),
        ("HAL 9000", "hal 9000", True),
    ],
)
def test_how_names_are_misheard(name: str, heard: str, alike: bool) -> None:
    assert bool(Name.of(name).likeness(heard.split())) is alike


@pytest.mark.parametrize(
    ("speaker", "now", "addressed"),
    [(ANA, 100.0, True), (ANA, 109.9, True), (ANA, 110.0, False), (BEN, 101.0, False)],
)
def test_after_an_answer_its_speaker_need_not_call(
    addressing: Addressing, speaker: int, now: float, addressed: bool
) -> None:
    addressing.answered(ANA, 100.0)
    assert addressing.addressed("and tomorrow", speaker, now) is addressed
    assert addressing.addressed("jarvis and tomorrow", speaker, now) is addressed
    assert addressing.addressed("jarvis what about tomorrow", speaker, now)


def test_each_answer_opens_the_window_again(addressing: Addressing) -> None:
    addressing.answered(ANA, 100.0)
    addressing.answered(ANA, 108.0)
    addressing.answered(BEN, 109.0)
    assert addressing.addressed("and tomorrow", ANA, 117.0)
    assert not addressing.addressed("and tomorrow", ANA, 118.0)
    assert addressing.addressed("and tomorrow", BEN, 118.0)


def test_no_words_are_for_nobody(addressing: Addressing) -> None:
    addressing.answered(ANA, 100.0)
    assert not addressing.addressed("...", ANA, 101.0)


def test_without_attention_each_sentence_needs_the_name() -> None:
    addressing = Addressing(("Jarvis",), attention_s=0.0)
    addressing.answered(ANA, 100.0)
    assert not addressing.addressed("and tomorrow", ANA, 100.0)


@pytest.mark.parametrize("names", [(), ("",), ("...",)])
def test_without_a_name_nobody_calls(names: tuple[str, ...]) -> None:
    addressing = Addressing(names, attention_s=10.0)
    assert not addressing.addressed("jarvis what time is it", ANA, 0.0)
    addressing.answered(ANA, 0.0)
    assert addressing.addressed("and tomorrow", ANA, 1.0)


def test_who_was_answered_long_ago_is_forgotten(addressing: Addressing) -> None:
    for speaker in range(1000):
        addressing.answered(speaker, speaker * 1.0)
    assert len(addressing._answered) == 10


@given(NAME, WORDS, st.lists(st.sampled_from(sorted(OPENERS - {"and"})), max_size=3))
def test_a_name_at_the_start(name: str, words: list[str], openers: list[str]) -> None:
    text = " ".join([*openers, name, *words])
    assert Addressing(NAMES, 0.0).addressed(text, ANA, 0.0)


@given(NAME, WORDS, st.lists(st.sampled_from(sorted(CLOSERS)), max_size=2))
def test_a_name_at_the_end(name: str, words: list[str], closers: list[str]) -> None:
    text = " ".join([*words, name, *closers])
    assert Addressing(NAMES, 0.0).addressed(text, ANA, 0.0)


@given(NAME, WORDS, WORDS)
def test_a_name_in_the_middle(name: str, before: list[str], after: list[str]) -> None:
    text = " ".join([*before, name, *after])
    assert not Addressing(NAMES, 0.0).addressed(text, ANA, 0.0)


@given(WORDS)
def test_no_name(words: list[str]) -> None:
    assert not Addressing(NAMES, 0.0).addressed(" ".join(words), ANA, 0.0)


@given(st.sampled_from(CALLS + TALK), st.sampled_from([str.upper, str.title]))
def test_case_and_commas_decide_nothing(text: str, spell: object) -> None:
    assert callable(spell)
    addressing = Addressing(NAMES, 0.0)
    plain = addressing.addressed(text, ANA, 0.0)
    assert addressing.addressed(spell(text).replace(",", ""), ANA, 0.0) is plain


@given(st.text(max_size=40), st.text(max_size=10))
def test_any_text_is_judged(text: str, name: str) -> None:
    addressing = Addressing((name, *NAMES), 10.0)
    addressing.addressed(text, ANA, 0.0)
    assert addressing.addressed(f"Jarvis! {text}", ANA, 0.0)
