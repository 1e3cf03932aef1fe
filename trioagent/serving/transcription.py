"""A recognizer behind Wyoming: utterances in, transcripts out, word by word."""

from __future__ import annotations

import attrs

from trioagent.decisions.stable_prefix import StablePrefix
from trioagent.interfaces import Recognizer, RecognizerStream
from trioagent.serving.audio import AudioFormat, Intake
from trioagent.serving.inbox import Inbox, Refused
from trioagent.wyoming.framing import Event

STABLE_HYPOTHESES = 3


@attrs.define(eq=False)
class _Words:
    """What an utterance's client has been told, and what it is told next.

    Chunks of a transcript are appended by those who get them, but hypotheses change: a
    chunk's `text` has words once they are stable, and its `hypothesis` all words that
    the recognizer believes in now.
    """

    _hypothesis: str = ""
    _told: str = ""
    _stable: StablePrefix = attrs.Factory(lambda: StablePrefix(STABLE_HYPOTHESES))

    def heard(self, hypothesis: str) -> list[Event]:
        """The events that tell of a hypothesis."""
        stable = self._stable.push(hypothesis)
        if hypothesis == self._hypothesis and stable == self._told:
            return []
        self._hypothesis = hypothesis
        return [self._chunk(stable)]

    def ended(self, text: str) -> list[Event]:
        """The events that end the utterance."""
        # Words that were taken for stable and are not: only `transcript` has it right.
        rest = [self._chunk(text)] if text.startswith(self._told) else []
        return [*rest, Event("transcript", {"text": text}), Event("transcript-stop")]

    def _chunk(self, told: str) -> Event:
        text, self._told = told[len(self._told) :], told
        return Event("transcript-chunk", {"text": text, "hypothesis": self._hypothesis})


@attrs.frozen(eq=False)
class Transcribing:
    """One recognizer for all clients."""

    recognizer: Recognizer

    async def converse(self, inbox: Inbox) -> None:
        """Serve one client until it is gone, or refused.

        Raises:
            ProviderError: the recognizer failed; it may come in a group.
            Refused, LostConnection, BadFrame: it is the client's end.
        """
        while True:
            event = await inbox.receive()
            if event.type == "audio-start":
                await self._utterance(inbox, event)
            elif event.type == "audio-chunk":  # some send no start
                inbox.put_back(event)
                await self._utterance(inbox, event)

    async def _utterance(self, inbox: Inbox, first: Event) -> None:
        intake = Intake(AudioFormat.of(first.data))
        words = _Words()
        await inbox.send(Event("transcript-start"))
        async with self.recognizer.stream() as stream:
            while (event := await inbox.receive()).type != "audio-stop":
                if event.type == "audio-chunk":
                    # What waits already is decoded in one step.
                    chunks = [event, *inbox.more("audio-chunk")]
                    hypothesis = await _feed(stream, intake, chunks)
                    _check_length(intake, inbox.limits.utterance_s)
                    if events := words.heard(hypothesis):
                        await inbox.send(*events)
            if (rest := intake.finish()).size:
                await stream.feed(rest)
            text = await stream.finish()
        await inbox.send(*words.ended(text))


async def _feed(stream: RecognizerStream, intake: Intake, chunks: list[Event]) -> str:
    for chunk in chunks:
        if chunk.data and AudioFormat.of(chunk.data) != intake.format:
            raise Refused("audio-format", "the audio's format changed on the way")
    return await stream.feed(intake.take(b"".join(c.payload for c in chunks)))


def _check_length(intake: Intake, most_s: float) -> None:
    if intake.seconds > most_s:
        raise Refused("too-long", f"an utterance of more than {most_s:g} s")
