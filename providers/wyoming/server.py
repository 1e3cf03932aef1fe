"""One Wyoming server: whether it is well, and a connection that is always ready."""

from __future__ import annotations

import logging

import attrs
import trio

from providers.wyoming.link import (
    Abilities,
    Link,
    Service,
    check_name,
    connect,
    describe,
)
from providers.wyoming.options import WyomingOptions
from trioagent.errors import ProviderError
from trioagent.wyoming.address import Address

log = logging.getLogger(__name__)

FIRST_RETRY_S = 0.25


@attrs.define(eq=False)
class Server:
    """A server, its state, and its spare connection."""

    address: Address
    service: Service
    options: WyomingOptions
    wanted_name: str = ""
    """The model or voice that it must have."""
    abilities: Abilities = attrs.Factory(Abilities)
    """What it said of itself when it was asked last."""
    known: bool = False
    """Whether it was ever asked with success."""
    load: int = 0
    """How many requests are under way."""
    trouble: str = ""
    """Why it cannot be used, as far as is known; empty if it can."""
    _spare: Link | None = None
    _wake: trio.Event = attrs.Factory(trio.Event)

    async def open(self) -> Link:
        """A connection for one request: the spare one, if it still is one.

        Raises:
            ProviderError: the server cannot be reached.
        """
        spare, self._spare = self._spare, None
        self._wake.set()
        if spare is not None:
            # Nothing was asked: what has arrived is its end.
            if not spare.has_arrived():
                return spare
            spare.close()
        link = await connect(self.address, self.options)
        if not self.known:
            # It was never there so far: what it can do must be known.
            try:
                await self._ask(link)
            except BaseException:
                link.close()
                raise
        return link

    def failed(self, error: ProviderError) -> None:
        """Note that it failed; it is asked soon whether it is back."""
        if not self.trouble:
            log.warning("%s", error.message)
        self.trouble = error.message
        self._wake.set()

    async def check(self) -> None:
        """Ask what it offers, on what becomes the spare connection.

        Raises:
            ProviderError: no answer, or it is of no use to us.
        """
        link, self._spare = self._spare, None
        if link is None or link.has_arrived():
            if link is not None:
                link.close()
            link = await connect(self.address, self.options)
        try:
            await self._ask(link)
        except BaseException:
            link.close()
            raise
        self.close()
        self._spare = link
        if self.trouble:
            log.info("%s is back", self.address)
        self.trouble = ""

    async def keep(self) -> None:
        """Look after the server until cancelled."""
        retry_s = FIRST_RETRY_S
        while True:
            self._wake = trio.Event()
            try:
                await self._refresh()
            except ProviderError as error:
                self.failed(error)
                await trio.sleep(retry_s)
                retry_s = min(2 * retry_s, self.options.check_interval_s)
            else:
                retry_s = FIRST_RETRY_S
                with trio.move_on_after(self.options.check_interval_s):
                    await self._wake.wait()

    def close(self) -> None:
        """Close the spare connection."""
        if self._spare is not None:
            self._spare.close()
            self._spare = None

    async def _refresh(self) -> None:
        # One that works on something may take long to answer: it is well enough.
        if self.trouble or not self.load:
            await self.check()
        elif self._spare is None:
            self._spare = await connect(self.address, self.options)

    async def _ask(self, link: Link) -> None:
        abilities = await describe(link, self.service, self.options.answer_timeout_s)
        check_name(self.address, abilities, self.wanted_name)
        self.abilities, self.known = abilities, True
