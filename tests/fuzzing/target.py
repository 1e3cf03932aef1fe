"""What is fuzzed: a parser, valid inputs to begin with, and the errors it may raise."""

from __future__ import annotations

import functools
import inspect
from collections.abc import Callable
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import attrs
import trio

from tests.fuzzing.guest import Guest
from tests.fuzzing.mutator import LARGEST_BYTES

if TYPE_CHECKING:
    from collections.abc import Iterator

Run = Callable[[bytes], object]


@attrs.frozen(eq=False)
class Target:
    """One parser.

    Attributes:
        name: For people and the command line: "mumble.control".
        run: Gives the parser one input, however it comes to it. What it returns does
            not matter; properties are asserted in it. If it is async, Trio runs it.
        seeds: Makes valid inputs, from which the others are made.
        errors: What the parser's documentation says that it raises.
        tokens: Pieces that mean something to the parser.
        is_json: Whether values in lines of JSON are exchanged, too.
        most_bytes: What one input may make the parser allocate at once, besides 100
            times the input's own length.
        usual_bytes: Most inputs are cut to this length; some never are.
    """

    name: str
    run: Callable[[bytes], Any]
    seeds: Callable[[], list[bytes]]
    errors: tuple[type[BaseException], ...] = ()
    tokens: tuple[bytes, ...] = ()
    is_json: bool = False
    most_bytes: int = 24 << 20
    usual_bytes: int = LARGEST_BYTES

    def gives(self, data: bytes) -> str:
        """Run it; "ok", or the name of the documented error. Others are raised."""
        if inspect.iscoroutinefunction(self.run):
            return self._judged(functools.partial(trio.run, self.run), data)
        return self._judged(self.run, data)

    @contextmanager
    def ready(self) -> Iterator[Callable[[bytes], str]]:
        """`gives` for many inputs: while the block lasts, one run of Trio goes on."""
        if not inspect.iscoroutinefunction(self.run):
            yield self.gives
            return
        with Guest(self.run) as guest:
            yield functools.partial(self._judged, guest)

    def _judged(self, run: Run, data: bytes) -> str:
        try:
            run(data)
        except self.errors as error:
            return type(error).__name__
        return "ok"


def is_short(message: str) -> None:
    """Fail if a message is as long as what came."""
    assert len(message) < 1 << 17, "a message without end"
