"""Threads that allocate do not each leave a heap behind: heaps are counted."""

from __future__ import annotations

import ctypes
import os
import subprocess
import sys
from pathlib import Path

import pytest

from trioagent.one_heap import use_one_heap

ROOT = Path(__file__).parents[1]

# Each thread holds memory while the others want some, so malloc has to share or to make
# heaps. `malloc_info` writes an element for each heap.
HEAPS = """
import ctypes, tempfile, threading

def heaps():
    libc = ctypes.CDLL(None)
    libc.malloc.restype = libc.fopen.restype = ctypes.c_void_p
    met = threading.Barrier(6)

    def allocate():
        address = libc.malloc(ctypes.c_size_t(100_000))
        met.wait(60)
        libc.free(ctypes.c_void_p(address))

    threads = [threading.Thread(target=allocate) for _ in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    with tempfile.NamedTemporaryFile() as told:
        file = ctypes.c_void_p(libc.fopen(told.name.encode(), b"w"))
        assert libc.malloc_info(0, file) == 0
        libc.fclose(file)
        return told.read().count(b"<heap nr=")
"""
AS_IT_IS = HEAPS + "print(heaps())"
THE_PROGRAM = HEAPS + (
    "from trioagent import cli\n"
    "cli.main = lambda: print(heaps()) or 0\n"  # instead of a command
    "cli.entry()\n"
)

glibc = pytest.mark.skipif(
    not (sys.platform == "linux" and hasattr(ctypes.CDLL(None), "malloc_info")),
    reason="another C library than glibc",
)


def heaps_of(script: str, **environ: str) -> int:
    """How many heaps malloc has in a process where six threads allocated."""
    kept = {
        k: v for k, v in os.environ.items() if "MALLOC" not in k and "GLIBC" not in k
    }
    done = subprocess.run(
        [sys.executable, "-c", script],
        cwd=ROOT,
        env={**kept, **environ},
        stdout=subprocess.PIPE,
        check=True,
        timeout=120,
    )
    return int(done.stdout)


@glibc
def test_all_threads_of_the_program_share_one_heap() -> None:
    assert heaps_of(AS_IT_IS) > 1  # else this test shows nothing
    assert heaps_of(THE_PROGRAM) == 1


@glibc
def test_who_sets_the_number_of_heaps_has_it() -> None:
    assert heaps_of(THE_PROGRAM, MALLOC_ARENA_MAX="3") == 3
    assert heaps_of(THE_PROGRAM, GLIBC_TUNABLES="glibc.malloc.arena_max=3") == 3


def test_a_number_that_was_set_is_not_touched() -> None:
    assert not use_one_heap({"MALLOC_ARENA_MAX": "2"})
    assert not use_one_heap({"GLIBC_TUNABLES": "glibc.malloc.arena_max=2"})
