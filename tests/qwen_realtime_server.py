"""A session of vLLM's /v1/realtime, from the server's side, with any recognizer."""

from __future__ import annotations

import base64
import json
from collections.abc import Callable
from typing import Any

import attrs
import numpy as np
import trio
from wsproto import WSConnection
from wsproto.events import AcceptConnection, CloseConnection, Ping, TextMessage
from wsproto.events import Request as WebSocketRequest

from trioagent.interfaces import Recognizer

MODEL = "Qwen/Qwen3-ASR-1.7B"
TAG = "language English<asr_text>"
READ_BYTES = 1 << 16


@attrs.define(eq=False)
class Session:
    """A realtime session, as vLLM handles it: it answers from a task of its own."""

    recognizer: Recognizer
    on_answer: Callable[[], None]
    stream: trio.SocketStream
    wire: WSConnection
    chosen: bool = False
    _audio: Any = None

    async def run(self) -> None:
        async with trio.open_nursery() as nursery:
            while True:
                for event in self.wire.events():
                    if isinstance(event, WebSocketRequest):
                        await self.send(AcceptConnection())
                        await self.tell({"type": "session.created", "id": "sess-1"})
                    elif isinstance(event, Ping):
                        await self.send(event.response())
                    elif isinstance(event, TextMessage):
                        assert event.message_finished
                        await self._take(json.loads(event.data), nursery)
                    elif isinstance(event, CloseConnection):
                        nursery.cancel_scope.cancel()
                data = await self.stream.receive_some(READ_BYTES)
                if not data:
                    nursery.cancel_scope.cancel()
                self.wire.receive_data(bytes(data) or None)

    async def send(self, event: Any) -> None:
        await self.stream.send_all(self.wire.send(event))

    async def tell(self, event: dict[str, object]) -> None:
        await self.send(TextMessage(data=json.dumps(event)))

    async def _take(self, event: dict[str, Any], nursery: trio.Nursery) -> None:
        kind = event["type"]
        if kind == "session.update":
            self.chosen = event["model"] == MODEL
            if not self.chosen:
                await self.tell({"type": "error", "error": "no such model"})
        elif not self.chosen:
            await self.tell({"type": "error", "error": "model not validated"})
        elif kind == "input_audio_buffer.append":
            pcm = np.frombuffer(base64.b64decode(event["audio"]), np.int16)
            assert pcm.size
            self._audio[0].send_nowait(pcm)
        elif event["final"]:
            self._audio[0].close()
        else:
            self._audio = trio.open_memory_channel[Any](10_000)
            nursery.start_soon(self._generate)

    async def _generate(self) -> None:
        said = TAG
        await self.tell({"type": "transcription.delta", "delta": said})
        async with self.recognizer.stream() as stream, self._audio[1]:
            async for pcm in self._audio[1]:
                said = await self._grow(said, await stream.feed(pcm))
            said = await self._grow(said, await stream.finish())
        await self.tell({"type": "transcription.done", "text": said, "usage": {}})
        self.on_answer()

    async def _grow(self, said: str, heard: str) -> str:
        new = (TAG + heard).removeprefix(said)
        if new:
            await self.tell({"type": "transcription.delta", "delta": new})
        return said + new
