"""People in a room, for tests: they say tones and write down what they hear."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Protocol, TypeVar

import numpy as np
import trio

from trioagent.interfaces import (
    FRAME_S,
    HEARING_RATE_HZ,
    Pcm,
    Room,
    RoomEvent,
    SpeakerJoined,
    VoicePacket,
)

if TYPE_CHECKING:
    from collections.abc import Callable

BEFORE_S, INTERRUPTED_S, OUTAGE_S, AFTER_S = 0.3, 0.8, 1.0, 0.8

EventT = TypeVar("EventT")


def tone(hz: float, seconds: float, rate_hz: int) -> Pcm:
    time = np.arange(int(seconds * rate_hz)) / rate_hz
    return (8000 * np.sin(2 * np.pi * hz * time)).astype(np.int16)


def loudest_hz(packets: list[VoicePacket]) -> float:
    """Return the strongest frequency of the middle of what was heard."""
    pcm = np.concatenate([packet.pcm for packet in packets])
    middle = pcm[len(pcm) // 4 : -len(pcm) // 4]
    spectrum = np.abs(np.fft.rfft(middle * np.hanning(len(middle))))
    return float(np.argmax(spectrum)) * HEARING_RATE_HZ / len(middle)


async def say(room: Room, pcm: Pcm, rate_hz: int, *, end: bool = True) -> None:
    """Say `pcm` in real time; the last frame carries the terminator if `end`."""
    assert room.frame_rate_hz(rate_hz) == rate_hz
    size = int(rate_hz * FRAME_S)
    await trio.lowlevel.checkpoint()
    start = trio.current_time()
    starts = range(0, len(pcm), size)
    for index, at in enumerate(starts):
        await trio.sleep_until(start + index * FRAME_S)
        room.write(pcm[at : at + size], rate_hz, last=end and index == len(starts) - 1)


async def next_event(room: Room, kind: type[EventT]) -> EventT:
    """Return the room's next event of this kind; drop those before it."""
    await trio.lowlevel.checkpoint()
    with trio.fail_after(10):
        async for event in room.events:
            if isinstance(event, kind):
                return event
    raise AssertionError(f"the room ended before a {kind.__name__}")


async def hear(room: Room, *, quiet_s: float = 5.0) -> list[VoicePacket]:
    """Return what is heard until a talk spurt ends, or nothing comes for `quiet_s`."""
    packets: list[VoicePacket] = []
    await trio.lowlevel.checkpoint()
    while not (packets and packets[-1].ends_talk):
        with trio.move_on_after(quiet_s) as quiet:
            packets.append(await next_event(room, VoicePacket))
        if quiet.cancelled_caught:
            break
    return packets


async def exchange(
    speaker: Room,
    listener: Room,
    hz: float,
    rate_hz: int = 24_000,
    seconds: float = 0.4,
) -> list[VoicePacket]:
    """Let `speaker` say a tone; return what `listener` hears of it."""
    async with trio.open_nursery() as nursery:
        nursery.start_soon(say, speaker, tone(hz, seconds, rate_hz), rate_hz)
        heard = await hear(listener)
    return heard  # noqa: RET504 - the nursery ends first


async def until_joined(room: Room, name: str) -> None:
    """Return when `name` is in the room."""
    joined = await next_event(room, SpeakerJoined)
    while joined.speaker.name != name:
        joined = await next_event(room, SpeakerJoined)


async def settled(*rooms: Room) -> None:
    """Return when these, which joined just now, found their way over UDP.

    On the way from TCP to UDP one packet may overtake another. Rooms that use no UDP
    are taken as they are.
    """
    use_udp = [room for room in rooms if room._config.udp]  # type: ignore[attr-defined]
    await polled(lambda: all(room.over_udp for room in use_udp))  # type: ignore[attr-defined]


def waiting(room: Room) -> list[RoomEvent]:
    """Return the events that are there now."""
    events: list[RoomEvent] = []
    while True:
        try:
            events.append(room.events.receive_nowait())
        except (trio.WouldBlock, trio.EndOfChannel):
            return events


async def polled(condition: Callable[[], Any], timeout_s: float = 10) -> None:
    """Return when `condition` holds."""
    with trio.fail_after(timeout_s):
        await trio.lowlevel.checkpoint()
        while not condition():  # noqa: ASYNC110 - nothing tells when it does
            await trio.sleep(0.01)


class Network(Protocol):
    """What can fail between two people."""

    def cut(self) -> None: ...

    def restore(self) -> None: ...


def seconds(packets: list[VoicePacket]) -> float:
    return sum(len(packet.pcm) for packet in packets) / HEARING_RATE_HZ


async def interrupted_in_an_outage(
    speaker: Room, listener: Room, network: Network
) -> tuple[list[VoicePacket], list[VoicePacket]]:
    """Let `speaker` talk into an outage of 1 s and be interrupted in it.

    Returns what `listener` heard before the network was back, and after.
    """
    with trio.move_on_after(BEFORE_S):
        await say(speaker, tone(440, 5, 24_000), 24_000, end=False)
    network.cut()
    cut_at = trio.current_time()
    with trio.move_on_after(INTERRUPTED_S):
        await say(speaker, tone(440, 5, 24_000), 24_000, end=False)
    speaker.end_talk()
    await trio.sleep_until(cut_at + OUTAGE_S)
    network.restore()
    restored_at = trio.current_time()
    await trio.sleep(AFTER_S)
    heard = [event for event in waiting(listener) if isinstance(event, VoicePacket)]
    before = [packet for packet in heard if packet.time < restored_at]
    return before, [packet for packet in heard if packet.time >= restored_at]
