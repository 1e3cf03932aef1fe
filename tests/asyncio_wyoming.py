"""Servers made with the `wyoming` package itself, on asyncio, in a thread of their own.

One recognizes with the tiny model, and streams its transcript; one speaks with
espeak-ng, with or without streaming. Both do what servers in the field do.
"""

from __future__ import annotations

import asyncio
import atexit
import functools
import subprocess
import sys
import threading
import warnings
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import numpy as np
from wyoming.server import AsyncEventHandler, AsyncServer, AsyncTcpServer

from providers.asr import sherpa
from providers.tts import libespeak
from tests.helpers_speech import TINY_MODEL

with warnings.catch_warnings():
    # Before Python 3.13 it takes a deprecated module of the standard library.
    warnings.simplefilter("ignore", DeprecationWarning)
    from wyoming import asr, audio, info, tts

if TYPE_CHECKING:
    from collections.abc import Iterator

    from wyoming.event import Event

ABOUT: Any = {
    "attribution": info.Attribution("test", ""),
    "installed": True,
    "description": "",
    "version": "1",
}


@contextmanager
def asyncio_server(handler: Any) -> Iterator[str]:
    """Serve with `handler(reader, writer)`; gives the address."""
    started = threading.Event()
    stop: list[Any] = []

    async def main() -> None:
        server = AsyncServer.from_uri("tcp://127.0.0.1:0")
        assert isinstance(server, AsyncTcpServer)
        writers: list[asyncio.StreamWriter] = []

        def handle(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> Any:
            writers.append(writer)
            return handler(reader, writer)

        await server.start(handle)
        assert server._server is not None
        stopping = asyncio.Event()
        loop = asyncio.get_running_loop()
        port = server._server.sockets[0].getsockname()[1]
        stop.extend([port, functools.partial(loop.call_soon_threadsafe, stopping.set)])
        started.set()
        await stopping.wait()
        server._server.close()
        await asyncio.sleep(0.01)  # for who was let in just now
        tasks = list(server._handlers)
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        for writer in writers:
            writer.transport.abort()
        await asyncio.sleep(0.01)

    thread = threading.Thread(target=asyncio.run, args=[main()])
    thread.start()
    try:
        assert started.wait(10)
        yield f"tcp://127.0.0.1:{stop[0]}"
    finally:
        stop[1]()
        thread.join()


class Recognizing(AsyncEventHandler):
    """Streams words as the model finds them; answers no ping, as most servers."""

    def __init__(self, engine: sherpa.Engine, seen: list[str], *ends: Any) -> None:
        super().__init__(*ends)
        self.engine = engine
        self.seen = seen
        self.stream: Any = None
        self.told = ""

    async def handle_event(self, event: Event) -> bool:
        self.seen.append(event.type)
        if info.Describe.is_type(event.type):
            model = info.AsrModel(name="tiny", languages=["en"], **ABOUT)
            program = info.AsrProgram(
                name="tiny",
                models=[model],
                supports_transcript_streaming=True,
                **ABOUT,
            )
            await self.write_event(info.Info(asr=[program]).event())
        elif asr.Transcribe.is_type(event.type):
            self.seen.append(str(asr.Transcribe.from_event(event).language))
        elif audio.AudioStart.is_type(event.type):
            self.stream = self.engine.start()
            await self.write_event(asr.TranscriptStart().event())
        elif audio.AudioChunk.is_type(event.type):
            chunk = audio.AudioChunk.from_event(event)
            assert (chunk.rate, chunk.width, chunk.channels) == (16_000, 2, 1)
            await self._hear(np.frombuffer(chunk.audio, np.int16))
        elif audio.AudioStop.is_type(event.type):
            await self._hear(self.engine.right_pad)
            await self.write_event(asr.Transcript(text=self.told).event())
            await self.write_event(asr.TranscriptStop().event())
            return False
        return True

    async def _hear(self, pcm: Any) -> None:
        self.engine.accept(self.stream, pcm)
        self.engine.decode([self.stream])
        text = self.engine.text(self.stream)
        if text != self.told:
            await self.write_event(asr.TranscriptChunk(text[len(self.told) :]).event())
            self.told = text


def recognizing(seen: list[str]) -> Any:
    """A handler for `asyncio_server`; what it is sent goes to `seen`."""
    engine = sherpa.Engine(sherpa.Options(model=str(TINY_MODEL)))
    return functools.partial(Recognizing, engine, seen)


class Speaking(AsyncEventHandler):
    """Speaks as Piper does: a sentence at a time, deaf while it works."""

    def __init__(self, streams: bool, seen: list[str], *ends: Any) -> None:
        super().__init__(*ends)
        self.library = libespeak.load()
        self.streams = streams
        self.seen = seen
        self.text: str | None = None

    async def handle_event(self, event: Event) -> bool:
        self.seen.append(event.type)
        if info.Describe.is_type(event.type):
            voice = info.TtsVoice(name="en-us", languages=["en"], **ABOUT)
            program = info.TtsProgram(
                name="espeak",
                voices=[voice],
                supports_synthesize_streaming=self.streams,
                **ABOUT,
            )
            await self.write_event(info.Info(tts=[program]).event())
        elif tts.Synthesize.is_type(event.type) and self.text is None:
            await self._say(tts.Synthesize.from_event(event).text)
        elif not self.streams:
            assert not event.type.startswith("synthesize-")
        elif tts.SynthesizeStart.is_type(event.type):
            self.text = ""
        elif tts.SynthesizeChunk.is_type(event.type):
            assert self.text is not None
            *sentences, self.text = f"{self.text}{event.data['text']}".split(". ")
            for sentence in sentences:
                await self._say(sentence)
        elif tts.SynthesizeStop.is_type(event.type):
            await self._say(self.text or "")
            self.text = None
            await self.write_event(tts.SynthesizeStopped().event())
        return True

    async def _say(self, text: str) -> None:
        pieces: list[bytes] = []
        voice = libespeak.Voice("en-us", 175, 50)
        self.library.speak(text, voice, lambda pcm, _words: not pieces.append(pcm))
        form: Any = {"rate": self.library.rate_hz, "width": 2, "channels": 1}
        await self.write_event(audio.AudioStart(**form).event())
        for piece in pieces:
            await self.write_event(audio.AudioChunk(audio=piece, **form).event())
        await self.write_event(audio.AudioStop().event())


def speaking(seen: list[str], *, streams: bool) -> Any:
    """A handler for `asyncio_server`; what it is sent goes to `seen`."""
    return functools.partial(Speaking, streams, seen)


@functools.cache
def speaking_process(*, streams: bool) -> str:
    """A server that speaks, in a process of its own, once for all tests."""
    command = [sys.executable, "-m", "tests.asyncio_wyoming", str(int(streams))]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
    assert process.stdout is not None
    with process.stdout:
        uri = process.stdout.readline().strip()

    def stop() -> None:
        process.kill()
        process.wait()

    atexit.register(stop)
    return uri


if __name__ == "__main__":
    with asyncio_server(speaking([], streams=sys.argv[1] == "1")) as address:
        print(address, flush=True)  # noqa: T201 - the answer
        threading.Event().wait()
