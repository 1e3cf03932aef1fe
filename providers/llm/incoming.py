"""A reply as it comes in: its text is passed on, its thoughts are not."""

from __future__ import annotations

from typing import TYPE_CHECKING

import attrs
import trio

from providers.llm import chat_wire
from trioagent.decisions.spoken_text import ThinkFilter
from trioagent.errors import ProviderError
from trioagent.interfaces import Outlet, Usage

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from httpx_sse import ServerSentEvent

    from providers.llm.chat_wire import Chunk
    from providers.llm.openai import Options

_TAIL_S = 0.25
"""How long a reply that is complete may take to end its body."""


@attrs.define(eq=False)
class IncomingReply:
    """What has come of a reply so far.

    Attributes:
        started: Whether a piece was sent.
    """

    url: str
    _tokens: Outlet[str]
    _patience: trio.CancelScope
    started: bool = False
    usage: Usage | None = None
    _spoken: bool = False
    _thought: bool = False
    _answered: bool = False
    _first_deadline: float = attrs.field(init=False)
    _filter: ThinkFilter = attrs.Factory(ThinkFilter)

    def __attrs_post_init__(self) -> None:
        self._first_deadline = self._patience.deadline

    def start_anew(self) -> None:
        """Another try; the time for the first sign goes on running."""
        self._filter, self._thought, self._answered = ThinkFilter(), False, False
        self._patience.deadline = self._first_deadline

    async def pass_on(
        self, events: AsyncIterator[ServerSentEvent], token_timeout_s: float
    ) -> None:
        """Send the text of `events`; read them to their end."""
        async for event in events:
            self._patience.deadline = float("inf")
            chunk = chat_wire.read_chunk(event.data)
            await self._take(chunk)
            if chunk.is_last:
                await self._send(self._filter.finish())
                await self._read_tail(events)
                return
            self._answered = True
            self._patience.deadline = trio.current_time() + token_timeout_s
        raise ProviderError(f"{self.url} ended its reply in the middle")

    async def _take(self, chunk: Chunk) -> None:
        self.usage = chunk.usage or self.usage
        text = self._filter.push(chunk.text)
        self._thought |= chunk.is_thought or text != chunk.text
        await self._send(text)

    async def _send(self, text: str) -> None:
        if text:
            self.started = True
            self._spoken |= not text.isspace()
            await self._tokens.send(text)

    async def _read_tail(self, events: AsyncIterator[ServerSentEvent]) -> None:
        """Read to the end of the body, where the token counts are.

        A connection that is left in the middle of a body is closed, and the next reply
        would pay for a new one.
        """
        await trio.lowlevel.checkpoint()
        with trio.move_on_after(_TAIL_S):
            async for event in events:
                self.usage = chat_wire.read_chunk(event.data).usage or self.usage

    def expect_words(self) -> None:
        """Raise if the model thought, and said nothing."""
        if self._thought and not self._spoken:
            raise ProviderError(
                f"{self.url} sent thoughts, but not a word to say",
                hint='raise max_tokens, or turn thoughts off: reasoning_effort = "none"'
                " or chat_template_kwargs = { enable_thinking = false }",
            )

    def stalled(self, options: Options) -> ProviderError:
        """The error for a reply whose patience has run out."""
        key = "token_timeout_s" if self._answered else "first_token_timeout_s"
        return ProviderError(
            f"{self.url} stalled: nothing came for {getattr(options, key):g} s",
            hint=f"see whether the server is overloaded, or raise {key}",
        )
