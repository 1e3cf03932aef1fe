"""The recognizer in a process of its own: what a crash of it costs, and what not."""

from __future__ import annotations

import logging
import os
import shutil
import signal
import subprocess
import sys
import time
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import pytest
import trio
from trio.testing import memory_stream_pair

from providers.asr import sherpa, sherpa_child, sherpa_isolated
from providers.asr.sherpa_pipe import CLOSE, FEED, REPLY, REQUEST, Reader
from providers.asr.sherpa_streams import open_here
from providers.asr.sherpa_worker import Worker
from tests.contract.asr_contract import transcribe
from tests.helpers_speech import TINY_MODEL, frames, say
from tests.leaks import no_tasks_left
from tests.test_sherpa import SENTENCES
from tests.test_sherpa_batch import SIXTEEN
from trioagent.errors import ProviderError, ProviderUnavailable

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator

    from providers.asr.sherpa_isolated import IsolatedRecognizer

TIMEOUT_S = 20


def options(model: Path = TINY_MODEL) -> sherpa.Options:
    return sherpa.Options(model=str(model), isolate=True)


def is_alive(pid: int) -> bool:
    with suppress(ProcessLookupError):
        os.kill(pid, 0)
        # One that has ended and was not waited for is still there.
        status = Path(f"/proc/{pid}/stat").read_text()
        return status.rsplit(")", 1)[1].split()[0] != "Z"
    return False


@pytest.fixture
async def recognizer() -> AsyncGenerator[IsolatedRecognizer]:
    async with sherpa_isolated.open_isolated(options()) as recognizer:
        with trio.fail_after(TIMEOUT_S):
            yield recognizer


async def test_sixteen_speakers_get_each_their_own_words(
    recognizer: IsolatedRecognizer,
) -> None:
    heard: dict[str, str] = {}

    async def speak(sentence: str) -> None:
        async with recognizer.stream() as stream:
            for frame in frames(np.append(say(sentence), np.zeros(320, "i2")), 320):
                assert sentence.startswith(await stream.feed(frame))
            heard[sentence] = await stream.finish()

    async with no_tasks_left(), trio.open_nursery() as nursery:
        for sentence in SIXTEEN:
            nursery.start_soon(speak, sentence)
    assert heard == {sentence: sentence for sentence in SIXTEEN}


async def test_a_kill_costs_the_utterances_under_way_and_no_more(
    recognizer: IsolatedRecognizer, caplog: pytest.LogCaptureFixture
) -> None:
    before, half = recognizer.pid, len(say(SENTENCES[0])) // 2
    async with recognizer.stream() as one, recognizer.stream() as other:
        for stream in (one, other):
            assert await stream.feed(say(SENTENCES[0])[:half])
        os.kill(before, signal.SIGKILL)
        for ask in (lambda: one.feed(say(SENTENCES[0])[half:]), other.finish):
            with pytest.raises(ProviderError, match=r"ended \(signal 9\)") as caught:
                await ask()
            assert "next speech" in caught.value.hint
    assert await transcribe(recognizer, say(SENTENCES[1])) == SENTENCES[1]
    assert recognizer.pid != before
    assert not is_alive(before)
    assert "ended (signal 9)" in caplog.text


async def test_who_waits_for_a_text_is_told_at_once(
    recognizer: IsolatedRecognizer,
) -> None:
    async def kill_soon() -> None:
        await trio.sleep(0.05)
        os.kill(recognizer.pid, signal.SIGKILL)

    async with trio.open_nursery() as nursery, recognizer.stream() as stream:
        await stream.feed(say(SENTENCES[0]))
        nursery.start_soon(kill_soon)
        with pytest.raises(ProviderError, match="signal 9"):
            await stream.feed(np.tile(say(SENTENCES[0]), 300))


async def test_a_kill_while_nobody_speaks_costs_nothing(
    recognizer: IsolatedRecognizer,
) -> None:
    """Even if nobody has noticed it yet."""
    for sentence in SENTENCES[:3]:
        os.kill(recognizer.pid, signal.SIGKILL)
        assert await transcribe(recognizer, say(sentence)) == sentence


async def test_two_tasks_that_feed_one_utterance_take_turns(
    recognizer: IsolatedRecognizer,
) -> None:
    async with recognizer.stream() as stream:
        async with trio.open_nursery() as nursery:
            for _ in range(2):
                nursery.start_soon(stream.feed, say("set a timer"))
        assert await stream.finish() == "set a timer set a timer"


async def test_a_process_that_hangs_is_replaced(
    recognizer: IsolatedRecognizer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sherpa_child, "REPLY_TIMEOUT_S", 0.3)
    async with recognizer.stream() as stream:
        await stream.feed(say(SENTENCES[0]))
        os.kill(recognizer.pid, signal.SIGSTOP)
        with pytest.raises(ProviderError, match="process hung"):
            await stream.finish()
    monkeypatch.undo()
    assert await transcribe(recognizer, say(SENTENCES[1])) == SENTENCES[1]


async def test_a_process_that_hangs_is_replaced_though_nobody_waits_for_it(
    recognizer: IsolatedRecognizer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sherpa_child, "CLOSE_TIMEOUT_S", 0.3)
    pid = recognizer.pid
    with trio.move_on_after(0.3):
        await trio.lowlevel.checkpoint()
        async with recognizer.stream() as stream:
            os.kill(pid, signal.SIGSTOP)
            await stream.feed(say(SENTENCES[0]))
    monkeypatch.undo()
    with trio.fail_after(TIMEOUT_S):
        while recognizer.pid == pid:  # noqa: ASYNC110 - a number, no event
            await trio.sleep(0.01)
    assert await transcribe(recognizer, say(SENTENCES[1])) == SENTENCES[1]


