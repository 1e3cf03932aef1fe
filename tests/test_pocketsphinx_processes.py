"""The life of pocketsphinx's child processes: started, shared out, killed, ended."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from typing import TYPE_CHECKING

import attrs
import pytest
import trio

from providers.asr import pocketsphinx, pocketsphinx_child
from providers.asr.pocketsphinx_child import start_child
from providers.asr.pocketsphinx_worker import FEED, FINISH, REPLY, REQUEST
from tests.contract.asr_contract import transcribe
from tests.helpers_speech import (
    say,
    silence,
    small_language_model,
)
from trioagent.errors import ProviderError

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator
    from pathlib import Path

    from trioagent.interfaces import Recognizer

WEATHER = "what is the weather like in toronto"
SETTINGS = {"mean": pocketsphinx.SEED_MEAN}


@pytest.fixture
def options(tmp_path: Path) -> pocketsphinx.Options:
    """With the model of the wheel, each test would take seconds."""
    language_model, dictionary = map(str, small_language_model(tmp_path))
    return pocketsphinx.Options(language_model=language_model, dictionary=dictionary)


@pytest.fixture
async def recognizer(options: pocketsphinx.Options) -> AsyncGenerator[Recognizer]:
    async with pocketsphinx.PROVIDER.open(options) as recognizer:
        yield recognizer


def is_running(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    return True


def idle_pids(recognizer: Recognizer) -> list[int]:
    return [child.pid for child in recognizer._idle]


async def test_two_speakers_have_a_process_each(recognizer: Recognizer) -> None:
    assert len(idle_pids(recognizer)) == 1
    async with recognizer.stream(), recognizer.stream():
        assert idle_pids(recognizer) == []
    assert len(set(idle_pids(recognizer))) == 2


async def test_one_more_speaker_waits(options: pocketsphinx.Options) -> None:
    options = attrs.evolve(options, speakers=1)
    async with (
        pocketsphinx.PROVIDER.open(options) as recognizer,
        trio.open_nursery() as nursery,
    ):
        entered = trio.Event()

        async def second() -> None:
            async with recognizer.stream() as stream:
                entered.set()
                await stream.feed(say(WEATHER))

        async with recognizer.stream() as stream:
            nursery.start_soon(second)
            await stream.feed(say(WEATHER))
            assert not entered.is_set()
        await entered.wait()
    assert recognizer._idle == []


async def test_no_process_is_left(options: pocketsphinx.Options) -> None:
    async with pocketsphinx.PROVIDER.open(options) as recognizer:
        async with recognizer.stream(), recognizer.stream():
            pass
        pids = idle_pids(recognizer)
        assert all(is_running(pid) for pid in pids)
    assert len(pids) == 2
    assert not any(is_running(pid) for pid in pids)


async def test_no_process_is_left_by_a_cancelled_utterance(
    options: pocketsphinx.Options,
) -> None:
    with trio.CancelScope() as scope:
        async with pocketsphinx.PROVIDER.open(options) as recognizer:
            pids = idle_pids(recognizer)
            async with recognizer.stream() as stream:
                await stream.feed(say(WEATHER)[:3200])
                scope.cancel()
                await stream.feed(say(WEATHER))
    assert scope.cancelled_caught
    assert not is_running(pids[0])


@pytest.mark.parametrize("delay_s", [0, 0.02, 0.1])
async def test_no_process_is_left_by_a_cancelled_start(
    delay_s: float, monkeypatch: pytest.MonkeyPatch
) -> None:
    started = []
    real = trio.lowlevel.open_process

    async def open_process(*args: object, **kwargs: object) -> trio.Process:
        started.append(await real(*args, **kwargs))
        return started[-1]

    monkeypatch.setattr(trio.lowlevel, "open_process", open_process)
    with trio.move_on_after(delay_s) as scope:
        await start_child(SETTINGS)
    assert scope.cancelled_caught
    assert all(process.returncode is not None for process in started)


async def test_a_killed_process_fails_its_stream_and_is_started_again(
    recognizer: Recognizer,
) -> None:
    pcm = say(WEATHER)
    pid = idle_pids(recognizer)[0]
    async with recognizer.stream() as stream:
        await stream.feed(pcm[:16000])
        os.kill(pid, signal.SIGKILL)
        with pytest.raises(ProviderError, match=r"ended unexpectedly \(signal 9\)"):
            await stream.feed(pcm[16000:])
        with pytest.raises(ProviderError, match="ended unexpectedly"):
            await stream.finish()
    assert idle_pids(recognizer) == []
    assert "toronto" in await transcribe(recognizer, pcm)
    assert idle_pids(recognizer) != [pid]


async def test_a_process_killed_between_utterances_is_not_noticed(
    recognizer: Recognizer,
) -> None:
    child = recognizer._idle[0]
    os.kill(child.pid, signal.SIGKILL)
    await child._process.wait()
    assert "toronto" in await transcribe(recognizer, say(WEATHER))


async def test_a_process_that_hangs_is_ended(
    recognizer: Recognizer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(pocketsphinx_child, "REPLY_TIMEOUT_S", 0.2)
    pid = idle_pids(recognizer)[0]
    os.kill(pid, signal.SIGSTOP)
    async with recognizer.stream() as stream:
        with pytest.raises(ProviderError, match="hangs"):
            await stream.feed(silence(0.1))
    assert not is_running(pid)
    monkeypatch.undo()
    assert "toronto" in await transcribe(recognizer, say(WEATHER))


async def test_a_process_that_takes_no_more_is_ended(
    recognizer: Recognizer, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Cancelled callers leave requests in the pipe of a child that hangs."""
    monkeypatch.setattr(pocketsphinx_child, "WRITE_TIMEOUT_S", 0.1)
    child = recognizer._idle[0]
    os.kill(child.pid, signal.SIGSTOP)

    async def fill_the_pipe() -> None:
        for _ in range(100):
            with trio.move_on_after(0.002):
                await child.ask(FEED, 1, bytes(3200))

    with pytest.raises(ProviderError, match="takes no more audio"):
        await fill_the_pipe()
    assert not is_running(child.pid)


PARENT = """
import time, trio
from providers.asr.pocketsphinx import PROVIDER, Options

async def main():
    async with PROVIDER.open(Options()) as recognizer:
        print(recognizer._idle[0].pid, flush=True)
        await trio.sleep_forever()

trio.run(main)
"""


def test_the_child_ends_when_the_agent_is_killed() -> None:
    with subprocess.Popen([sys.executable, "-c", PARENT], stdout=subprocess.PIPE) as it:
        pid = int(it.stdout.readline())
        assert is_running(pid)
        it.kill()
    deadline = time.monotonic() + 10
    while is_running(pid) and time.monotonic() < deadline:
        time.sleep(0.02)
    assert not is_running(pid)


def test_the_worker_alone() -> None:
    """The protocol, byte by byte: no reply to "abandon", no end but that of stdin."""
    requests = b"".join(
        [
            REQUEST.pack(FEED, 7, 3200) + bytes(3200),
            REQUEST.pack(b"x", 0, 0),
            REQUEST.pack(FINISH, 8, 0),
        ]
    )
    command = [sys.executable, "-P", str(pocketsphinx_child.WORKER), '{"mean": "40"}']
    replies = subprocess.run(command, input=requests, capture_output=True, check=True)
    assert replies.stderr == b""
    numbers, rest = [], replies.stdout
    while rest:
        number, length = REPLY.unpack_from(rest)
        numbers.append(number)
        rest = rest[REPLY.size + length :]
    assert numbers == [0, 7, 8]
