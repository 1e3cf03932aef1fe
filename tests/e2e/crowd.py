"""A crowd in a room: many clients in one process, some of whom talk all the time.

    python -m tests.e2e.crowd --port 64738 --clients 50 --talkers 20

Speech is encoded before anybody talks, and nobody decodes what they hear, so that a
crowd of fifty takes little of a core. Prints a line when all are there; talks from each
line on its standard input to the next.
"""

from __future__ import annotations

import argparse
import sys
from contextlib import AsyncExitStack, asynccontextmanager
from typing import TYPE_CHECKING

import attrs
import soundfile
import trio

from providers.opus import Encoder
from providers.rooms.mumble.link import connect
from providers.rooms.mumble.login import Session
from providers.rooms.mumble.messages import Ping
from providers.rooms.mumble.ocb2 import Ocb2
from providers.rooms.mumble.tls import make_context
from providers.rooms.mumble.udp import UdpLink, open_udp
from providers.rooms.mumble.voice_packets import encode_voice
from tests.helpers_speech import RECORDINGS
from trioagent.config import MumbleConfig
from trioagent.interfaces import FRAME_S, HEARING_RATE_HZ, Pcm

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Sequence

BITRATE_BPS = 24_000
PAUSE_FRAMES = 40
"""Between two utterances of one talker, each of whom begins where they like."""

PING_S = 5.0
_FRAME = round(HEARING_RATE_HZ * FRAME_S)
_UNITS = 2  # of a frame, in sequence numbers
# UserState with self_deaf (field 10): the server sends them no voice.
_DEAFEN = bytes.fromhex("0009") + (2).to_bytes(4, "big") + bytes((10 << 3, 1))

Talk = tuple["bytes | None", ...]
"""Packets of 20 ms, None where nothing is said; a terminator where a None follows."""


def talk_of(pcm: Pcm) -> Talk:
    """Return speech as packets, with a pause at its end."""
    encoder = Encoder(HEARING_RATE_HZ, BITRATE_BPS)
    starts = range(0, len(pcm) - _FRAME + 1, _FRAME)
    packets = [encoder.encode(pcm[at : at + _FRAME]) for at in starts]
    encoder.close()
    return (*packets, *[None] * PAUSE_FRAMES)


def people() -> list[Pcm]:
    """Return recordings of people's speech; empty where there are none."""
    files = sorted(RECORDINGS.glob("*.wav"))
    return [soundfile.read(file, dtype="int16")[0] for file in files]


@attrs.define(eq=False)
class Talker:
    """One of the crowd who talks: the same words again and again."""

    session: Session
    udp: UdpLink
    talk: Talk
    at: int
    sequence: int = 0

    def say_next(self) -> None:
        """Send the next packet, if there is one."""
        opus = self.talk[self.at]
        self.at = (self.at + 1) % len(self.talk)
        if opus is not None:
            last = self.talk[self.at] is None
            self.udp.send(encode_voice(self.sequence, opus, last=last))
        self.sequence += _UNITS

    def hush(self) -> None:
        """End the talk spurt."""
        self.udp.send(encode_voice(self.sequence, b"", last=True))
        self.sequence += _UNITS


@attrs.define(eq=False)
class Crowd:
    """Everybody, connected. `talking` is whether the talkers do."""

    talkers: list[Talker] = attrs.Factory(list)
    talking: bool = False
    late_s: float = 0.0
    """The most that a packet was late."""

    async def run(self) -> None:
        """Talk in real time, whenever `talking`."""
        tick, talked = trio.current_time(), False
        while True:
            tick += FRAME_S
            await trio.sleep_until(tick)
            if self.talking:
                self.late_s = max(self.late_s, trio.current_time() - tick)
                for talker in self.talkers:
                    talker.say_next()
            elif talked:
                for talker in self.talkers:
                    talker.hush()
            talked = self.talking

    async def attend(self, session: Session) -> None:
        """Keep a client connected."""
        async with trio.open_nursery() as nursery:
            nursery.start_soon(self._drain, session)
            while True:
                await trio.sleep(PING_S)
                await session.control.send_messages(Ping(timestamp=1))

    async def _drain(self, session: Session) -> None:
        while True:
            await session.control.receive()


@asynccontextmanager
async def crowd_in(
    config: MumbleConfig, clients: int, talks: Sequence[Talk]
) -> AsyncIterator[Crowd]:
    """Let `clients` join, as many of whom talk as there are `talks`."""
    crowd = Crowd()
    context = make_context(config)
    async with AsyncExitStack() as stack, trio.open_nursery() as nursery:
        for n in range(clients):
            ours = attrs.evolve(config, user=f"crowd{n}", comment="")
            session = await connect(ours, context, config.channel)
            stack.push_async_callback(session.control.aclose)
            nursery.start_soon(crowd.attend, session)
            if n >= len(talks):
                await session.control.send(_DEAFEN)
                continue
            setup = session.crypt_setup
            crypt = Ocb2(
                setup.key or b"", setup.client_nonce or b"", setup.server_nonce or b""
            )
            udp = open_udp(session.control.socket, crypt)
            stack.callback(udp.close)
            udp.ping(0.0)  # the server knows their address from now on
            begins = n * len(talks[n]) // len(talks)
            crowd.talkers.append(Talker(session, udp, talks[n], begins))
        nursery.start_soon(crowd.run)
        yield crowd
        nursery.cancel_scope.cancel()


async def _serve(args: argparse.Namespace) -> None:
    spoken = [talk_of(pcm) for pcm in people()]
    if not spoken:
        sys.exit(f"no recordings of people in {RECORDINGS}")
    talks = [spoken[n % len(spoken)] for n in range(args.talkers)]
    config = MumbleConfig(
        server="127.0.0.1", port=args.port, trust="ca", ca_file=args.ca_file
    )
    async with crowd_in(config, args.clients, talks) as crowd:
        print("ready", flush=True)  # noqa: T201 - its answer
        while await trio.to_thread.run_sync(sys.stdin.readline, abandon_on_cancel=True):
            crowd.talking = not crowd.talking
            print(f"late {crowd.late_s:.3f}", flush=True)  # noqa: T201 - as above


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--port", type=int, required=True)
    parser.add_argument("--ca-file", required=True)
    parser.add_argument("--clients", type=int, default=50)
    parser.add_argument("--talkers", type=int, default=20)
    trio.run(_serve, parser.parse_args())
