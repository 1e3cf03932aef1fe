"""Several Wyoming servers for one service, and one request's way through them."""

from __future__ import annotations

import logging
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING

import attrs
import trio

from providers.wyoming.link import (
    SERVICES,
    START_HINT,
    Abilities,
    Link,
    Service,
)
from providers.wyoming.server import Server
from trioagent.errors import ProviderError, ProviderUnavailable
from trioagent.wyoming.address import Address, parse_address

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from providers.wyoming.options import WyomingOptions

log = logging.getLogger(__name__)

# Longer than a server that works lets anybody wait for its answer to some audio.
STALLED_S = 3.0


@attrs.define(eq=False)
class Route:
    """One request's way: server after server, each at most once, until one answers.

    Used in a `with` block, whose end closes its connection.
    """

    servers: tuple[Server, ...]
    link: Link | None = None
    _server: Server | None = None
    _failures: dict[Address, ProviderError] = attrs.Factory(dict)

    def __enter__(self) -> Route:
        """Nothing is connected yet."""
        return self

    def __exit__(self, *_error: object) -> None:
        """Close the connection."""
        self.leave()

    @property
    def abilities(self) -> Abilities:
        """What the server can do that the route has led to."""
        return Abilities() if self._server is None else self._server.abilities

    async def connect(self) -> Link:
        """Connect to the best server that was not tried.

        Raises:
            ProviderError: all were tried; it says what each of them said.
        """
        while self.link is None:
            server = self._best()
            if server is None:
                raise self._all_failed()
            self._server = server
            server.load += 1
            try:
                self.link = await server.open()
            except ProviderError as error:
                self.failed(error)
            except BaseException:
                self.leave()
                raise
        return self.link

    def failed(self, error: ProviderError) -> None:
        """Leave the server, which failed: `connect` leads to another."""
        if self._server is not None:
            self._server.failed(error)
            self._failures[self._server.address] = error
        self.leave()

    def given_up(self, asked: float) -> None:
        """Whoever `asked` at that time was cancelled before an answer came.

        One who waits for us may have less patience than `answer_timeout_s`. A server
        that was silent for long is not the first to be asked next, until it has shown
        that it is well.
        """
        waited_s = trio.current_time() - asked
        if self._server is not None and waited_s > STALLED_S:
            text = f"{self._server.address}: it did not answer for {waited_s:.1f} s"
            self._server.failed(ProviderUnavailable(text, hint=START_HINT))
        self.leave()

    def leave(self) -> None:
        """Close the connection, which also cancels what the server does for us."""
        if self.link is not None:
            self.link.close()
            self.link = None
        if self._server is not None:
            self._server.load -= 1
            self._server = None

    def start_over(self) -> None:
        """An answer came: all servers may be tried again."""
        self._failures.clear()

    def _best(self) -> Server | None:
        left = [s for s in self.servers if s.address not in self._failures]
        # Of equals, the first: `min` keeps the order of `uris`.
        return min(left, key=lambda s: (bool(s.trouble), s.load), default=None)

    def _all_failed(self) -> ProviderError:
        errors = list(self._failures.values())
        if len(errors) == 1:
            return errors[0]
        text = "; ".join(error.message for error in errors)
        return ProviderUnavailable(f"no server could answer: {text}")


@attrs.frozen(eq=False)
class Servers:
    """All servers of one service."""

    all: tuple[Server, ...]

    def route(self) -> Route:
        """A way for one request."""
        return Route(self.all)

    @asynccontextmanager
    async def looked_after(self) -> AsyncIterator[None]:
        """Know which are well, and keep a connection to each, until the block ends."""
        async with trio.open_nursery() as nursery:
            for server in self.all:
                nursery.start_soon(server.keep, name=f"look after {server.address}")
            yield
            nursery.cancel_scope.cancel("closing the connections")


@asynccontextmanager
async def open_servers(
    service: Service, options: WyomingOptions, wanted_name: str
) -> AsyncIterator[Servers]:
    """Ask all servers what they offer; close what is open when the block ends.

    Raises:
        ConfigError: an address is none.
        ProviderUnavailable: no server can be used; each is named with its reason.
    """
    if not options.uris:
        raise ProviderUnavailable(
            f"wyoming: no server for {SERVICES[service]} is configured",
            hint=f'set uris = ["tcp://host:port"] in [{service}.wyoming]',
        )
    servers = tuple(
        Server(parse_address(uri), service, options, wanted_name)
        for uri in dict.fromkeys(options.uris)
    )
    try:
        await _check_all(servers)
        yield Servers(servers)
    finally:
        for server in servers:
            server.close()


async def _check_all(servers: tuple[Server, ...]) -> None:
    errors: list[ProviderError] = []

    async def check(server: Server) -> None:
        try:
            await server.check()
        except ProviderError as error:
            errors.append(error)
            server.failed(error)
        else:
            log.info("wyoming: %s is %s", server.address, server.abilities.name)

    async with trio.open_nursery() as nursery:
        for server in servers:
            nursery.start_soon(check, server, name=f"check {server.address}")
    if len(errors) == len(servers):
        text = "; ".join(error.message for error in errors)
        raise ProviderUnavailable(f"wyoming: {text}", hint=errors[0].hint)
