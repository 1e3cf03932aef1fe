"""A connection to one Wyoming server, whose failures are ours and name the server."""

from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, Literal

import attrs
import trio

from trioagent.errors import ProviderError, ProviderUnavailable
from trioagent.wyoming.connection import Connection, LostConnection, dial
from trioagent.wyoming.framing import BadFrame, Event

if TYPE_CHECKING:
    from collections.abc import Iterator

    from providers.wyoming.options import WyomingOptions
    from trioagent.wyoming.address import Address

Service = Literal["asr", "tts"]
MODELS: dict[Service, str] = {"asr": "models", "tts": "voices"}
SERVICES = {
    "asr": "speech recognition",
    "tts": "speech synthesis",
    "wake": "wake words",
    "handle": "intent handling",
    "intent": "intent recognition",
}
MAX_NAMED = 8
# An utterance of ten minutes has 60,000.
MAX_EVENTS = 200_000
START_HINT = "start the server, or correct `uris`: trioagent serve --help"


@attrs.frozen
class Abilities:
    """What a server said of itself.

    Attributes:
        name: Of its program, for the log.
        names: Of its models or voices; a request may ask for one.
        streams: Its answer comes in pieces; a synthesizer's question may, too.
        pongs: It answers a ping after all that it was sent before.
    """

    name: str = ""
    names: tuple[str, ...] = ()
    streams: bool = False
    pongs: bool = False


class Link:
    """One connection. Whoever got an error from it, or was cancelled, closes it."""

    def __init__(
        self, address: Address, connection: Connection, timeout_s: float
    ) -> None:
        self.address = address
        self._connection = connection
        self._timeout_s = timeout_s
        self._events = 0

    async def send(self, *events: Event) -> None:
        """Send events.

        Raises:
            ProviderError: the server is gone, or takes nothing any more.
        """
        with _translated(self.address):
            try:
                with trio.fail_after(self._timeout_s):
                    await self._connection.send(*events)
            except trio.TooSlowError:
                text = f"it took nothing for {self._timeout_s:g} s"
                raise LostConnection(text) from None

    async def receive(self) -> Event:
        """Wait for the next event.

        Raises:
            ProviderError: the server is gone, silent, failed, or speaks no Wyoming.
        """
        with _translated(self.address):
            try:
                with trio.fail_after(self._timeout_s):
                    event = await self._connection.receive()
            except trio.TooSlowError:
                text = f"it did not answer within {self._timeout_s:g} s"
                raise LostConnection(text) from None
            if event is None:
                raise LostConnection("it closed the connection without an answer")
        self._events += 1
        if self._events > MAX_EVENTS:
            raise ProviderError(f"{self.address}: it does not stop talking")
        return self._checked(event)

    def has_arrived(self) -> bool:
        """Whether `receive` would not have to wait (but for the rest of a frame)."""
        return self._connection.has_arrived()

    def close(self) -> None:
        """Close at once. Again is nothing."""
        self._connection.close()

    def _checked(self, event: Event) -> Event:
        if event.type == "error":
            code = f" ({event.text('code')})" if event.text("code") else ""
            raise ProviderError(f"{self.address}: {event.text('text')}{code}")
        return event


async def connect(address: Address, options: WyomingOptions) -> Link:
    """Connect to a server.

    Raises:
        ProviderUnavailable: nobody is there.
    """
    try:
        connection = await dial(address, options.connect_timeout_s)
    except LostConnection as error:
        raise ProviderUnavailable(f"{address}: {error}", hint=START_HINT) from error
    return Link(address, connection, options.answer_timeout_s)


async def describe(link: Link, service: Service, timeout_s: float) -> Abilities:
    """Ask a server what it offers.

    Raises:
        ProviderError: no answer, or another service.
    """
    # Events are answered in order: a pong after the info is none to the ping.
    pongs = False
    try:
        with trio.fail_after(timeout_s):
            await link.send(Event("ping"), Event("describe"))
            while (event := await link.receive()).type != "info":
                pongs = pongs or event.type == "pong"
    except trio.TooSlowError:
        text = f"{link.address}: it did not say what it is within {timeout_s:g} s"
        raise ProviderUnavailable(text, hint=START_HINT) from None
    return _abilities(link.address, event.data, service, pongs=pongs)


def _abilities(
    address: Address, info: dict[str, Any], service: Service, *, pongs: bool
) -> Abilities:
    programs = _installed(info.get(service))
    if not programs:
        offered = [text for key, text in SERVICES.items() if _installed(info.get(key))]
        raise ProviderUnavailable(
            f"{address}: it offers {', '.join(offered) or 'nothing'}, "
            f"no {SERVICES[service]}",
            hint=f"name a server for {SERVICES[service]} in `uris`",
        )
    program = programs[0]
    models = _installed(program.get(MODELS[service]))
    key = {"asr": "supports_transcript_streaming"}
    streams = program.get(key.get(service, "supports_synthesize_streaming"))
    return Abilities(
        name=str(program.get("name", "")),
        names=tuple(str(model.get("name", "")) for model in models),
        streams=streams is True,
        pongs=pongs,
    )


def _installed(items: object) -> list[dict[str, Any]]:
    found = items if isinstance(items, list) else []
    return [x for x in found if isinstance(x, dict) and x.get("installed", True)]


def check_name(address: Address, abilities: Abilities, name: str) -> None:
    """Raise `ProviderUnavailable` if the server has other models or voices only."""
    if not name or not abilities.names or name in abilities.names:
        return
    some = ", ".join(abilities.names[:MAX_NAMED])
    more = len(abilities.names) - MAX_NAMED
    raise ProviderUnavailable(
        f"{address}: it has no {name!r}",
        hint=f"it has {some}" + (f" and {more} more" if more > 0 else ""),
    )


@contextmanager
def _translated(address: Address) -> Iterator[None]:
    try:
        yield
    except LostConnection as error:
        raise ProviderUnavailable(f"{address}: {error}", hint=START_HINT) from error
    except BadFrame as error:
        raise ProviderError(
            f"{address}: it does not speak Wyoming, or not well: {error}",
            hint="check host and port in `uris`",
        ) from error
