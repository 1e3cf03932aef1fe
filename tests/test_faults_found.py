"""What the fault matrix found, made so small that it fails each time."""

from __future__ import annotations

import ssl
from typing import TYPE_CHECKING

import trio

from providers.asr import wyoming
from providers.rooms.mumble.control import ControlStream
from providers.tts.espeak import PROVIDER, Options
from providers.wyoming import servers
from tests.contract.asr_contract import transcribe
from tests.helpers_speech import say
from tests.helpers_wyoming import served_recognizer, unreliable

if TYPE_CHECKING:
    import pytest

    from trioagent.interfaces import Outlet, Speech

LONG = "the garden is very quiet today and the rain is cold"


class _ClosedByCancelling:
    """Takes speech until its reader is cancelled, and is closed in the same moment.

    As a draft's reader does it: the synthesizer's thread may be just about to send.
    """

    def __init__(self, scope: trio.CancelScope) -> None:
        self._scope = scope

    def send_nowait(self, _speech: Speech) -> None:
        self._scope.cancel()
        raise trio.BrokenResourceError

    async def send(self, speech: Speech) -> None:
        await trio.lowlevel.checkpoint()
        self.send_nowait(speech)


async def test_a_reader_that_is_cancelled_and_closed_at_once_is_no_failure() -> None:
    with trio.CancelScope() as scope:
        audio: Outlet[Speech] = _ClosedByCancelling(scope)
        async with PROVIDER.open(Options()) as synthesizer:
            await synthesizer.synthesize(LONG, audio)
    assert scope.cancelled_caught


async def test_a_link_that_is_closed_has_nothing_unacknowledged() -> None:
    """A reply may write one more frame before it is told that the link is gone."""
    listeners = await trio.open_tcp_listeners(0, host="127.0.0.1")
    stream = await trio.open_tcp_stream(*listeners[0].socket.getsockname()[:2])
    control = ControlStream(trio.SSLStream(stream, ssl.create_default_context()))
    assert control.unacknowledged_bytes() == 0
    await trio.aclose_forcefully(stream)
    assert control.unacknowledged_bytes() == 0
    for listener in listeners:
        await listener.aclose()


async def test_a_server_that_stalled_is_not_the_first_to_be_asked_next(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Who waits for a recognizer may give up before its own time-out has passed."""
    monkeypatch.setattr(servers, "STALLED_S", 0.2)
    async with (
        served_recognizer() as target,
        unreliable(target) as first,
        unreliable(target) as second,
    ):
        options = wyoming.Options(uris=(first.uri, second.uri), check_interval_s=60.0)
        async with wyoming.PROVIDER.open(options) as recognizer:
            first.stalls = True
            with trio.move_on_after(0.5) as patience:
                await transcribe(recognizer, say("turn on the light"))
            assert patience.cancelled_caught
            with trio.fail_after(options.answer_timeout_s / 2):
                heard = await transcribe(recognizer, say("turn on the light"))
    assert heard == "turn on the light"
