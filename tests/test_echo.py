from __future__ import annotations

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from trioagent.decisions.echo import COMMON, MAX_WORDS, EchoJudge

REPLY = (
    "The capital of France is Paris.",
    "The Eiffel Tower was built in 1889, and it is about 330 metres high.",
    "Would you like to hear more about the tower?",
)
# When each of its phrases begins to sound.
TIMES = (100.0, 102.1, 106.7)
ONSET = 103.0
# No two of them are alike, and none is a common word.
WORD = st.sampled_from(
    "garden bicycle mountain silver whisper lantern potato umbrella jungle fox"
    " chemistry violin thunder oxygen breakfast".split()
)
SENTENCE = st.lists(WORD, min_size=3, max_size=12, unique=True)
ANYTHING = st.lists(
    WORD | st.sampled_from(sorted(COMMON)) | st.sampled_from(["lanterns", "1889"]),
    max_size=12,
).map(" ".join)


def judge_of(*phrases: str, at: float = 100.0) -> EchoJudge:
    judge = EchoJudge(window_s=5.0, similarity=0.7)
    for phrase in phrases:
        judge.spoke(phrase, at)
    return judge


@pytest.fixture
def judge() -> EchoJudge:
    judge = EchoJudge(window_s=5.0, similarity=0.7)
    for phrase, at in zip(REPLY, TIMES, strict=True):
        judge.spoke(phrase, at)
    return judge


# When it was heard and what. Up to a bar it is too much misheard to be recognized.
ECHOES = """
100.5 The capital of France is Paris.
100.7 capital of france is paris the eiffel tower
101.3 of france is parish
100.9 capital france | paris
100.5 the capitol of france is paris
101.0 the capitol of france is paris the eye full tower
102.5 the eiffel tower was built in eighteen eighty nine
102.5 the awful tower | was built in eighteen eighty nine
103.2 tower was built in 1889
104.0 was built in eighteen eighty nine and is about three metres
105.0 and it is about three hundred thirty meters high
105.0 and it is about three hundred and thirty metres high would you like
105.3 is about | metres high would you like to
107.0 would you like to hear more about the tower
107.4 like to hear more about the towel
107.0 would you like
107.0 hear more
101.7 is paris the eiffel tower was billed in
101.9 paris the eiffel tower was
103.0 eiffel tower
103.0 Eiffel.
101.5 France
100.8 the capital
101.4 france is
100.5 the capital of france
""".strip().splitlines()

PEOPLE = """
yes
No!
stop
wait
okay
you
the
it is
would you
yes please
no thanks
really
eighteen eighty nine
three
what is the capital of germany
tell me more about the tower
more about the tower please
did you say paris
did you say the eiffel tower
where is the tower
is the tower in paris
is paris the capital of france
was the eiffel tower built in eighteen eighty nine
when was the eiffel tower built
who built the eiffel tower
how high is it
is it high
what is it
it is about time
and what about berlin
i have been to paris
paris is nice
no the capital of france is lyon
stop talking about the tower
the tower is ugly
france is a big country
the weather in france is nice
yes i would like to hear more
i would like to hear more about the tower
wait what was the capital
okay and how many people live in paris
can you turn on the lights
really eighteen eighty nine
london
the parish
tower eiffel
""".strip().splitlines()


@pytest.mark.parametrize("echo", ECHOES)
def test_our_own_words(judge: EchoJudge, echo: str) -> None:
    onset, text = echo.replace("|", "").split(maxsplit=1)
    assert judge.is_echo(text, float(onset))


@pytest.mark.parametrize("text", PEOPLE)
def test_somebody_else(judge: EchoJudge, text: str) -> None:
    assert not judge.is_echo(text, ONSET)


@pytest.mark.parametrize("text", ["", "...", "!"])
def test_no_words_are_no_echo_but_may_become_one(judge: EchoJudge, text: str) -> None:
    assert not judge.is_echo(text, ONSET)
    assert judge.may_be_echo(text, ONSET)
    assert not EchoJudge(5.0, 0.7).may_be_echo(text, ONSET)


@pytest.mark.parametrize("echo", ECHOES)
def test_an_echo_may_be_one_all_along(judge: EchoJudge, echo: str) -> None:
    onset, text = echo.split(maxsplit=1)
    beginning, bar, _ = text.partition("|")
    first = len(beginning.split()) + 1 if bar else 1
    words = text.replace("|", "").split()
    for count in range(first, len(words) + 1):
        assert judge.may_be_echo(" ".join(words[:count]), float(onset)), count


@pytest.mark.parametrize(
    ("text", "may"),
    [
        ("the", True),
        ("the cap", True),
        ("the capital of fr", True),
        ("ei", True),
        ("the eiffel tower was bui", True),
        ("the eiffel tower was red", True),  # perhaps misheard
        ("the eiffel tower me", True),  # perhaps half of "metres"
        ("eight", True),
        ("stop", False),
        ("no", False),
        ("wait", False),
        ("what", False),
        ("the eiffel tower please", False),
        ("the eiffel tower is", False),
        ("the weather", False),
        ("lond", False),
        ("tell me more about the tower", False),
        ("yes i would like", False),
    ],
)
def test_what_may_turn_out_as_an_echo(judge: EchoJudge, text: str, may: bool) -> None:
    assert judge.may_be_echo(text, ONSET) is may


