"""A draft: a reply in the making, from the prompt to audio in its jitter buffer.

Language model, phrases and synthesis run ahead inside the draft's own cancel scope,
bounded by the jitter buffer. Nothing of it is heard until it is committed.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import attrs
import trio

from trioagent.decisions.jitter import JitterBuffer
from trioagent.decisions.phrases import PhraseCutter
from trioagent.errors import ProviderError, first_error
from trioagent.interfaces import Message, Speech
from trioagent.journal.events import TurnJournal
from trioagent.resampling import PhraseResampler
from trioagent.stages.voice import Voice
from trioagent.turn_clock import TurnClock

if TYPE_CHECKING:
    from collections.abc import Callable

TOKENS_AHEAD = 16
PHRASES_AHEAD = 1


@attrs.define(eq=False)
class Draft:
    """A reply to `text`, the words it was made from.

    Attributes:
        prompt: What the language model is asked; empty for a reply without one.
        history_version: The version of the history in `prompt`.
        error: Why the reply is not what it should be, if it failed.
        tokens: How many pieces the language model sent.
        buffer: The audio.
    """

    number: int
    text: str
    prompt: tuple[Message, ...]
    history_version: int
    voice: Voice
    journal: TurnJournal
    clock: TurnClock = attrs.Factory(TurnClock)
    error: ProviderError | None = None
    tokens: int = 0
    buffer: JitterBuffer = attrs.field(init=False)
    _was_ready: bool = False
    _synthesizing: bool = False
    _scope: trio.CancelScope = attrs.Factory(trio.CancelScope)
    _making: trio.CancelScope = attrs.Factory(trio.CancelScope)
    """Cancelled when the turn has no patience any more."""
    _changed: trio.lowlevel.ParkingLot = attrs.Factory(trio.lowlevel.ParkingLot)
    """Where tasks wait for the buffer: frame after frame, so no event."""

    def __attrs_post_init__(self) -> None:
        self.buffer = JitterBuffer(self.voice.rate_hz, self.voice.playback.fade_ms)

    def discard(self) -> None:
        """Cancel it. Safe before it has run, and twice."""
        self._scope.cancel("draft discarded")
        self.changed()

    @property
    def discarded(self) -> bool:
        """Whether another draft took its place."""
        return self._scope.cancel_called

    @property
    def waits_for(self) -> str:
        """Whose turn it is to make more of it."""
        return "the synthesizer" if self._synthesizing else "the language model"

    def commit(self) -> None:
        """From now on, the turn's patience is with this one."""
        self.clock.bind(self._making)

    def ready(self) -> bool:
        """Whether there is audio enough to start, or to go on after an underrun."""
        ready = self.buffer.ready(self.voice.start_level.seconds)
        if ready and not self._was_ready and self.buffer.cursor == 0:
            self.journal.record("buffered", draft=self.number)
        self._was_ready = ready
        return ready

    async def wait_until(self, condition: Callable[[], bool]) -> None:
        """Return when `condition` of the buffer holds."""
        while not condition():
            await self._changed.park()

    def changed(self) -> None:
        """The buffer changed: wake up who waits for it."""
        if self.buffer.cursor == 0:
            self.ready()
        self._changed.unpark_all()

    async def prepare(self) -> None:
        """Make the reply. Ends when all its audio is in the buffer, or discarded.

        If the turn's patience ends first, an apology takes the place of the rest.
        """
        with self._scope:
            with self._making:
                await self._make()
            if self._making.cancelled_caught:
                await self._give_up()
            self.buffer.complete = True
            self.changed()

    async def _make(self) -> None:
        async with trio.open_nursery() as nursery:
            tokens_in, tokens = trio.open_memory_channel[str](TOKENS_AHEAD)
            phrases_in, phrases = trio.open_memory_channel[str](PHRASES_AHEAD)
            nursery.start_soon(self._generate, tokens_in, name="generate")
            nursery.start_soon(self._cut, tokens, phrases_in, name="cut phrases")
            nursery.start_soon(self._synthesize, phrases, name="synthesize")

    async def _give_up(self) -> None:
        """Say that there will be no more; once, and only for so long."""
        self._synthesizing = False
        self._failed(self.clock.used_up())
        if not self.prompt:
            return
        with trio.CancelScope() as patience:
            self.clock.replace(self._making, patience)
            cutter = PhraseCutter(self.voice.chunker)
            notice = self.voice.failure_notice
            for phrase in [*cutter.push(notice), *cutter.finish()]:
                await self._say(phrase)

    async def _generate(self, tokens_in: trio.MemorySendChannel[str]) -> None:
        """Prompt → tokens."""
        with tokens_in:
            if not self.prompt:
                await tokens_in.send(self.text)
                return
            try:
                usage = await self.voice.language_model.reply(self.prompt, tokens_in)
            except ProviderError as error:
                self._failed(error)
                await tokens_in.send(f"\n{self.voice.failure_notice}\n")
            else:
                cost = {} if usage is None else {"usage": attrs.asdict(usage)}
                self.journal.record(
                    "llm_done", draft=self.number, tokens=self.tokens, **cost
                )

    async def _cut(
        self,
        tokens: trio.MemoryReceiveChannel[str],
        phrases_in: trio.MemorySendChannel[str],
    ) -> None:
        """Tokens → phrases; what waits for the next token too long is spoken."""
        cutter = PhraseCutter(self.voice.chunker)
        timeout_s = self.voice.chunker.timeout_ms / 1000
        with tokens, phrases_in:
            while True:
                phrases: list[str] = []
                waiting = tokens.statistics().current_buffer_used
                self.journal.peak("tokens", waiting)
                try:
                    with trio.move_on_after(timeout_s) as scope:
                        token = await tokens.receive()
                except trio.EndOfChannel:
                    break
                if scope.cancelled_caught:
                    phrases = cutter.timeout()
                else:
                    phrases = cutter.push(self._count(token))
                for phrase in phrases:
                    await phrases_in.send(phrase)
            for phrase in cutter.finish():
                await phrases_in.send(phrase)

    def _count(self, token: str) -> str:
        self.tokens += 1
        if self.tokens == 1 and self.prompt and self.error is None:
            self.journal.record("llm_first_token", draft=self.number)
        return token

    async def _synthesize(self, phrases: trio.MemoryReceiveChannel[str]) -> None:
        """Phrases → audio in the buffer. A phrase that cannot be spoken is skipped."""
        with phrases:
            async for phrase in phrases:
                await self._say(phrase)

    async def _say(self, phrase: str) -> None:
        self.journal.record("phrase", draft=self.number, text=phrase)
        self.buffer.begin_phrase(phrase)
        self._synthesizing = True
        self.changed()
        try:
            await self._speak(phrase)
        except* ProviderError as group:
            self._failed(first_error(group))
        else:
            self.buffer.end_phrase()
        self._synthesizing = False
        self.changed()

    async def _speak(self, phrase: str) -> None:
        """One phrase through the synthesizer, resampled for the room."""
        into = _Buffered(self, self.voice.synthesizer.rate_hz)
        began = trio.current_time()
        await self.voice.synthesizer.synthesize(phrase, into)
        into.finish()
        if not into.held_back:
            took_s = trio.current_time() - began
            self.voice.start_level.observe(into.audio_s, took_s)

    def has_room(self) -> bool:
        """Whether the buffer takes more now."""
        return self.buffer.level_s < self.voice.playback.ahead_s

    def put(self, speech: Speech) -> None:
        """The next audio, at the room's rate."""
        if not len(speech.pcm):
            return
        if self.buffer.cursor == 0 and self.buffer.level_s == 0:
            self.journal.record("tts_first_audio", draft=self.number)
        self.buffer.put(speech.pcm, speech.words)
        self.journal.peak("audio_ms", round(self.buffer.level_s * 1000, 1))
        self.changed()

    def _failed(self, error: ProviderError) -> None:
        self.error = error
        self.journal.record("provider_failed", draft=self.number, error=str(error))


