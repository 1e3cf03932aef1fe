"""Many recordings at a time, each in a process of its own, with a progress bar."""

from __future__ import annotations

import multiprocessing
import os
import sys
from concurrent.futures import ProcessPoolExecutor
from functools import partial
from typing import TYPE_CHECKING, TypeVar

from trioagent.errors import TrioagentError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

T = TypeVar("T")
R = TypeVar("R")


def each(
    work: Callable[[T], R], items: Sequence[T], *, jobs: int | None = None, what: str
) -> Iterator[tuple[T, R | TrioagentError]]:
    """`work` of each item, in their order; an error of ours stands in for its result.

    `work` is a function at the top of a module, or a `functools.partial` of one. The
    bar, on stderr, says `what` is done; there is none where stderr is no terminal.
    """
    from rich.console import Console  # noqa: PLC0415 - slow to import
    from rich.progress import Progress  # noqa: PLC0415 - slow to import

    jobs = min(jobs or os.cpu_count() or 1, len(items))
    # What is printed meanwhile must not go where the bar is, unless both are seen.
    seen = sys.stdout.isatty()
    console = Console(stderr=True)
    with Progress(
        console=console,
        transient=True,
        redirect_stdout=seen,
        disable=not console.is_terminal,
    ) as progress:
        task = progress.add_task(what, total=len(items))
        for item, result in _results(work, items, jobs):
            progress.advance(task)
            yield item, result


def _results(
    work: Callable[[T], R], items: Sequence[T], jobs: int
) -> Iterator[tuple[T, R | TrioagentError]]:
    if jobs <= 1:
        for item in items:
            yield item, _attempt(work, item)
        return
    # A new process each: Trio and models' threads do not survive a fork.
    spawn = multiprocessing.get_context("spawn")
    with ProcessPoolExecutor(jobs, mp_context=spawn) as pool:
        chunk = max(1, len(items) // (8 * jobs))
        results = pool.map(partial(_attempt, work), items, chunksize=chunk)
        yield from zip(items, results, strict=True)


def _attempt(work: Callable[[T], R], item: T) -> R | TrioagentError:
    try:
        return work(item)
    except TrioagentError as error:
        return error
