"""Which failures pass by themselves, and when to try again. Nothing in here awaits."""

from __future__ import annotations

import math
import ssl
from email.utils import parsedate_to_datetime
from typing import TYPE_CHECKING

import attrs
import httpx
import tenacity
import trio

if TYPE_CHECKING:
    from trioagent.errors import ProviderError

_FIRST_PAUSE_S = 0.1
_LONGEST_PAUSE_S = 1.0
_TOO_MANY = 429
_BUSY = {502, 503, 504}
_PASSING = (
    httpx.NetworkError,
    httpx.ConnectTimeout,
    httpx.ProxyError,
    httpx.RemoteProtocolError,
)


@attrs.define(eq=False)
class Tries:
    """The tries at one reply: none begins later than `budget_s` after the first."""

    budget_s: float
    _began: float = attrs.field(factory=trio.current_time)
    _failures: int = 0

    def pause_s(self, error: ProviderError) -> float | None:
        """How long to wait before the next try; None if `error` is final.

        Grows from try to try, by chance not the same for all that wait for the same
        server, and is never less than the server asks for.
        """
        asked_s = asked_pause_s(error)
        if asked_s is None:
            return None
        self._failures += 1
        pause_s = max(asked_s, _growing_s(self._failures))
        late_s = trio.current_time() + pause_s - self._began
        return pause_s if late_s <= self.budget_s else None


def _growing_s(failures: int) -> float:
    growing = tenacity.wait_exponential(_FIRST_PAUSE_S, max=_LONGEST_PAUSE_S)
    state = tenacity.RetryCallState(tenacity.AsyncRetrying(), None, (), {})
    state.attempt_number = failures
    return (growing + tenacity.wait_random(0, _FIRST_PAUSE_S))(state)


def asked_pause_s(error: ProviderError) -> float | None:
    """How long the server wants us to wait; None if waiting would not help.

    A connection that fails or breaks, 502, 503 and 504 pass, and so does 429 if the
    server says when. What stalls has had its time.
    """
    cause = error.__cause__
    if isinstance(cause, httpx.HTTPStatusError):
        return _of_answer(cause.response)
    passes = isinstance(cause, _PASSING) and not _is_distrust(cause)
    return 0.0 if passes else None


def _of_answer(response: httpx.Response) -> float | None:
    asked_s = _retry_after_s(response.headers)
    if response.status_code in _BUSY:
        return asked_s or 0.0
    return asked_s if response.status_code == _TOO_MANY else None


def _retry_after_s(headers: httpx.Headers) -> float | None:
    """`Retry-After`: seconds, or a date, which is read by the server's own clock."""
    value = headers.get("retry-after", "")
    try:
        seconds = float(value)
    except ValueError:
        return _until_s(value, headers.get("date", ""))
    return max(seconds, 0.0) if math.isfinite(seconds) else None


def _until_s(then: str, now: str) -> float | None:
    try:
        wait = parsedate_to_datetime(then) - parsedate_to_datetime(now)
    except (ValueError, TypeError):
        return None
    return max(wait.total_seconds(), 0.0)


def _is_distrust(error: BaseException | None) -> bool:
    """Whether a certificate is at fault, or no TLS is spoken at all."""
    while error is not None:
        if isinstance(error, ssl.SSLError):
            return True
        error = error.__cause__ or error.__context__
    return False