@attrs.define(eq=False)
class _Buffered:
    """Where a synthesizer puts one phrase: into its draft's buffer, in the same step.

    Attributes:
        audio_s: How much came.
        held_back: Whether the synthesizer ever had to wait for room.
    """

    draft: Draft
    rate_hz: int
    audio_s: float = 0.0
    held_back: bool = False
    _resampler: PhraseResampler = attrs.field(init=False)

    def __attrs_post_init__(self) -> None:
        self._resampler = PhraseResampler(self.rate_hz, self.draft.voice.rate_hz)

    async def send(self, piece: Speech) -> None:
        """Wait for room; then it is in the buffer."""
        await trio.lowlevel.checkpoint()
        if not self.draft.has_room():
            self.held_back = True
            await self.draft.wait_until(self.draft.has_room)
        self._put(piece)

    def send_nowait(self, piece: Speech) -> None:
        """Put it in, or raise `trio.WouldBlock`."""
        if not self.draft.has_room():
            self.held_back = True
            raise trio.WouldBlock
        self._put(piece)

    def finish(self) -> None:
        """Put in what the resampler still holds."""
        self.draft.put(Speech(self._resampler.finish()))

    def _put(self, piece: Speech) -> None:
        self.audio_s += len(piece.pcm) / self.rate_hz
        self.draft.put(self._resampler.push(piece))
