"""Crowds and floods, from a scripted server over real TLS."""

from __future__ import annotations

import gc
import random
import time
import tracemalloc
from typing import TYPE_CHECKING

import numpy as np
import trio

from providers.opus import Encoder
from providers.rooms.mumble import open_mumble
from providers.rooms.mumble.messages import (
    TextMessage,
    UserRemove,
    UserState,
    VoiceTunnel,
)
from providers.rooms.mumble.plain import MAX_NAME_CHARS, MAX_TEXT_CHARS
from providers.rooms.mumble.voice_packets import encode_varint
from tests.e2e.murmur import until
from tests.helpers_mumble_server import ELSEWHERE, HERE, OUR_SESSION, scripted_server
from trioagent import interfaces as i

if TYPE_CHECKING:
    from pathlib import Path

    import pytest

    from tests.helpers_mumble_server import Peer

USERS = 10_000
PATIENCE_S = 60.0
BLOCKED_S = 0.5
"""On a machine that does much else; a flood taken in one piece took over a second."""


def _names() -> list[str]:
    """Names of all kinds, some of them for several users."""
    chance = random.Random(5)
    kinds = (
        lambda n: f"user {n}",
        lambda n: "same",
        lambda n: "",
        lambda n: "\u202e" + f"x\n{n}",
        lambda n: "z" * 10_000,
        lambda n: "".join(chr(chance.randrange(0x20, 0xD800)) for _ in range(20)),
    )
    return [kinds[n % len(kinds)](n) for n in range(USERS)]


async def _everybody_comes_and_goes(peer: Peer) -> None:
    for n, name in enumerate(_names()):
        session, place = n + 10, HERE if n % 4 == 0 else ELSEWHERE
        await peer.send(UserState(session=session, name=name, channel_id=place))
    for n in range(USERS):
        await peer.send(UserRemove(session=n + 10))
    await peer.send(UserState(session=5, name="last", channel_id=HERE))


async def _longest_stall(longest: list[float]) -> None:
    """Note how long the loop did nothing else."""
    while True:
        before = time.perf_counter()
        await trio.lowlevel.checkpoint()
        await trio.lowlevel.checkpoint()
        longest[0] = max(longest[0], time.perf_counter() - before)


