"""Stand between the agent and its models, and note what they are asked and give.

Each does what the model does, at the same moment and with the same errors.
"""

from __future__ import annotations

from collections.abc import Callable
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Generic, NoReturn, TypeVar

import attrs
import trio

from trioagent.errors import ProviderError, first_error
from trioagent.interfaces import (
    LanguageModel,
    Message,
    Outlet,
    Pcm,
    Recognizer,
    RecognizerStream,
    Speech,
    Synthesizer,
    Usage,
)
from trioagent.journal.events import current_turn
from trioagent.recording import format as f
from trioagent.recording.noting import Tape

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Sequence
    from contextlib import AbstractAsyncContextManager

    from trioagent.recording.format import How

T = TypeVar("T")


@attrs.frozen(eq=False)
class TappedRecognizer:
    """A recognizer; what its streams are asked and give is noted."""

    recognizer: Recognizer
    tape: Tape

    @asynccontextmanager
    async def stream(self) -> AsyncIterator[RecognizerStream]:
        """One utterance's."""
        number, turn, asked = self.tape.number(), current_turn(), trio.current_time()
        opening = _opening(self.recognizer.stream(), number, turn, self.tape)
        async with opening as stream:
            entry = f.StreamOpened(trio.current_time(), number, turn, asked)
            self.tape.note(entry)
            yield _TappedStream(stream, number, self.tape)


@asynccontextmanager
async def _opening(
    manager: AbstractAsyncContextManager[RecognizerStream],
    number: int,
    turn: int,
    tape: Tape,
) -> AsyncIterator[RecognizerStream]:
    """`manager`; if it cannot be entered, that is noted."""
    asked, entered = trio.current_time(), False
    try:
        async with manager as stream:
            entered = True
            yield stream
    except Exception as error:
        if not entered:
            now, why, crashed = trio.current_time(), _message(error), _crashed(error)
            tape.note(f.StreamOpened(now, number, turn, asked, why, crashed))
        raise


@attrs.frozen(eq=False)
class _TappedStream:
    stream: RecognizerStream
    number: int
    tape: Tape

    async def feed(self, pcm: Pcm) -> str:
        asked = trio.current_time()
        try:
            text = await self.stream.feed(pcm)
        except Exception as error:  # noqa: BLE001 - raised again
            self._failed(asked, len(pcm), error)
        now = trio.current_time()
        self.tape.note(f.Fed(now, self.number, asked, len(pcm), text))
        return text

    async def finish(self) -> str:
        asked = trio.current_time()
        try:
            text = await self.stream.finish()
        except Exception as error:  # noqa: BLE001 - raised again
            self._failed(asked, None, error)
        self.tape.note(f.Finished(trio.current_time(), self.number, asked, text))
        return text

    def _failed(self, asked: float, samples: int | None, error: Exception) -> NoReturn:
        now, how = trio.current_time(), _how(error)
        entry = f.StreamFailed(now, self.number, asked, samples, how, _message(error))
        self.tape.note(entry)
        raise error


@attrs.frozen(eq=False)
class TappedLanguageModel:
    """A language model; what it is asked and replies is noted."""

    model: LanguageModel
    tape: Tape

    @property
    def name(self) -> str:
        """The model's."""
        return self.model.name

    async def check(self) -> None:
        """As the model does; not noted."""
        await self.model.check()

    async def reply(
        self, messages: Sequence[Message], tokens: Outlet[str]
    ) -> Usage | None:
        """As the model does."""
        tape, number = self.tape, self.tape.number()

        def took(offered: float, text: str) -> None:
            tape.note(f.Token(trio.current_time(), number, offered, text))

        said = messages[-1].content if messages else ""
        tape.note(f.Asked(trio.current_time(), number, current_turn(), said))
        try:
            usage = await self.model.reply(messages, _TappedOutlet(tokens, took))
        except Exception as error:
            now, how = trio.current_time(), _how(error)
            tape.note(f.Replied(now, number, how, _message(error)))
            raise
        cost = {} if usage is None else attrs.asdict(usage)
        tape.note(f.Replied(trio.current_time(), number, "done", usage=cost))
        return usage


@attrs.frozen(eq=False)
class TappedSynthesizer:
    """A synthesizer; what it is given to say and its audio are noted."""

    synthesizer: Synthesizer
    tape: Tape

    @property
    def rate_hz(self) -> int:
        """The synthesizer's."""
        return self.synthesizer.rate_hz

    async def synthesize(self, phrase: str, audio: Outlet[Speech]) -> None:
        """As the synthesizer does."""
        tape, number = self.tape, self.tape.number()

        def took(offered: float, speech: Speech) -> None:
            words = tuple((mark.start_char, mark.at_sample) for mark in speech.words)
            now, samples = trio.current_time(), len(speech.pcm)
            entry = f.Sound(now, number, offered, samples, words)
            tape.note(entry, f.SYNTHESIZED, speech.pcm)

        tape.note(f.ToSay(trio.current_time(), number, current_turn(), phrase))
        try:
            await self.synthesizer.synthesize(phrase, _TappedOutlet(audio, took))
        except Exception as error:
            now, how = trio.current_time(), _how(error)
            tape.note(f.Said(now, number, how, _message(error)))
            raise
        tape.note(f.Said(trio.current_time(), number, "done"))


@attrs.frozen(eq=False)
class _TappedOutlet(Generic[T]):
    """Values on their way; `took` is told when each was offered, once it is taken."""

    outlet: Outlet[T]
    took: Callable[[float, T], None]

    async def send(self, value: T) -> None:
        offered = trio.current_time()
        await self.outlet.send(value)
        self.took(offered, value)

    def send_nowait(self, value: T) -> None:
        self.outlet.send_nowait(value)
        self.took(trio.current_time(), value)


def _message(error: Exception) -> str:
    if isinstance(error, ExceptionGroup):
        error = first_error(error)
    return str(error) or type(error).__name__


def _how(error: Exception) -> How:
    return "crashed" if _crashed(error) else "failed"


def _crashed(error: Exception) -> bool:
    group = error if isinstance(error, ExceptionGroup) else ExceptionGroup("", [error])
    return group.split(ProviderError)[1] is not None
