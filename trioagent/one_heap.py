"""One heap for all threads, where glibc's malloc would make one for each.

A heap keeps pages for the most that it ever held, and threads come and go here with
every turn: each makes its own heap as large as the largest model call that ran on it.
Then a process's memory grows for hours although nothing is lost. What threads allocate
here is too little for them to wait for each other.
"""

from __future__ import annotations

import ctypes
import os
import sys
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping

# malloc.h of glibc
_ARENA_MAX = -8


def use_one_heap(environ: Mapping[str, str] = os.environ) -> bool:
    """Tell malloc, before there are threads; whether it heeds that.

    Only glibc does. If `environ` says how many heaps there may be, so it is.
    """
    told = "MALLOC_ARENA_MAX" in environ
    told = told or "malloc.arena_max" in environ.get("GLIBC_TUNABLES", "")
    if told or sys.platform != "linux":
        return False
    try:
        mallopt = ctypes.CDLL(None).mallopt
    except (OSError, AttributeError):  # other C libraries
        return False
    heeded: int = mallopt(_ARENA_MAX, 1)
    return heeded == 1
