"""What trioagent needs from the world: a room, and four kinds of model.

Providers implement these; nothing here imports one. Audio is always mono 16-bit
signed PCM in a numpy array of shape (samples,). What people say arrives at
`HEARING_RATE_HZ`; what the agent says has the synthesizer's rate until a room asks for
another. Times are `trio.current_time()` in seconds.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal, Protocol, TypeVar, TypeVarTuple

import attrs
import numpy as np
import numpy.typing as npt

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable, Sequence
    from contextlib import AbstractAsyncContextManager

Pcm = npt.NDArray[np.int16]

HEARING_RATE_HZ = 16_000
FRAME_S = 0.02

T = TypeVar("T")
T_co = TypeVar("T_co", covariant=True)
T_contra = TypeVar("T_contra", contravariant=True)
Ts = TypeVarTuple("Ts")


# --- what values go through ------------------------------------------------------


class Outlet(Protocol[T_contra]):
    """Where values are sent: a `trio.MemorySendChannel`, or what stands in for one."""

    async def send(self, value: T_contra) -> None:
        """Send it, waiting for room."""
        ...

    def send_nowait(self, value: T_contra) -> None:
        """Send it, or raise `trio.WouldBlock`."""
        ...


class Inlet(Protocol[T_co]):
    """Where values come from: a `trio.MemoryReceiveChannel`, or what stands in."""

    def __aiter__(self) -> AsyncIterator[T_co]:
        """All values, until there will be no more."""
        ...

    async def receive(self) -> T_co:
        """Wait for the next, or raise `trio.EndOfChannel`."""
        ...

    def receive_nowait(self) -> T_co:
        """Take the next, or raise `trio.WouldBlock` or `trio.EndOfChannel`."""
        ...


# --- the room --------------------------------------------------------------------


@attrs.frozen
class Speaker:
    """Somebody in the room. `id` is the room's own number for this presence.

    `agent` is whether it says of itself that it is an agent like ours. `certificate` is
    what proves who it is, as a hexadecimal hash; empty if nothing does.
    """

    id: int
    name: str
    agent: bool = False
    certificate: str = ""


@attrs.frozen(eq=False)
class VoicePacket:
    """A piece of somebody's speech, decoded.

    `pcm` has `HEARING_RATE_HZ`; it may be empty when the packet only ends the talk.
    `ends_talk` is the peer's own word that its talk spurt is over (a terminator):
    nothing more comes until the peer speaks again. Silence has no packets.
    """

    speaker: Speaker
    pcm: Pcm
    ends_talk: bool
    time: float


@attrs.frozen
class SpeakerJoined:
    """Somebody is in the agent's channel now (also those who were there first).

    Again with the same `id` when they changed: another name, or known as an agent now.
    """

    speaker: Speaker


@attrs.frozen
class SpeakerLeft:
    """Somebody left the agent's channel, or the link to the room was lost."""

    speaker: Speaker


@attrs.frozen
class LinkLost:
    """The room is out of reach; it reconnects by itself. Frames written are lost."""

    reason: str


@attrs.frozen
class LinkRestored:
    """The room is back, in the same channel."""


@attrs.frozen
class TextMessage:
    """Somebody wrote: plain text, of bounded length.

    `private` is whether only the agent can read it.
    """

    speaker: Speaker
    text: str
    private: bool


RoomEvent = (
    VoicePacket | SpeakerJoined | SpeakerLeft | LinkLost | LinkRestored | TextMessage
)


class Room(Protocol):
    """A place where people talk, already joined."""

    @property
    def name(self) -> str:
        """The agent's own name in the room."""
        ...

    @property
    def address(self) -> str:
        """Where it is, for people: "host:port/channel"."""
        ...

    @property
    def events(self) -> Inlet[RoomEvent]:
        """What happens in the room, in order. Bounded: the oldest voice is dropped."""
        ...

    def frame_rate_hz(self, source_rate_hz: int) -> int:
        """The rate at which `write` wants frames made from a source of that rate."""
        ...

    def write(self, frame: Pcm, rate_hz: int, *, last: bool = False) -> None:
        """Send one frame of `FRAME_S` now. Never waits, never queues, never raises.

        `rate_hz` is one that `frame_rate_hz` gave. `last` ends the talk spurt. What
        the link cannot take at once is dropped and counted: late speech is worse
        than none.
        """
        ...

    def end_talk(self) -> None:
        """End the talk spurt now, if one is open, without another frame of speech."""
        ...

    async def send_text(self, text: str, to: Speaker | None = None) -> None:
        """Write plain text to the agent's channel, at the server's pace.

        With `to`, only they can read it; lost if they are not there any more.
        """
        ...


