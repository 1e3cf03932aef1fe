"""A real Mumble server: `async with murmur_server(password="x") as server:`."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Protocol

import pytest
import trio

from providers.rooms.murmurd import Murmurd, MurmurdSettings, find_murmurd, open_murmurd

if TYPE_CHECKING:
    from collections.abc import Callable
    from contextlib import AbstractAsyncContextManager
    from pathlib import Path


class OpenServer(Protocol):
    """Opens a server; keywords are fields of `MurmurdSettings`."""

    def __call__(self, **settings: Any) -> AbstractAsyncContextManager[Murmurd]: ...


async def until(condition: Callable[[], bool], timeout_s: float = 10) -> None:
    """Return when `condition` holds; fail if that takes longer than `timeout_s`."""
    with trio.fail_after(timeout_s):
        await trio.lowlevel.checkpoint()
        while not condition():  # noqa: ASYNC110 - the world outside sets no event
            await trio.sleep(0.01)


@pytest.fixture(scope="session")
def murmur_certificates(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """One certificate for all servers of the session."""
    return tmp_path_factory.mktemp("murmur-certificates")


@pytest.fixture
def murmur_server(murmur_certificates: Path) -> OpenServer:
    """Opens servers in a test; each is its own, on a port of its own."""
    if find_murmurd() is None:
        pytest.skip("murmurd is not installed: apt-get install mumble-server")

    def open_server(**settings: Any) -> AbstractAsyncContextManager[Murmurd]:
        settings.setdefault("certificate_folder", murmur_certificates)
        return open_murmurd(MurmurdSettings(**settings))

    return open_server
