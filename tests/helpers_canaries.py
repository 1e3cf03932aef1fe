"""Secrets that can be recognized wherever they come out, and an agent that has them."""

from __future__ import annotations

import os
import signal
import stat
import subprocess
import sys
from contextlib import asynccontextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import attrs
import pytest
import trio

from providers.rooms.murmurd import MurmurdSettings, find_murmurd, open_murmurd
from tests.e2e.sse_server import Answer, SseServer, open_sse_server
from tests.helpers_speech import TINY_MODEL
from trioagent.app import open_room, open_synthesizer
from trioagent.calling.at_once import speak
from trioagent.calling.caller import call
from trioagent.calling.plan import CallPlan
from trioagent.calling.utterances import Utterance
from trioagent.configuration.file import load_config

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from trioagent.config import Config

PASSWORD = "canary-password-7f3a"
TOKEN = "canary-token-91cc"
KEY = "sk-canary-key-/44d0e2"
HEADER = "canary-header-b8e1"
CANARIES = {
    "CANARY_PASSWORD": PASSWORD,
    "CANARY_TOKEN": TOKEN,
    "CANARY_KEY": KEY,
    "CANARY_HEADER": HEADER,
}
START_S = 60.0
ECHOES = Answer(
    status=401,
    # JSON has several spellings of a slash, and of any letter.
    error={"error": {"message": f"Bearer {KEY} ({HEADER}) is no key of ours"}},
    headers=[("x-echo", KEY), ("set-cookie", f"key={HEADER}")],
)


def config_text(folder: Path, port: int, llm_url: str) -> str:
    return f"""\
[mumble]
server = "127.0.0.1"
port = {port}
trust = "pin"
pin_file = "{folder}/state/pins"
password = "${{CANARY_PASSWORD}}"
tokens = ["${{CANARY_TOKEN}}"]

[asr]
provider = "sherpa"
model = "{TINY_MODEL}"

[asr.sherpa]
isolate = true

[llm]
providers = ["openai"]

[llm.openai]
base_url = "{llm_url}"
model = "canary"
api_key = "${{CANARY_KEY}}"
headers = {{ x-secret = "Token ${{CANARY_HEADER}}" }}
retry_budget_s = 0.0

[journal]
latency_file = "{folder}/latency.jsonl"
log_transcripts = true

[recording]
folder = "{folder}/recordings"
"""


def found_in(text: bytes | str) -> set[str]:
    """Which canaries are in it, in any spelling that JSON or a URL has for them."""
    raw = text.encode() if isinstance(text, str) else text
    plain = raw.replace(b"\\/", b"/").replace(b"%2F", b"/")
    return {name for name, value in CANARIES.items() if value.encode() in plain}


def found_in_files(folder: Path) -> dict[str, set[str]]:
    found = {}
    for path in folder.rglob("*"):
        if path.is_file() and (names := found_in(path.read_bytes())):
            found[str(path)] = names
    return found


def family(pid: int) -> list[int]:
    """A process and all below it."""
    children = Path(f"/proc/{pid}/task").glob("*/children")
    below = [int(n) for path in children for n in path.read_text().split()]
    return [pid, *(p for child in below for p in family(child))]


@attrs.define(eq=False)
class AgentProcess:
    process: trio.Process
    out: bytearray = attrs.Factory(bytearray)
    err: bytearray = attrs.Factory(bytearray)

    async def read(self, stream: Any, into: bytearray) -> None:
        async for data in stream:
            into.extend(data)

    async def until(self, words: bytes, count: int = 1) -> None:
        with trio.fail_after(START_S):
            while self.err.count(words) < count:
                assert self.process.returncode is None, self.err.decode()
                await trio.sleep(0.05)


@asynccontextmanager
async def agent_process(folder: Path, *words: str) -> AsyncIterator[AgentProcess]:
    """The agent as somebody starts it, with a careless umask; ended by SIGINT."""
    process = await trio.lowlevel.open_process(
        [sys.executable, "-m", "trioagent", "--log-level", "debug", *words],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        env=environ(folder),
        umask=0,
    )
    agent = AgentProcess(process)
    try:
        async with trio.open_nursery() as nursery:
            nursery.start_soon(agent.read, process.stdout, agent.out)
            nursery.start_soon(agent.read, process.stderr, agent.err)
            try:
                yield agent
            except BaseException:
                sys.stderr.write(agent.err.decode())  # pytest shows it
                raise
            process.send_signal(signal.SIGINT)
            with trio.fail_after(START_S):
                await process.wait()
    finally:
        with trio.CancelScope(shield=True):
            process.kill()
            await process.wait()


def environ(folder: Path) -> dict[str, str]:
    (folder / "tmp").mkdir(exist_ok=True)
    (folder / "run").mkdir(mode=0o700, exist_ok=True)
    return {
        **os.environ,
        **CANARIES,
        "XDG_STATE_HOME": str(folder / "state"),
        "XDG_CACHE_HOME": str(folder / "cache"),
        "XDG_RUNTIME_DIR": str(folder / "run"),
        "TMPDIR": str(folder / "tmp"),
        "CUDA_VISIBLE_DEVICES": "",
        "PYTHONPATH": str(Path(__file__).parents[1]),
    }


@asynccontextmanager
async def servers(folder: Path) -> AsyncIterator[tuple[Path, Config, SseServer]]:
    """murmurd with the password, a model that refuses; the configuration for both."""
    if find_murmurd() is None:
        pytest.skip("murmurd is not installed: apt-get install mumble-server")
    settings = MurmurdSettings(
        certificate_folder=folder.parent / f"{folder.name}-server", password=PASSWORD
    )
    async with open_murmurd(settings) as murmurd, open_sse_server(ECHOES) as llm:
        file = folder / "config.toml"
        file.write_text(config_text(folder, murmurd.port, llm.url))
        yield file, load_config(file, (), CANARIES), llm


async def say_hello(config: Config) -> None:
    """Talk to the agent as another user, and hear how it apologises."""
    async with open_synthesizer(config) as voice:
        pcm = await speak(voice, "turn on the light")
        utterance = Utterance("turn on the light", pcm, voice.rate_hz, noisy=False)
    plan = CallPlan(utterances=(utterance,), wait_s=20.0, settle_s=0.1, reply_gap_s=0.4)
    ours = attrs.evolve(config.mumble, user="caller", comment="")
    send, receive = trio.open_memory_channel[Any](100)
    async with open_room(ours) as room:
        with send, receive:
            await call(room, config.mumble.user, plan, send, None)


def exposed(folder: Path, made_by_us: set[str]) -> list[str]:
    """What others on the machine could read or write, of all that the agent made."""
    return [
        f"{path} {stat.S_IMODE(path.stat().st_mode):o}"
        for path in folder.rglob("*")
        if path.name not in made_by_us and path.stat().st_mode & 0o077
    ]


def commands(pids: list[int]) -> list[bytes]:
    """What `ps` shows of these."""
    return [Path(f"/proc/{pid}/cmdline").read_bytes() for pid in pids]


def environment_of(pid: int) -> bytes:
    """What a process was given."""
    return Path(f"/proc/{pid}/environ").read_bytes()


def files(folder: Path, pattern: str) -> list[Path]:
    """Those that there are."""
    return list(folder.glob(pattern))