async def test_ten_thousand_come_and_go_and_only_ours_are_speakers(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    joined: list[i.Speaker] = []
    left: list[i.Speaker] = []
    stall = [0.0]
    async with (
        scripted_server(tmp_path, _everybody_comes_and_goes) as config,
        open_mumble(config) as room,
        trio.open_nursery() as nursery,
    ):
        nursery.start_soon(_longest_stall, stall)
        with trio.fail_after(PATIENCE_S):
            async for event in room.events:
                if isinstance(event, i.SpeakerLeft):
                    left.append(event.speaker)
                elif isinstance(event, i.SpeakerJoined):
                    joined.append(event.speaker)
                    if event.speaker.name == "last":
                        break
        nursery.cancel_scope.cancel()
        figures = room.figures  # type: ignore[attr-defined]
    assert (figures["users"], figures["speakers"]) == (2, 1)
    assert [s.id for s in joined[:-1]] == [n + 10 for n in range(0, USERS, 4)]
    assert left == joined[:-1]
    assert all(1 <= len(s.name) <= MAX_NAME_CHARS for s in joined)
    assert all(s.name.splitlines() == [s.name] for s in joined)
    assert stall[0] < BLOCKED_S
    assert caplog.text == ""


async def test_who_left_leaves_no_memory_behind(tmp_path: Path) -> None:
    """A tenth of them, as tracing is slow; each name came with 10 kB."""

    async def crowd(peer: Peer) -> None:
        for n in range(USERS // 10):
            name = f"{n} " + "z" * 10_000
            await peer.send(UserState(session=n + 10, name=name, channel_id=HERE))
        await peer.send(TextMessage(actor=10, channel_id=(HERE,), message="all here"))
        for n in range(USERS // 10):
            await peer.send(UserRemove(session=n + 10))
        await peer.send(UserState(session=5, name="last", channel_id=HERE))

    sizes = {}
    async with scripted_server(tmp_path, crowd) as config, open_mumble(config) as room:
        gc.collect()
        tracemalloc.start()
        with trio.fail_after(PATIENCE_S):
            async for event in room.events:
                if isinstance(event, i.TextMessage):
                    sizes["full"] = tracemalloc.get_traced_memory()[0]
                elif isinstance(event, i.SpeakerJoined) and event.speaker.id == 5:
                    break
        del event
        gc.collect()
        sizes["empty"] = tracemalloc.get_traced_memory()[0]
        tracemalloc.stop()
    # A kilobyte or two for each while they are here.
    assert sizes["full"] < 2_500 * USERS // 10
    assert sizes["empty"] < 400_000


def _voice(session: int, number: int, opus: bytes) -> VoiceTunnel:
    size = encode_varint(len(opus))
    head = bytes((4 << 5,)) + encode_varint(session) + encode_varint(number)
    return VoiceTunnel(head + size + opus)


async def test_a_voice_flood_does_not_starve_the_others(tmp_path: Path) -> None:
    encoder = Encoder(16_000, 24_000)
    hum = (np.sin(np.arange(320 * 150) / 9) * 9000).astype(np.int16)
    packets = [encoder.encode(hum[at : at + 320]) for at in range(0, len(hum), 320)]

    async def talk(peer: Peer) -> None:
        for session, name in ((2, "ana"), (3, "eve")):
            await peer.send(UserState(session=session, name=name, channel_id=HERE))
        start = trio.current_time()
        for n, opus in enumerate(packets):
            await trio.sleep_until(start + 0.02 * n)
            # 2,000 packets a second of eve, and one every 20 ms of ana.
            flood = [_voice(3, 40 * n + k, opus) for k in range(40)]
            await peer.send(*flood, _voice(2, 2 * n, opus))
        await peer.send(UserState(session=4, name="done", channel_id=HERE))

    heard = {"ana": 0, "eve": 0}
    async with (
        scripted_server(tmp_path, talk) as config,
        open_mumble(config) as room,
    ):
        with trio.fail_after(PATIENCE_S):
            async for event in room.events:
                if isinstance(event, i.VoicePacket):
                    heard[event.speaker.name] += len(event.pcm)
                elif isinstance(event, i.SpeakerJoined) and event.speaker.id == 4:
                    break
        figures = room.figures  # type: ignore[attr-defined]
    assert heard["ana"] == 320 * len(packets)
    assert heard["eve"] < 16_000 * 3 * (5 + 3 * 1.25)
    assert figures["voice_received"] == 41 * len(packets)
    assert figures["voice_flooding"] > 30 * len(packets)
    assert figures["inbox_dropped"] == 0


async def test_texts_arrive_plain_from_who_wrote_them(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    picture = '<img src="data:image/png;base64,' + "A" * 1_000_000 + '"/>'
    ours, here = {"session": (OUR_SESSION,)}, {"channel_id": (HERE,)}

    async def write(peer: Peer) -> None:
        await peer.send(
            UserState(session=2, name="ana", channel_id=HERE, hash="AB" * 20),
            UserState(session=3, name="eve", channel_id=ELSEWHERE),
            TextMessage(actor=2, **here, message=f"see <b>this</b>{picture}&lt;3"),
            TextMessage(actor=3, **ours, message="psst"),
            TextMessage(actor=3, channel_id=(ELSEWHERE,), message="not for us"),
            TextMessage(actor=99, **ours, message="from nobody"),
            TextMessage(**ours, message="Welcome!"),
            TextMessage(actor=OUR_SESSION, **here, message="our own"),
            TextMessage(actor=2, tree_id=(HERE,), message=picture),
            TextMessage(actor=2, tree_id=(HERE,), message="x" * 5_000_000),
        )

    texts: list[i.TextMessage] = []
    async with scripted_server(tmp_path, write) as config, open_mumble(config) as room:
        with trio.fail_after(PATIENCE_S):
            async for event in room.events:
                if isinstance(event, i.TextMessage):
                    texts.append(event)
                if len(texts) == 3:
                    break
    ana, eve = i.Speaker(2, "ana", certificate="ab" * 20), i.Speaker(3, "eve")
    assert texts == [
        i.TextMessage(ana, "see this<3", private=False),
        i.TextMessage(eve, "psst", private=True),
        i.TextMessage(ana, "x" * MAX_TEXT_CHARS, private=False),
    ]
    assert caplog.text == ""


async def test_a_private_answer_reaches_one_user_or_nobody(tmp_path: Path) -> None:
    peers: list[Peer] = []
    again = trio.Event()

    async def write(peer: Peer) -> None:
        peers.append(peer)
        await peer.send(UserState(session=2, name="ana", channel_id=ELSEWHERE))
        await peer.send(TextMessage(actor=2, session=(OUR_SESSION,), message="hi"))
        await again.wait()
        await peer.send(
            UserRemove(session=2),
            UserState(session=2, name="eve", channel_id=HERE),
        )

    async with scripted_server(tmp_path, write) as config, open_mumble(config) as room:
        with trio.fail_after(PATIENCE_S):
            async for event in room.events:
                if isinstance(event, i.TextMessage):
                    ana = event.speaker
                    await room.send_text("<b>for ana</b>", to=ana)
                    again.set()
                elif isinstance(event, i.SpeakerJoined):
                    break  # eve, who got ana's number
            await room.send_text("ana's secret", to=ana)
            await room.send_text("done")
            await until(lambda: any(_sent(m, "done") for m in peers[0].received))
    sent = [m for m in peers[0].received if isinstance(m, TextMessage)]
    assert sent == [
        TextMessage(session=(2,), message="&lt;b&gt;for ana&lt;/b&gt;"),
        TextMessage(channel_id=(HERE,), message="done"),
    ]


def _sent(message: object, text: str) -> bool:
    return isinstance(message, TextMessage) and message.message == text
