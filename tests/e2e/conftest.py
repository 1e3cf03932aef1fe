"""Fixtures that all tests against real servers share."""

from __future__ import annotations

import gc
from typing import TYPE_CHECKING

import pytest

from tests.e2e.murmur import murmur_certificates, murmur_server

if TYPE_CHECKING:
    from collections.abc import Iterator

__all__ = ["murmur_certificates", "murmur_server"]


@pytest.fixture(autouse=True)
def no_long_collections() -> Iterator[None]:
    """What earlier tests left behind is not looked through for garbage meanwhile.

    In a process that has run thousands of tests that takes so long that callers, who
    live in it too, break off in mid-word. `trioagent` freezes what is there as well.
    """
    gc.freeze()
    yield
    gc.unfreeze()
