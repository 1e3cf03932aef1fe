"""What a look at a process sees of its memory."""

from __future__ import annotations

import numpy as np
import pytest
import trio

from bench.vitals import Vitals, vitals

MIB = 1024


async def look() -> Vitals:
    """One after another, with nothing of the first left."""
    await trio.lowlevel.checkpoint()
    return vitals(0)


async def test_memory_that_is_held_is_seen_and_what_was_given_back_is_not() -> None:
    before = await look()
    if not before.native_kib:
        pytest.skip("this C library does not tell what it has given out")
    held = bytearray(3 * MIB * 1024)
    during = await look()
    del held
    after = await look()
    assert during.native_kib - before.native_kib == pytest.approx(3 * MIB, abs=256)
    assert after.native_kib == pytest.approx(before.native_kib, abs=256)


async def test_small_objects_that_no_collector_tracks_are_seen() -> None:
    before = await look()
    held = [float(number) for number in range(5000)]
    during = await look()
    held.clear()
    after = await look()
    assert during.blocks - before.blocks == pytest.approx(5000, abs=500)
    assert during.objects - before.objects < 500
    assert after.blocks == pytest.approx(before.blocks, abs=500)


async def test_names_that_python_remembers_are_no_growth() -> None:
    # A place in the cache depends on the type and on the string's address.
    kinds = [type(f"Kind{number}", (), {}) for number in range(8)]
    before = await look()
    names = [f"no attribute {number}" for number in range(4000)]
    for number, name in enumerate(names):
        getattr(kinds[number // 500], name, None)
    del name, names
    after = await look()
    assert after.blocks == pytest.approx(before.blocks, abs=200)


async def test_small_buffers_that_numpy_keeps_are_no_growth() -> None:
    before = await look()
    if not before.native_kib:
        pytest.skip("this C library does not tell what it has given out")
    for size in range(1, 1024):
        held = [np.zeros(size, np.uint8) for _ in range(10)]
        del held
    after = await look()
    assert after.native_kib == pytest.approx(before.native_kib, abs=256)
