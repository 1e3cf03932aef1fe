"""Several language models in a row: where one fails, the next one replies.

The user hears of it once per outage, and the better model comes back by itself.
"""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING, NoReturn

import attrs
import trio

from trioagent.errors import ProviderError, ProviderUnavailable
from trioagent.interfaces import LanguageModel

if TYPE_CHECKING:
    from collections.abc import Sequence

    from trioagent.interfaces import Message, Outlet, Usage

_log = logging.getLogger(__name__)

RETRY_S = 10.0
_LONGEST_RETRY_S = 300.0


@attrs.frozen(eq=False)
class Link:
    """A model of the chain.

    `notice` is said before its reply, once per outage of the better models, as in
    "I can't reach my language model, so I will only repeat what I hear."; empty says
    nothing.
    """

    model: LanguageModel
    notice: str = ""


class FallbackChain:
    """A `LanguageModel` made of several, the best first.

    A reply tries the models in order, leaving out those that are down, and goes on to
    the next when one fails before its first piece. Later failures are the caller's.
    `run` belongs beside it: it finds out when a model that is down is back.

    One chain serves one conversation: the notice is for those who hear that one. It
    counts as said once the history has grown; until then the reply that had it was a
    draft that nobody heard, and the next one has it again.
    """

    def __init__(self, links: Sequence[Link], *, retry_s: float = RETRY_S) -> None:
        if not links:
            raise ValueError("a chain needs a model")
        self._links = tuple(links)
        self._retry_s = retry_s
        self._down: dict[Link, ProviderError] = {}
        self._falls = 0
        self._fell = trio.Event()
        self._noticed: dict[Link, tuple[Message, ...]] = {}

    @property
    def name(self) -> str:
        """The name of the model that would reply now."""
        return self._usable()[0].model.name

    async def check(self) -> None:
        """Find the best model that can be used, and warm it.

        Raises:
            ProviderUnavailable: there is none; it has the reason of each.
        """
        for link in self._links:
            if await self._probe(link):
                return
        raise self._all_failed()

    async def reply(
        self, messages: Sequence[Message], tokens: Outlet[str]
    ) -> Usage | None:
        """Send the pieces of the first model that has some, after its notice if due.

        Raises:
            ProviderUnavailable: every model failed; it has the reason of each.
            ProviderError: a model failed after its first piece.
        """
        for link in self._usable():
            relay = _Relay(link.model, messages, tokens)
            error = await relay.run(self._due_notice(link, messages))
            if error is None or relay.started:
                self._served(link, messages, started=relay.started)
                if error is not None:
                    raise error
                return relay.usage
            self._set_down(link, error)
        raise self._all_failed()

    async def run(self) -> NoReturn:
        """While models are down, ask now and then whether they are back."""
        while True:
            await self._fell.wait()
            while self._down:
                await trio.sleep(self._pause_s())
                for link in tuple(self._down):
                    await self._probe(link)
            self._fell = trio.Event()

    def _usable(self) -> list[Link]:
        """All but those that are down; if all are, any may be worth another try."""
        return [x for x in self._links if x not in self._down] or list(self._links)

    def _due_notice(self, link: Link, messages: Sequence[Message]) -> str:
        said_in = self._noticed.get(link)
        return link.notice if said_in in (None, tuple(messages[:-1])) else ""

    def _served(
        self, link: Link, messages: Sequence[Message], *, started: bool
    ) -> None:
        self._set_up(link)
        if link is self._links[0]:
            self._falls = 0
        if started:
            self._noticed.setdefault(link, tuple(messages[:-1]))
        for worse in self._links[self._links.index(link) + 1 :]:
            self._noticed.pop(worse, None)

    def _set_down(self, link: Link, error: ProviderError) -> None:
        if link not in self._down:
            _log.warning("%s is down: %s", link.model.name, error)
            self._falls += 1
        self._down[link] = error
        self._fell.set()

    def _set_up(self, link: Link) -> None:
        if self._down.pop(link, None) is not None:
            _log.warning("%s is back", link.model.name)

    async def _probe(self, link: Link) -> bool:
        await trio.lowlevel.checkpoint()
        try:
            await link.model.check()
        except ProviderError as error:
            self._set_down(link, error)
            return False
        self._set_up(link)
        return True

    def _pause_s(self) -> float:
        """Longer each time that a model seemed to be back and then failed again."""
        doubled = self._retry_s * 2.0 ** min(self._falls - len(self._down), 16)
        return max(self._retry_s, min(doubled, _LONGEST_RETRY_S))

    def _all_failed(self) -> ProviderUnavailable:
        reasons = [f"{x.model.name}: {error}" for x, error in self._down.items()]
        return ProviderUnavailable(
            "no language model can be used:\n" + "\n".join(reasons),
        )


class _Relay:
    """Passes one model's reply on, and knows whether it has begun."""

    def __init__(
        self,
        model: LanguageModel,
        messages: Sequence[Message],
        tokens: Outlet[str],
    ) -> None:
        self._model = model
        self._messages = messages
        self._tokens = tokens
        self._error: ProviderError | None = None
        self.started = False
        self.usage: Usage | None = None

    async def run(self, notice: str) -> ProviderError | None:
        """Send the reply, `notice` before its first piece; return why it failed."""
        send, receive = trio.open_memory_channel[str](0)
        reader_gone: trio.BrokenResourceError | None = None
        async with trio.open_nursery() as nursery:
            nursery.start_soon(self._ask, send, name=f"reply of {self._model.name}")
            try:
                await self._pass_on(receive, notice)
            except trio.BrokenResourceError as error:
                # Not out of the nursery: our caller expects it bare, not in a group.
                reader_gone = error
                nursery.cancel_scope.cancel()
        if reader_gone is not None:
            raise reader_gone
        return self._error

    async def _ask(self, send: trio.MemorySendChannel[str]) -> None:
        with send:
            await trio.lowlevel.checkpoint()
            try:
                self.usage = await self._model.reply(self._messages, send)
            except ProviderError as error:
                self._error = error

    async def _pass_on(
        self, receive: trio.MemoryReceiveChannel[str], notice: str
    ) -> None:
        await trio.lowlevel.checkpoint()
        with receive:
            async for piece in receive:
                if notice and not self.started:
                    await self._tokens.send(f"{notice.rstrip()} ")
                self.started = True
                await self._tokens.send(piece)