async def test_a_process_that_cannot_start_again_is_tried_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(sherpa_isolated, "RESTART_DELAYS_S", (0.0, 0.5))
    monkeypatch.setattr(sherpa_isolated, "RESTART_WAIT_S", 0.1)
    model, away = tmp_path / "model", tmp_path / "away"
    shutil.copytree(TINY_MODEL, model)
    async with sherpa_isolated.open_isolated(options(model)) as recognizer:
        model.rename(away)
        os.kill(recognizer.pid, signal.SIGKILL)
        with pytest.raises(ProviderError, match="does not start again"):
            await transcribe(recognizer, say(SENTENCES[0]))
        monkeypatch.setattr(sherpa_isolated, "RESTART_WAIT_S", TIMEOUT_S)
        with trio.fail_after(TIMEOUT_S):
            while "no such folder" not in caplog.text:  # noqa: ASYNC110 - it is a log
                await trio.sleep(0.01)
            away.rename(model)
            assert await transcribe(recognizer, say(SENTENCES[0])) == SENTENCES[0]


async def test_what_is_wrong_with_a_model_is_said_as_without_a_process(
    tmp_path: Path,
) -> None:
    errors = []
    for isolate in (False, True):
        given = sherpa.Options(model=str(tmp_path), isolate=isolate)
        with pytest.raises(ProviderUnavailable) as caught:
            async with sherpa.PROVIDER.open(given):
                pass
        errors.append(str(caught.value))
    assert errors[0] == errors[1]
    assert "it holds no encoder" in errors[0]


async def test_a_process_that_ends_while_it_loads(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(sys, "executable", shutil.which("false"))
    with pytest.raises(ProviderUnavailable, match=r"while loading, .*\(status 1\)"):
        async with sherpa.PROVIDER.open(options()):
            pass


async def test_a_process_that_cannot_be_started(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(sys, "executable", "/nonexistent/python")
    with pytest.raises(ProviderUnavailable, match=r"no process.*/nonexistent/python"):
        async with sherpa.PROVIDER.open(options()):
            pass


async def test_leaving_ends_the_process(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO)
    async with no_tasks_left():
        async with sherpa_isolated.open_isolated(options()) as recognizer:
            pid = recognizer.pid
            assert is_alive(pid)
        assert not is_alive(pid)


async def test_cancelling_while_it_loads_leaves_no_process(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    started: list[int] = []
    open_process = trio.lowlevel.open_process

    async def noting(*args: object, **kwargs: object) -> trio.Process:
        process = await open_process(*args, **kwargs)  # type: ignore[call-overload]
        started.append(process.pid)
        return process

    monkeypatch.setattr(trio.lowlevel, "open_process", noting)
    async with trio.open_nursery() as nursery:
        nursery.start_soon(sherpa_child.start_child, options())
        while not started:  # noqa: ASYNC110 - a list, no event
            await trio.sleep(0.001)
        nursery.cancel_scope.cancel()
    assert not is_alive(started[0])


AGENT = """
import os, sys, trio
from pathlib import Path
from providers.asr import sherpa
async def main():
    options = sherpa.Options(model=sys.argv[1], isolate=True)
    async with sherpa.PROVIDER.open(options) as recognizer, recognizer.stream() as s:
        await s.feed(__import__("numpy").zeros(1600, "i2"))
        print(recognizer.pid, flush=True)
        await trio.sleep_forever()
trio.run(main)
"""


def test_a_killed_agent_leaves_no_process() -> None:
    command = [sys.executable, "-c", AGENT, str(TINY_MODEL)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as agent:
        assert agent.stdout is not None
        pid = int(agent.stdout.readline())
        assert is_alive(pid)
        agent.kill()
    deadline = time.monotonic() + TIMEOUT_S
    while is_alive(pid) and time.monotonic() < deadline:
        time.sleep(0.01)
    assert not is_alive(pid)


async def test_the_process_drops_what_is_closed() -> None:
    """The worker's own side, in this process."""
    ours, theirs = memory_stream_pair()
    long = np.tile(say(SENTENCES[0]), 100).tobytes()
    async with open_here(options()) as recognizer, trio.open_nursery() as nursery:
        worker = Worker(theirs, nursery)
        worker.recognizer = recognizer
        nursery.start_soon(worker.read, Reader(theirs))
        await ours.send_all(REQUEST.pack(FEED, 1, len(long)) + long)
        await ours.send_all(REQUEST.pack(FEED, 2, 320) + bytes(320))
        reader = Reader(ours)
        header = await reader.exactly(REPLY.size)
        assert header is not None
        assert REPLY.unpack(header)[0] == 2
        assert set(worker._open) == {1, 2}
        await ours.send_all(REQUEST.pack(CLOSE, 1, 0) + REQUEST.pack(CLOSE, 2, 0))
        await ours.send_all(REQUEST.pack(CLOSE, 77, 0))
        with trio.fail_after(TIMEOUT_S):
            while worker._open:  # noqa: ASYNC110 - a dict, no event
                await trio.sleep(0.001)
        await ours.aclose()
