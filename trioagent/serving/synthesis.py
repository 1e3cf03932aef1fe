"""A synthesizer behind Wyoming: texts in, at once or in pieces, speech out."""

from __future__ import annotations

from functools import partial

import attrs
import numpy as np
import trio

from trioagent.config import ChunkerConfig
from trioagent.decisions.phrases import PhraseCutter
from trioagent.interfaces import Speech, Synthesizer
from trioagent.serving.inbox import Inbox, Refused
from trioagent.wyoming.framing import Event

MAX_WAITING = 16
PIECES_AHEAD = 16


@attrs.frozen
class _Task:
    """Phrases to be spoken between one `audio-start` and its `audio-stop`."""

    phrases: tuple[str, ...]
    ends_stream: bool = False


@attrs.define(eq=False)
class _Requests:
    """One client's texts, cut into phrases."""

    max_chars: int
    _cutter: PhraseCutter | None = None
    """Of the text that comes in pieces, while it comes."""
    _chars: int = 0

    def take(self, event: Event) -> _Task | None:
        """What is to be done after this event, if anything."""
        text = event.text("text")
        cutter = self._cutter
        if event.type == "synthesize" and cutter is None:
            whole = _cutter()
            self._chars = 0
            self._count(text)
            return _Task((*whole.push(text), *whole.finish()))
        if event.type == "synthesize-start":
            self._cutter, self._chars = _cutter(), 0
        elif event.type == "synthesize-chunk" and cutter is not None:
            self._count(text)
            phrases = cutter.push(text)
            return _Task(tuple(phrases)) if phrases else None
        elif event.type == "synthesize-stop" and cutter is not None:
            self._cutter = None
            return _Task(tuple(cutter.finish()), ends_stream=True)
        # Also: the whole text once more, for servers that take no pieces.
        return None

    def _count(self, text: str) -> None:
        self._chars += len(text)
        if self._chars > self.max_chars:
            text = f"a text of more than {self.max_chars} characters"
            raise Refused("too-long", text)


def _cutter() -> PhraseCutter:
    return PhraseCutter(ChunkerConfig())


@attrs.frozen(eq=False)
class Synthesizing:
    """One synthesizer for all clients."""

    synthesizer: Synthesizer

    async def converse(self, inbox: Inbox) -> None:
        """Serve one client until it is gone; what is made for it ends with it.

        Raises:
            ExceptionGroup: of ProviderError, Refused, LostConnection, BadFrame.
        """
        requests = _Requests(inbox.limits.text_chars)
        send, receive = trio.open_memory_channel[_Task](MAX_WAITING)
        async with send, receive, trio.open_nursery() as nursery:
            nursery.start_soon(partial(self._work, inbox, receive), name="speak")
            while True:
                task = requests.take(await inbox.receive())
                if task is not None:
                    inbox.busy += 1
                    await send.send(task)

    async def _work(
        self, inbox: Inbox, tasks: trio.MemoryReceiveChannel[_Task]
    ) -> None:
        async for task in tasks:
            if task.phrases or not task.ends_stream:
                await inbox.send(Event("audio-start", self._format()))
                for phrase in task.phrases:
                    await self._speak(inbox, phrase)
                await inbox.send(Event("audio-stop"))
            if task.ends_stream:
                await inbox.send(Event("synthesize-stopped"))
            inbox.busy -= 1

    async def _speak(self, inbox: Inbox, phrase: str) -> None:
        send, receive = trio.open_memory_channel[Speech](PIECES_AHEAD)
        async with trio.open_nursery() as nursery:
            nursery.start_soon(self._forward, inbox, receive, name="send audio")
            with send:
                await self.synthesizer.synthesize(phrase, send)

    async def _forward(
        self, inbox: Inbox, audio: trio.MemoryReceiveChannel[Speech]
    ) -> None:
        with audio:
            async for speech in audio:
                payload = np.asarray(speech.pcm, "<i2").tobytes()
                if payload:
                    await inbox.send(Event("audio-chunk", self._format(), payload))

    def _format(self) -> dict[str, object]:
        return {"rate": self.synthesizer.rate_hz, "width": 2, "channels": 1}
