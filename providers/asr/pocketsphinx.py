"""Recognition by pocketsphinx: English, in the wheel, nothing to download, many errors.

It runs in child processes (see `pocketsphinx_worker`), each for one speaker at a time:
a decoder takes some 90 MB wherever it lives, and so two speakers have a core each.
"""

from __future__ import annotations

import importlib.util
import itertools
import logging
from contextlib import asynccontextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import attrs
import trio
from attrs import validators as v

from providers.asr.pocketsphinx_child import Child, start_child
from providers.asr.pocketsphinx_worker import FEED, FINISH
from trioagent.errors import ProviderError, ProviderUnavailable
from trioagent.interfaces import HEARING_RATE_HZ, Recognizer
from trioagent.plugins import Provider

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator

    from trioagent.interfaces import Pcm

log = logging.getLogger(__name__)

# Audio sent at a time. A cancelled speaker's child is busy for this much longer.
PIECE_SAMPLES = HEARING_RATE_HZ // 10
# The last word needs a little silence after it, and a client may send none.
RIGHT_PAD_SAMPLES = HEARING_RATE_HZ // 5
START_HINT = (
    "If language_model or dictionary is set in [asr.pocketsphinx], check that file; "
    "else install it anew: pip install --force-reinstall pocketsphinx"
)
# Longer than it takes to end as many children as there may be.
CLEANUP_S = 5.0
# Where the running mean of the cepstra starts: its average after recordings of a dozen
# people. From the model's own start ("40,3,-1") a first utterance has 57 % word errors
# instead of 47 %.
SEED_MEAN = "51.9,3.7,-3.8,10.6,-4.5,-0.6,-6.7,-2.7,-3.5,0.1,-0.0,-0.3,-0.4"


@attrs.frozen(kw_only=True)
class Options:
    """`[asr.pocketsphinx]`."""

    speakers: int = attrs.field(default=2, validator=[v.ge(1), v.le(16)])
    """How many are heard at once; one more waits. Each takes 120 MB from then on."""
    language_model: str = ""
    """An n-gram file (ARPA or binary) of what is said; empty is general English.
    Give its dictionary too: with all of English, it takes 10 s to start."""
    dictionary: str = ""
    """Pronunciations of its words; empty is the one in the wheel, 130 000 words."""


class PocketsphinxStream:
    """One utterance of one speaker, with a child to itself."""

    def __init__(self, child: Child, utterance: int) -> None:
        self._child = child
        self._utterance = utterance
        self.finished = False
        self.mean = ""

    async def feed(self, pcm: Pcm) -> str:
        """Take audio of any length; return the hypothesis so far, all of it.

        If cancelled, the child is free for another speaker after one piece.

        Raises:
            ProviderError: the child ended or pocketsphinx failed.
        """
        if self.finished:
            raise RuntimeError("this utterance is finished")
        # Once at least: an empty feed has a hypothesis too.
        text = await self._ask(FEED, pcm[:PIECE_SAMPLES].tobytes())
        for start in range(PIECE_SAMPLES, len(pcm), PIECE_SAMPLES):
            text = await self._ask(FEED, pcm[start : start + PIECE_SAMPLES].tobytes())
        return text

    async def finish(self) -> str:
        """Return the transcript after the second pass. Otherwise as `feed`."""
        if self.finished:
            raise RuntimeError("this utterance is finished")
        silence = bytes(RIGHT_PAD_SAMPLES * 2)
        text = await self._ask(FINISH, silence)
        self.finished = True
        return text

    async def close(self) -> None:
        """Free the child for another speaker."""
        await trio.lowlevel.checkpoint()
        if not self.finished and self._child.alive:
            await self._child.abandon()
        self.finished = True

    async def _ask(self, what: bytes, audio: bytes) -> str:
        reply = await self._child.ask(what, self._utterance, audio)
        self.mean = str(reply["mean"])
        return str(reply["text"])


class PocketsphinxRecognizer:
    """A pool of children."""

    def __init__(self, options: Options) -> None:
        self._options = options
        self._free_speakers = trio.Semaphore(options.speakers)
        self._idle: list[Child] = []
        self._numbers = itertools.count(1)
        self._mean = SEED_MEAN

    @asynccontextmanager
    async def stream(self) -> AsyncGenerator[PocketsphinxStream]:
        """Open a stream for one utterance; waits while too many speak at once.

        Raises:
            ProviderError: there is no child at hand and none can be started.
        """
        async with self._free_speakers:
            child = await self._take_child()
            stream = PocketsphinxStream(child, next(self._numbers))
            try:
                yield stream
            finally:
                with trio.move_on_after(CLEANUP_S, shield=True):
                    await self._give_back(child, stream)

    async def start(self) -> None:
        """Have one child ready."""
        self._idle.append(await self._take_child())

    async def end(self) -> None:
        """End the children, which are all idle once no stream is open."""
        await trio.lowlevel.checkpoint()
        while self._idle:
            await self._idle.pop().end()

    async def _take_child(self) -> Child:
        await trio.lowlevel.checkpoint()
        while self._idle:
            child = self._idle.pop()
            if child.alive:
                return child
            await child.end()
        try:
            return await start_child(self._settings())
        except OSError as error:
            raise ProviderError(f"pocketsphinx cannot be started: {error}") from error

    async def _give_back(self, child: Child, stream: PocketsphinxStream) -> None:
        self._mean = stream.mean or self._mean
        finished = stream.finished
        try:
            await stream.close()
        except ProviderError as error:
            log.warning("%s", error.message)
        if not child.alive:
            await child.end()
        elif finished:
            self._idle.append(child)
        else:
            # It is busy with the rest of what was cut off: the last to be taken.
            self._idle.insert(0, child)
        await trio.lowlevel.checkpoint()

    def _settings(self) -> dict[str, Any]:
        settings = {"mean": self._mean}
        if self._options.language_model:
            settings["lm"] = str(Path(self._options.language_model).expanduser())
        if self._options.dictionary:
            settings["dict"] = str(Path(self._options.dictionary).expanduser())
        return settings


def unavailable(_options: Options) -> str | None:
    """Why pocketsphinx cannot be used here, or None."""
    if importlib.util.find_spec("pocketsphinx") is None:
        return "pocketsphinx is not installed"
    return None


def _check_files(options: Options) -> None:
    for name in (options.language_model, options.dictionary):
        if name and not Path(name).expanduser().is_file():
            message = f"pocketsphinx: {name} does not exist"
            raise ProviderUnavailable(message, hint="Give the path of a file.")


@asynccontextmanager
async def open_pocketsphinx(options: Options) -> AsyncGenerator[Recognizer]:
    """Start a child; leaving ends all children.

    Raises:
        ProviderUnavailable: not installed, or it cannot load its model.
    """
    if (reason := unavailable(options)) is not None:
        hint = "Install it: pip install pocketsphinx"
        raise ProviderUnavailable(reason, hint=hint)
    _check_files(options)
    recognizer = PocketsphinxRecognizer(options)
    try:
        await recognizer.start()
    except ProviderError as error:
        raise ProviderUnavailable(error.message, hint=START_HINT) from error
    log.info("pocketsphinx: ready; general English, expect many errors")
    try:
        yield recognizer
    finally:
        with trio.move_on_after(CLEANUP_S, shield=True):
            await recognizer.end()


PROVIDER: Provider[Options, Recognizer] = Provider(
    options=Options, open=open_pocketsphinx, unavailable=unavailable
)