# --- models ----------------------------------------------------------------------


class VadStream(Protocol):
    """One speaker's voice activity detector; it remembers what it heard."""

    @property
    def frame_samples(self) -> int:
        """How many samples, at `HEARING_RATE_HZ`, `probability` takes at a time."""
        ...

    def probability(self, frame: Pcm) -> float:
        """How likely `frame` holds speech, 0 to 1. Takes well under a millisecond."""
        ...

    def reset(self) -> None:
        """Forget what was heard: the speaker was silent for a while."""
        ...


class VoiceActivityDetector(Protocol):
    """Tells speech from silence and noise."""

    def stream(self) -> VadStream:
        """Start listening to one speaker."""
        ...


class RecognizerStream(Protocol):
    """One utterance of one speaker. Used by one task at a time."""

    async def feed(self, pcm: Pcm) -> str:
        """Take audio of any length; return the hypothesis so far, all of it.

        The provider pads the start itself. A hypothesis may revise an earlier one.
        If cancelled, the stream is only good for closing.

        Raises:
            ProviderError: the recognizer failed; the stream is only good for closing.
        """
        ...

    async def finish(self) -> str:
        """Flush (the provider pads the end itself) and return the final transcript.

        Call it once; nothing can be fed afterwards. Cancelling and errors: as `feed`.
        """
        ...


class Recognizer(Protocol):
    """Streaming speech recognition, for any number of speakers at a time."""

    def stream(self) -> AbstractAsyncContextManager[RecognizerStream]:
        """Open a stream for one utterance. Leaving the block frees it at once."""
        ...


@attrs.frozen
class Message:
    """One message of a conversation, as language models take it."""

    role: Literal["system", "user", "assistant"]
    content: str


@attrs.frozen
class Usage:
    """What a reply cost, in tokens, as the server counts them.

    `cached_tokens` are those of the prompt that it still knew from an earlier one,
    `thought_tokens` those of the completion that nobody hears.
    """

    prompt_tokens: int = 0
    cached_tokens: int = 0
    completion_tokens: int = 0
    thought_tokens: int = 0


class LanguageModel(Protocol):
    """Continues a conversation."""

    @property
    def name(self) -> str:
        """What it is called, for people and for the log."""
        ...

    async def check(self) -> None:
        """Reach the model; leave the connection warm for the first reply.

        Raises:
            ProviderError: it cannot be used now; the error says why and what to do.
        """
        ...

    async def reply(
        self, messages: Sequence[Message], tokens: Outlet[str]
    ) -> Usage | None:
        """Send the pieces of the reply into `tokens` as they come.

        Return what it cost, if that is known.

        Does not close `tokens`. If cancelled, the request ends at once and its
        connection is closed or ready for the next one.

        Raises:
            ProviderError: no reply, or it broke off. Pieces already sent were real.
        """
        ...


@attrs.frozen
class WordMark:
    """Where a word of a phrase sounds: `phrase[start_char:]` begins at `at_sample`."""

    start_char: int
    at_sample: int


@attrs.frozen(eq=False)
class Speech:
    """A piece of a phrase's audio, at the synthesizer's rate.

    `words` mark the words that begin in this phrase, known so far and not given
    before; `at_sample` counts from the start of the phrase.
    """

    pcm: Pcm
    words: tuple[WordMark, ...] = ()


class Synthesizer(Protocol):
    """Turns phrases into speech."""

    @property
    def rate_hz(self) -> int:
        """The sample rate of all it says."""
        ...

    async def synthesize(self, phrase: str, audio: Outlet[Speech]) -> None:
        """Send `phrase` as speech into `audio`, piece by piece; return when all is in.

        Does not close `audio`. A send that waits holds the synthesizer back. If
        cancelled, it stops within one piece and is free for the next phrase.

        Raises:
            ProviderError: this phrase cannot be spoken.
        """
        ...


class Offload(Protocol):
    """Runs a blocking call without blocking the event loop."""

    async def __call__(self, fn: Callable[[*Ts], T], /, *args: *Ts) -> T:
        """Return `fn(*args)`. If cancelled, return at once; the result is dropped."""
        ...
