"""Several language models in a row: where one fails, the next one replies.

The user hears of it once per outage, and the better model comes back by itself.
"""

from __future__ import annotations

import logging
import math
from typing import TYPE_CHECKING, NoReturn

import attrs
import trio

from trioagent.decisions.breaker import Breaker
from trioagent.errors import ProviderError, ProviderUnavailable
from trioagent.guards.call import begin
from trioagent.interfaces import LanguageModel

if TYPE_CHECKING:
    from collections.abc import Sequence

    from trioagent.interfaces import Message, Outlet, Usage

_log = logging.getLogger(__name__)

# A probe that finds another one under way looks again after this.
LOOK_AGAIN_S = 0.1


@attrs.frozen(eq=False)
class Link:
    """A model of the chain.

    `notice` is said before its reply, once per outage of the better models, as in
    "I can't reach my language model, so I will only repeat what I hear."; empty says
    nothing. `breaker` is this model's alone.
    """

    model: LanguageModel
    notice: str = ""
    breaker: Breaker = attrs.Factory(Breaker)


class FallbackChain:
    """A `LanguageModel` made of several, the best first.

    A reply tries the models in order, leaving out those that are down, and goes on to
    the next when one fails before its first piece. Later failures are the caller's, but
    too many of them in a row and the model is down, too. If all are down, each is tried
    until its breaker opens: then nobody waits for it.
    `run` belongs beside it: it finds out when a model that fails is back.

    One chain serves one conversation: the notice is for those who hear that one. It
    counts as said once the history has grown; until then the reply that had it was a
    draft that nobody heard, and the next one has it again.

    Several chains may share models: then their links share breakers, and the chains
    `broke_off`, the breakers of those that replied last, but not to the end.
    """

    def __init__(
        self, links: Sequence[Link], broke_off: set[Breaker] | None = None
    ) -> None:
        if not links:
            raise ValueError("a chain needs a model")
        self._links = tuple(links)
        self._fell = trio.Event()
        self._broke_off = set() if broke_off is None else broke_off
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
        if self._failing:  # it may be another chain that has found that out
            self._fell.set()
        for link in self._usable():
            relay = _Relay(link.model, messages, tokens)
            if not await self._ask(link, relay, self._due_notice(link, messages)):
                continue
            self._served(link, messages, started=relay.started)
            if relay.error is not None:
                raise relay.error
            return relay.usage
        raise self._all_failed()

    async def run(self) -> NoReturn:
        """While models fail, ask now and then whether they are back."""
        while True:
            await self._fell.wait()
            self._fell = trio.Event()
            while self._failing:
                await trio.sleep(LOOK_AGAIN_S)
                # Meanwhile a reply may have found out that all are well.
                times = [link.breaker.retry_at for link in self._failing]
                await trio.sleep_until(min(times, default=-math.inf))
                for link in self._failing:
                    if link.breaker.retry_at <= trio.current_time():
                        await self._probe(link)

    @property
    def _failing(self) -> list[Link]:
        return [link for link in self._links if link.breaker.failing]

    def _usable(self) -> list[Link]:
        """All but those that are down; if all are, any may be worth another try."""
        return [x for x in self._links if not self._down(x)] or list(self._links)

    def _down(self, link: Link) -> bool:
        """Whether it did not even begin to reply, or too often not to the end."""
        open_now = link.breaker.state(trio.current_time()) != "closed"
        return open_now or (
            link.breaker.failing and link.breaker not in self._broke_off
        )

    async def _ask(self, link: Link, relay: _Relay, notice: str) -> bool:
        """Let the model reply; False if the next one may."""
        call = begin(link.breaker)
        if call is None:
            return False
        was_down = self._down(link)
        with call:
            call.error = await relay.run(notice)
            call.answered()
        self._broke_off.discard(link.breaker)
        if call.error is not None and relay.started:
            self._broke_off.add(link.breaker)
        self._tell(link, was_down=was_down)
        return call.error is None or relay.started

    def _due_notice(self, link: Link, messages: Sequence[Message]) -> str:
        said_in = self._noticed.get(link)
        return link.notice if said_in in (None, tuple(messages[:-1])) else ""

    def _served(
        self, link: Link, messages: Sequence[Message], *, started: bool
    ) -> None:
        if started:
            self._noticed.setdefault(link, tuple(messages[:-1]))
        for worse in self._links[self._links.index(link) + 1 :]:
            self._noticed.pop(worse, None)

    def _tell(self, link: Link, *, was_down: bool) -> None:
        down = self._down(link)
        if link.breaker.failing:
            self._fell.set()
        if down and not was_down:
            _log.warning("%s is down: %s", link.model.name, link.breaker.last_error)
        elif was_down and not down:
            _log.warning("%s is back", link.model.name)

    async def _probe(self, link: Link) -> bool:
        """Ask the model whether it can be used."""
        await trio.lowlevel.checkpoint()
        call = begin(link.breaker)
        if call is None:
            return False
        was_down = self._down(link)
        with call:
            try:
                await link.model.check()
            except ProviderError as error:
                call.error = error
            else:
                link.breaker.seems_well()
        self._broke_off.discard(link.breaker)
        self._tell(link, was_down=was_down)
        return call.error is None

    def _all_failed(self) -> ProviderUnavailable:
        reasons = [f"{x.model.name}: {x.breaker.last_error}" for x in self._failing]
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
        self.error: ProviderError | None = None
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
        return self.error

    async def _ask(self, send: trio.MemorySendChannel[str]) -> None:
        with send:
            await trio.lowlevel.checkpoint()
            try:
                self.usage = await self._model.reply(self._messages, send)
            except ProviderError as error:
                self.error = error

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