@pytest.mark.parametrize(
    ("at", "echo"), [(100.0, True), (101.5, True), (105.0, True), (108.0, False)]
)
def test_an_echo_follows_what_it_repeats(at: float, echo: bool) -> None:
    judge = judge_of("The capital of France is Paris.")
    assert judge.is_echo("the capital of france is paris", at) is echo


@pytest.mark.parametrize(
    ("at", "echo"), [(98.0, True), (100.0, True), (103.0, True), (104.0, False)]
)
def test_a_single_word_must_be_recent(at: float, echo: bool) -> None:
    assert judge_of("Paris!").is_echo("paris", at) is echo


def test_an_echo_that_goes_on_is_compared_with_all_that_was_said_meanwhile() -> None:
    judge = EchoJudge(window_s=3.0, similarity=0.7)
    for second in range(0, 40, 4):
        judge.spoke(
            f"Lantern {'abcdefghij'[second // 4] * 5} whispers to the fox.", second
        )
    heard = " ".join(
        f"lantern {letter * 5} whispers to the fox" for letter in "abcdefghij"
    )
    assert judge.is_echo(heard, 0.5)


@pytest.mark.parametrize(
    ("said", "heard"),
    [
        ("The football bookcase.", "the foot ball book case"),
        ("The foot ball book case.", "the football bookcase"),
    ],
)
def test_words_heard_as_two_or_as_one(said: str, heard: str) -> None:
    assert judge_of(said).is_echo(heard, 100.5)


def test_a_number_proves_nothing_by_itself() -> None:
    judge = judge_of("It is 20 degrees.")
    assert not judge.is_echo("thirty degrees", 100.5)
    assert judge.is_echo("it is twenty degrees", 100.5)


def test_similarity_is_how_much_must_be_ours() -> None:
    text = "capital of france is paris lantern"
    for similarity, echo in ((0.5, True), (0.95, False)):
        judge = EchoJudge(5.0, similarity)
        judge.spoke(REPLY[0], 100.0)
        assert judge.is_echo(text, 100.5) is echo


def test_words_in_another_script() -> None:
    judge = judge_of("Столица Франции — Париж.")
    assert judge.is_echo("столица франции париж", 100.5)
    assert not judge.is_echo("столица германии берлин", 100.5)


def test_what_is_remembered_is_bounded() -> None:
    judge = judge_of("garden " * 10 * MAX_WORDS)
    assert len(judge._said) == MAX_WORDS


def test_nothing_said_nothing_echoed() -> None:
    judge = EchoJudge(5.0, 0.7)
    assert not judge.is_echo("the capital of france is paris", 0.0)
    assert not judge.may_be_echo("the", 0.0)


@given(SENTENCE, st.data())
def test_every_part_of_a_sentence_is_its_echo(
    said: list[str], data: st.DataObject
) -> None:
    judge = judge_of(" ".join(said))
    first = data.draw(st.integers(0, len(said) - 1))
    last = data.draw(st.integers(first + 1, len(said)))
    at = judge._said[first].at + data.draw(st.sampled_from([0.0, 0.3, 1.0, 2.0]))
    text = " ".join(said[first:last])
    if last - first > 2 or judge._said[last - 1].at - at <= 3.0:
        assert judge.is_echo(text, at)
    for count in range(1, len(text) + 1):
        assert judge.may_be_echo(text[:count], at), text[:count]


@given(SENTENCE, st.data())
def test_one_word_lost_and_one_misheard_in_six(
    said: list[str], data: st.DataObject
) -> None:
    assume(len(said) >= 6)
    heard = list(said)
    misheard = data.draw(st.integers(0, len(heard) - 1))
    heard[misheard] = "zzzzz"
    lost = data.draw(st.integers(0, len(heard) - 1).filter(lambda i: i != misheard))
    del heard[lost]
    assert judge_of(" ".join(said)).is_echo(" ".join(heard), 100.5)


@given(SENTENCE, SENTENCE)
def test_other_sentences_are_no_echo(said: list[str], other: list[str]) -> None:
    other = [word for word in other if word not in said]
    assume(other)
    assert not judge_of(" ".join(said)).is_echo(" ".join(other), 100.5)


@given(ANYTHING, ANYTHING, st.floats(98.0, 106.0))
def test_an_echo_may_be_an_echo(said: str, heard: str, at: float) -> None:
    judge = judge_of(said)
    assert judge.may_be_echo(heard, at) or not judge.is_echo(heard, at)


@given(ANYTHING, st.lists(st.sampled_from(sorted(COMMON)), max_size=2))
def test_one_or_two_common_words_are_never_an_echo(said: str, heard: list[str]) -> None:
    assert not judge_of(said).is_echo(" ".join(heard), 100.5)


@given(ANYTHING, ANYTHING, st.floats(98.0, 106.0))
def test_case_and_punctuation_decide_nothing(said: str, heard: str, at: float) -> None:
    judge, other = judge_of(said), judge_of(f"— {said.upper()}!")
    assert judge.is_echo(heard, at) is other.is_echo(f"“{heard.title()}.”", at)


@given(SENTENCE, st.integers(0, 12), st.sampled_from(["stop", "what", "no", "please"]))
def test_an_own_word_that_asks_or_orders_makes_a_short_one_somebodys(
    said: list[str], place: int, word: str
) -> None:
    heard = said[:5]
    heard.insert(place % 6, word)
    assert not judge_of(" ".join(said)).is_echo(" ".join(heard), 100.5)
