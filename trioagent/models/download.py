"""One file, gone on with where it broke off.

Blocks: there is no event loop in `trioagent models`. Ctrl-C leaves the part, and the
next attempt goes on from there.
"""

from __future__ import annotations

import logging
import re
from collections.abc import Callable
from typing import TYPE_CHECKING, BinaryIO, NoReturn

import attrs
from tenacity import Retrying, retry_if_exception_type, wait_exponential

from trioagent.models.entry import Source
from trioagent.models.errors import ModelError
from trioagent.models.http import Patience, TryAgain, opened
from trioagent.models.part import Part, Version

if TYPE_CHECKING:
    from tenacity import RetryCallState

    from trioagent.models.http import Answer, Client

log = logging.getLogger(__name__)

Report = Callable[[str, int, int], None]
"""What is being done, how much of it is done, how much it is altogether."""

_WHOLE, _PART, _UNSATISFIABLE = 200, 206, 416
_AGAIN = frozenset({408, 425, 429})
_CONTENT_RANGE = re.compile(r"bytes (?:([0-9]{1,18})-[0-9]+|\*)/([0-9]{1,18}|\*)")


@attrs.define(eq=False)
class Download:
    """One file, fetched into its part."""

    source: Source
    part: Part
    patience: Patience
    report: Report
    _fruitless: int = 0
    _largest: int = 0

    def run(self, http: Client) -> None:
        """Fetch what is missing; returns when the part has all.

        Raises:
            ModelError: the server does not have it, has another, or was asked in vain
                too often.
        """
        retrying = Retrying(
            retry=retry_if_exception_type(TryAgain),
            stop=self._should_stop,
            wait=wait_exponential(
                multiplier=self.patience.first_wait_s, max=self.patience.longest_wait_s
            ),
            before_sleep=self._say,
            reraise=True,
        )
        self._largest = self.part.size
        try:
            retrying(self._attempt, http)
        except TryAgain as error:
            raise ModelError(f"{self.source.url}: {error}") from error

    def _should_stop(self, state: RetryCallState) -> bool:
        self._fruitless += 1
        if self.part.size > self._largest:
            self._largest, self._fruitless = self.part.size, 0
            # Also the waits begin anew.
            state.attempt_number = 1
        return self._fruitless >= self.patience.attempts

    def _say(self, state: RetryCallState) -> None:
        error = state.outcome.exception() if state.outcome else None
        wait_s = state.next_action.sleep if state.next_action else 0
        log.warning("%s: %s; again in %.1f s", self.source.url, error, wait_s)

    def _attempt(self, http: Client) -> None:
        version = self._usable()
        if version and version.total == self.part.size:
            return
        headers = {}
        if version:
            headers["Range"] = f"bytes={self.part.size}-"
            headers["If-Range"] = version.validator
        with opened(http, self.source.url, headers) as answer:
            self._check_status(answer)
            if answer.status == _UNSATISFIABLE:
                # Only a version whose length we do not know gets here.
                self._restart("the server has less than we have")
            if answer.status == _PART:
                total: int | None = self._check_range(answer, version)
                self._write(answer, self.part.go_on(), total)
            else:
                total = answer.length
                self._check_total(total)
                fresh = Version(
                    self.source.url, answer.etag, answer.last_modified, total
                )
                self._write(answer, self.part.begin(fresh), total)

    def _usable(self) -> Version | None:
        """The version that we have a part of, if we can ask for the rest of it."""
        version = self.part.version()
        if not version or version.url != self.source.url:
            return None
        if version.total is not None and self.part.size > version.total:
            return None
        whole = version.total == self.part.size
        return version if version.validator or whole else None

    def _check_status(self, answer: Answer) -> None:
        status = answer.status
        if status >= 500 or status in _AGAIN:
            raise TryAgain(f"the server answered {status} {answer.reason}")
        if status not in {_WHOLE, _PART, _UNSATISFIABLE}:
            raise ModelError(f"{self.source.url} answered {status} {answer.reason}")

    def _check_range(self, answer: Answer, version: Version | None) -> int:
        """The length of the whole that a 206 is a part of, if it is the right part."""
        found = _CONTENT_RANGE.fullmatch(answer.content_range)
        if not version or not found or found[1] is None:
            self._restart("the server sent a part that we did not ask for")
        etag = answer.etag
        total = version.total if found[2] == "*" else int(found[2])
        other = (etag and version.etag and etag != version.etag) or (
            version.total is not None and total != version.total
        )
        if other or int(found[1]) != self.part.size or total is None:
            self._restart("the file was changed while it was downloaded")
        self._check_total(total)
        return total

    def _restart(self, reason: str) -> NoReturn:
        self.part.discard()
        raise TryAgain(f"{reason}: once more from the beginning")

    def _check_total(self, total: int | None) -> None:
        source = self.source
        if total is None:
            return
        if source.sha256 and total != source.size_bytes:
            raise ModelError(
                f"{source.url} has {total} bytes, not {source.size_bytes}: it was "
                "replaced, or this is something else, such as a page of an error"
            )
        self._check_most(total)

    def _check_most(self, size: int) -> None:
        if size > self.source.most_bytes:
            self.part.discard()
            raise ModelError(
                f"{self.source.url} has more than {self.source.most_bytes} bytes: it "
                "was replaced, or is something else"
            )

    def _write(self, answer: Answer, file: BinaryIO, total: int | None) -> None:
        what, most = self.part.whole.name, total or self.source.size_bytes
        with file:
            size = file.tell()
            for data in answer.data:
                size += len(data)
                self._check_most(size)
                file.write(data)
                self.report(what, size, most)
        if total is not None and size != total:
            raise TryAgain(f"it ended after {size} of {total} bytes")
