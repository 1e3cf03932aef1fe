"""Tapped models behave as the models, and what goes through is noted as it was."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest
import trio

from tests.fakes import (
    FakeLanguageModel,
    FakeRecognizer,
    Vocabulary,
)
from tests.helpers_taps import ERRORS, FAILURE, PCM, ListTape
from tests.troubled_parts import TroubledRecognizer
from trioagent.errors import ProviderError
from trioagent.interfaces import (
    Message,
)
from trioagent.journal.events import CURRENT_TURN, TurnJournal
from trioagent.recording import format as f
from trioagent.recording.model_taps import (
    TappedLanguageModel,
    TappedRecognizer,
)

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from trio.testing import MockClock


@pytest.fixture
def tape() -> ListTape:
    return ListTape()


@pytest.fixture
def vocabulary() -> Vocabulary:
    return Vocabulary()


@pytest.fixture
async def turn_5() -> AsyncIterator[None]:
    token = CURRENT_TURN.set(TurnJournal(5, "Ana", "now"))
    yield
    CURRENT_TURN.reset(token)


# --- the recognizer --------------------------------------------------------------


async def test_a_stream_is_noted_with_its_turn_and_times(
    tape: ListTape, vocabulary: Vocabulary, turn_5: None, autojump_clock: MockClock
) -> None:
    said = vocabulary.speech("what time", 0.3, 16_000)
    recognizer = FakeRecognizer(vocabulary, cost_s=0.25, finish_s=0.5)
    async with TappedRecognizer(recognizer, tape).stream() as stream:
        assert await stream.feed(said) == "what time"
        await trio.sleep(1)
        assert await stream.finish() == "what time"
        assert recognizer.open_streams == 1
    assert recognizer.open_streams == 0
    assert tape.entries == [
        f.StreamOpened(0.0, 1, 5, 0.0),
        f.Fed(0.25, 1, 0.0, len(said), "what time"),
        f.Finished(1.75, 1, 1.25, "what time"),
    ]


@pytest.mark.parametrize(("error", "how", "message"), ERRORS)
@pytest.mark.parametrize("at", ["feed", "finish"])
async def test_a_failing_stream_fails_as_it_is(
    at: str, error: Exception, how: Any, message: str, autojump_clock: MockClock
) -> None:
    tape, vocabulary = ListTape(), Vocabulary()
    recognizer = TroubledRecognizer(vocabulary, at=at, error=error, cost_s=0.25)
    said = vocabulary.speech("what time", 0.3, 16_000)
    async with TappedRecognizer(recognizer, tape).stream() as stream:
        with pytest.raises(type(error)) as caught:  # noqa: PT012 - one of them raises
            await stream.feed(said)
            await stream.finish()
    assert caught.value is error
    last = tape.entries[-1]
    assert isinstance(last, f.StreamFailed)
    assert (last.how, last.error) == (how, message)
    assert last.samples == (len(said) if at == "feed" else None)
    assert last.asked < last.t


@pytest.mark.parametrize(("error", "how", "message"), ERRORS)
async def test_a_stream_that_does_not_open(
    error: Exception, how: str, message: str, autojump_clock: MockClock
) -> None:
    tape = ListTape()
    recognizer = TroubledRecognizer(Vocabulary(), at="open", error=error)
    with pytest.raises(type(error)) as caught:
        async with TappedRecognizer(recognizer, tape).stream():
            raise AssertionError("it is not open")
    assert caught.value is error
    crashed = how == "crashed"
    assert tape.entries == [f.StreamOpened(0.003, 1, 0, 0.0, message, crashed)]


async def test_an_error_of_its_user_is_not_the_streams(
    tape: ListTape, vocabulary: Vocabulary
) -> None:
    tapped = TappedRecognizer(FakeRecognizer(vocabulary), tape)
    with pytest.raises(ProviderError) as caught:
        async with tapped.stream():
            raise FAILURE
    assert caught.value is FAILURE
    assert [type(entry) for entry in tape.entries] == [f.StreamOpened]


@pytest.mark.parametrize("call", ["feed", "finish"])
async def test_a_cancelled_stream_claims_no_end(
    call: str, tape: ListTape, vocabulary: Vocabulary, autojump_clock: MockClock
) -> None:
    recognizer = FakeRecognizer(vocabulary, cost_s=1, finish_s=1)
    with trio.move_on_after(0.5) as scope:
        async with TappedRecognizer(recognizer, tape).stream() as stream:
            await (stream.feed(PCM) if call == "feed" else stream.finish())
    assert scope.cancelled_caught
    assert recognizer.open_streams == 0
    assert [type(entry) for entry in tape.entries] == [f.StreamOpened]


async def test_two_streams_have_two_numbers(
    tape: ListTape, vocabulary: Vocabulary
) -> None:
    tapped = TappedRecognizer(FakeRecognizer(vocabulary), tape)
    async with tapped.stream() as one, tapped.stream() as other:
        await other.feed(PCM)
        await one.feed(PCM)
    fed = [entry.stream for entry in tape.entries if isinstance(entry, f.Fed)]
    assert fed == [2, 1]


# --- the language model ----------------------------------------------------------

QUESTION = (Message("system", "Be kind."), Message("user", "Ana: what time"))


async def test_a_reply_under_backpressure(
    tape: ListTape, turn_5: None, autojump_clock: MockClock
) -> None:
    model = FakeLanguageModel({"Ana: what time": "it is noon"}, 0.25, 0.0)
    tapped = TappedLanguageModel(model, tape)
    send, receive = trio.open_memory_channel[str](0)
    taken = []

    async def slow() -> None:
        async for token in receive:
            taken.append(token)
            await trio.sleep(1)

    async with trio.open_nursery() as nursery:
        nursery.start_soon(slow)
        with send:
            await tapped.reply(QUESTION, send)
    assert "".join(taken) == "it is noon "
    assert model.prompts == [QUESTION]
    assert tape.entries == [
        f.Asked(0.0, 1, 5, "Ana: what time"),
        f.Token(0.25, 1, 0.25, "it "),
        f.Token(1.25, 1, 0.25, "is "),
        f.Token(2.25, 1, 1.25, "noon "),
        f.Replied(2.25, 1, "done"),
    ]


@pytest.mark.parametrize(("error", "how", "message"), ERRORS)
async def test_a_failing_reply_fails_as_it_is(
    error: Exception, how: Any, message: str, autojump_clock: MockClock
) -> None:
    tape = ListTape()
    model = FakeLanguageModel(fail=error, fail_after=2)  # type: ignore[arg-type] # any error
    send, receive = trio.open_memory_channel[str](9)
    with send, receive, pytest.raises(type(error)) as caught:
        await TappedLanguageModel(model, tape).reply(QUESTION, send)
    assert caught.value is error
    kinds = [type(entry) for entry in tape.entries]
    assert kinds == [f.Asked, f.Token, f.Token, f.Replied]
    assert tape.entries[-1] == f.Replied(0.12, 1, how, message)


@pytest.mark.parametrize("room", [0, 1])
async def test_a_token_that_nobody_took_was_not_sent(
    room: int, tape: ListTape, autojump_clock: MockClock
) -> None:
    model = FakeLanguageModel(first_token_s=0.1, token_s=0.0)
    send, receive = trio.open_memory_channel[str](room)
    with trio.move_on_after(1) as scope, send, receive:
        await TappedLanguageModel(model, tape).reply(QUESTION, send)
    assert scope.cancelled_caught
    assert model.open_requests == 0
    assert [type(entry) for entry in tape.entries] == [f.Asked, *[f.Token] * room]


async def test_a_language_model_keeps_its_name_and_check(tape: ListTape) -> None:
    class Broken(FakeLanguageModel):
        async def check(self) -> None:
            raise FAILURE

    tapped = TappedLanguageModel(Broken(name="big"), tape)
    assert tapped.name == "big"
    with pytest.raises(ProviderError, match="too late"):
        await tapped.check()
    assert tape.entries == []
