"""Chat, certificates and the TCP tunnel, against a real murmurd with every client."""

from __future__ import annotations

import subprocess
from typing import TYPE_CHECKING

import pytest
import trio

from tests.e2e.room_clients import CLIENTS, NATIVE, Client, config_for
from tests.e2e.talking import exchange, next_event, until_joined, waiting
from trioagent.interfaces import SpeakerJoined, TextMessage, VoicePacket

if TYPE_CHECKING:
    from pathlib import Path

    from tests.e2e.murmur import OpenServer
    from trioagent.config import MumbleConfig


@pytest.fixture(params=CLIENTS, ids=lambda client: client.name)
def client(request: pytest.FixtureRequest) -> Client:
    found: Client = request.param
    return found


def _with_certificate(config: MumbleConfig, folder: Path) -> dict[str, str]:
    key, certificate = folder / "key.pem", folder / "cert.pem"
    subprocess.run(
        ["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt",
         "ec_paramgen_curve:prime256v1", "-nodes", "-days", "2", "-subj", "/CN=ana",
         "-keyout", str(key), "-out", str(certificate)],
        check=True, capture_output=True,
    )  # fmt: skip
    return {"certificate_file": str(certificate), "key_file": str(key)}


async def test_texts_reach_the_agent_and_its_answer_reaches_one(
    client: Client, murmur_server: OpenServer, tmp_path: Path
) -> None:
    async with murmur_server() as server:
        plain = config_for(server, "ana")
        async with (
            NATIVE.open(
                config_for(server, "ana", **_with_certificate(plain, tmp_path))
            ) as ana,
            NATIVE.open(config_for(server, "bob")) as bob,
            client.open(config_for(server, "agent")) as agent,
        ):
            seen = {}
            while len(seen) < 2 or not seen["ana"].certificate:
                speaker = (await next_event(agent, SpeakerJoined)).speaker
                seen[speaker.name] = speaker
            assert len(seen["ana"].certificate) == 40  # murmurd's is a SHA-1
            assert seen["bob"].certificate == ""
            await until_joined(ana, "agent")
            await ana.send_text("is 1 < 2 & <b>so</b>?\nyes")
            text = await next_event(agent, TextMessage)
            assert text == TextMessage(
                seen["ana"], "is 1 < 2 & <b>so</b>?\nyes", private=False
            )
            await agent.send_text("for ana", to=seen["ana"])
            await agent.send_text("for all")
            at_ana = [(await next_event(ana, TextMessage)) for _ in range(2)]
            assert [(t.text, t.private) for t in at_ana] == [
                ("for ana", True),
                ("for all", False),
            ]
            texts = [(await next_event(bob, TextMessage)).text for _ in range(2)]
            assert texts == ["is 1 < 2 & <b>so</b>?\nyes", "for all"]
            assert not [e for e in waiting(bob) if isinstance(e, TextMessage)]


async def test_without_udp_everything_goes_through_the_tunnel(
    client: Client, murmur_server: OpenServer
) -> None:
    async with (
        murmur_server() as server,
        client.open(config_for(server, "agent", udp=False)) as agent,
        NATIVE.open(config_for(server, "ana", udp=False)) as ana,
    ):
        await until_joined(agent, "ana")
        for speaker, listener in ((agent, ana), (ana, agent)):
            heard = await exchange(speaker, listener, 440.0)
            # What a loaded machine sends too late is left out, but not the end.
            assert len(heard) > 5
            assert heard[-1].ends_talk
        figures = agent.figures  # type: ignore[attr-defined]
        assert 5 < figures["voice_received"] <= 20
        udp = {name: n for name, n in figures.items() if "udp" in name}
        assert udp
        assert not any(udp.values())
        assert not agent.over_udp  # type: ignore[attr-defined]


async def test_figures_go_on_over_a_loss(murmur_server: OpenServer) -> None:
    async with (
        murmur_server() as server,
        NATIVE.open(config_for(server, "agent")) as agent,
        NATIVE.open(config_for(server, "ana")) as ana,
    ):
        await until_joined(agent, "ana")
        await exchange(ana, agent, 440.0)
        before = agent.figures["voice_received"]  # type: ignore[attr-defined]
        assert before > 5
        await server.stop()
        await server.start()
        with trio.fail_after(20):
            await until_joined(agent, "ana")
            await until_joined(ana, "agent")
        heard = await exchange(ana, agent, 440.0)
        assert [e for e in heard if isinstance(e, VoicePacket)]
        figures = agent.figures  # type: ignore[attr-defined]
        assert figures["losses"] == 1
        assert figures["voice_received"] > before + 5
