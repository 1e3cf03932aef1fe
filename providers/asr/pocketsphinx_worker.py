"""The child process that runs pocketsphinx: one decoder, one utterance at a time.

pocketsphinx holds Python's lock while it decodes, so it cannot live in the agent's
process. This file is run as a script and imports nothing of ours; the agent's side,
`pocketsphinx_child`, imports the framing from here.

A request on stdin is `REQUEST` (what, utterance, length) and that much audio. A reply
on stdout is `REPLY` (utterance, length) and that much JSON. Each request but `ABANDON`
has one reply. The child ends when stdin does.
"""

from __future__ import annotations

import json
import os
import struct
import sys
from typing import Any, BinaryIO

REQUEST = struct.Struct("<cII")
REPLY = struct.Struct("<II")

FEED, FINISH, ABANDON = b"a", b"f", b"x"

# The utterance of what is said before any utterance: "ready", or why not.
NO_UTTERANCE = 0


class Worker:
    """A decoder between its pipes."""

    def __init__(self, decoder: Any, replies: BinaryIO) -> None:  # noqa: ANN401
        self._decoder = decoder
        self._replies = replies
        self._open = NO_UTTERANCE

    def serve(self, requests: BinaryIO) -> None:
        """Answer requests until there are no more."""
        while len(header := requests.read(REQUEST.size)) == REQUEST.size:
            what, utterance, length = REQUEST.unpack(header)
            pcm = requests.read(length)
            try:
                reply = self._answer(what, utterance, pcm)
            except RuntimeError as error:  # all that pocketsphinx raises
                reply = {"error": str(error)}
            if what != ABANDON:
                self.reply(utterance, reply)

    def reply(self, utterance: int, content: dict[str, str]) -> None:
        """Send one reply."""
        body = json.dumps(content).encode()
        self._replies.write(REPLY.pack(utterance, len(body)) + body)
        self._replies.flush()

    def _answer(self, what: bytes, utterance: int, pcm: bytes) -> dict[str, str]:
        if what == ABANDON:
            self._close()
            return {}
        if utterance != self._open:
            self._close()
            self._decoder.start_utt()
            self._open = utterance
        if pcm:
            self._decoder.process_raw(pcm, False, False)  # noqa: FBT003
        if what == FINISH:
            self._close()
        hypothesis = self._decoder.hyp()
        text = hypothesis.hypstr if hypothesis is not None else ""
        return {"text": text, "mean": self._decoder.get_cmn()}

    def _close(self) -> None:
        if self._open != NO_UTTERANCE:
            self._open = NO_UTTERANCE
            # Also of an utterance that nobody wants: there is no cheaper way out.
            self._decoder.end_utt()


def make_decoder(settings: dict[str, Any]) -> Any:  # noqa: ANN401
    """Load the decoder; `settings` are pocketsphinx's own, and `mean`."""
    import pocketsphinx  # type: ignore[import-not-found,unused-ignore]  # noqa: PLC0415

    mean = settings.pop("mean")
    decoder = pocketsphinx.Decoder(samprate=16000, loglevel="FATAL", **settings)
    decoder.set_cmn(mean)
    return decoder


def main() -> None:
    """Serve stdin and stdout; the only argument is the settings as JSON."""
    replies = os.fdopen(os.dup(1), "wb")
    # What a library prints must not get between the replies.
    os.dup2(2, 1)
    unready = Worker(None, replies)
    try:
        decoder = make_decoder(json.loads(sys.argv[1]))
    except (ImportError, OSError, RuntimeError, ValueError) as error:
        unready.reply(NO_UTTERANCE, {"error": str(error) or type(error).__name__})
        return
    worker = Worker(decoder, replies)
    worker.reply(NO_UTTERANCE, {"text": "ready"})
    worker.serve(sys.stdin.buffer)


if __name__ == "__main__":
    main()
