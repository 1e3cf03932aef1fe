"""Chat messages as Mumble takes them. Nothing in here awaits; time is passed in."""

from __future__ import annotations

import html

import attrs

# The server forgets 1 message per second and takes no more than 5 at once; it drops the
# others without a word. Joining the channel was one of the five.
BURST = 4
INTERVAL_S = 1.05
_LINE_BREAK = "<br/>"


def split_text(text: str, limit: int) -> list[str]:
    """Return `text` as HTML in pieces of at most `limit` UTF-16 units (0: no limit).

    It breaks at white space where there is some in the second half of a piece.
    """
    pieces: list[str] = []
    text = text.strip()
    start = 0
    while start < len(text):
        end = _fitting(text, start, limit)
        if end < len(text):
            space = max(text.rfind(mark, start, end + 1) for mark in " \n")
            end = space if space - start > (end - start) // 2 else end
        pieces.append(_as_html(text[start:end].rstrip()))
        start = end
        while start < len(text) and text[start].isspace():
            start += 1
    return pieces


def _as_html(text: str) -> str:
    return html.escape(text, quote=False).replace("\n", _LINE_BREAK)


def _fitting(text: str, start: int, limit: int) -> int:
    """Return where what fits into `limit` units ends; it is at least one character."""
    if limit <= 0:
        return len(text)
    used = 0
    for index in range(start, len(text)):
        char = text[index]
        # Half a surrogate pair, as language models may send, is a unit, too.
        used += len(_as_html(char).encode("utf-16-le", "surrogatepass")) // 2
        if used > limit:
            return max(start + 1, index)
    return len(text)


@attrs.define
class Pacer:
    """Says when the next message may go, so that the server takes all of them."""

    _full_at: float | None = None

    def reserve(self, now: float) -> float:
        """Return when the message that wants to go at `now` may go."""
        # `_full_at` is when the server will have forgotten all that was reserved.
        start = now if self._full_at is None else max(now, self._full_at)
        allowed = max(now, start - (BURST - 1) * INTERVAL_S)
        self._full_at = start + INTERVAL_S
        return allowed
