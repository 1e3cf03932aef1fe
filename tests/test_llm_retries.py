"""When the client asks again, and when it does not."""

from __future__ import annotations

import math
import ssl
from functools import partial
from typing import Any

import httpx
import pytest
import trio

from providers.llm.openai import PROVIDER, Options
from providers.llm.retrying import Tries, asked_pause_s
from tests.e2e.sse_server import Answer, open_sse_server, says
from tests.test_llm_openai import HELLO, ask, ask_and_fail, open_llm
from trioagent.errors import ProviderError, ProviderUnavailable

BUSY = Answer(status=503, error={"error": "loading the model"})
DATE = ("date", "Wed, 21 Oct 2026 07:28:00 GMT")


def refused(status: int, *headers: tuple[str, str]) -> ProviderError:
    request = httpx.Request("POST", "http://host/v1")
    response = httpx.Response(status, headers=headers, request=request)
    error = ProviderError("refused")
    error.__cause__ = httpx.HTTPStatusError("", request=request, response=response)
    return error


@pytest.mark.parametrize(
    "passing",
    [
        BUSY,
        Answer(status=502),
        Answer(status=504),
        Answer(status=429, headers=[("retry-after", "0")]),
        Answer(hang_up=True),
        Answer(ending="cut"),
        Answer(pieces=((0, {"reasoning": "hm"}),), ending="cut"),
        Answer(pieces=((0, "<think>hm"),), ending="cut"),
    ],
)
async def test_what_passes_is_tried_again(passing: Answer) -> None:
    script = [passing, passing, says("At last.")]
    async with open_llm(script) as (llm, server):
        with trio.fail_after(5):
            assert await ask(llm) == ["At ", "last. "]
        assert len(server.requests) == 3
        assert await ask(llm) == ["At ", "last. "]


@pytest.mark.parametrize("status", [400, 401, 403, 404, 422, 429, 500, 501])
async def test_what_does_not_pass_is_final(status: int) -> None:
    async with open_llm(Answer(status=status), usage=False) as (llm, server):
        await ask_and_fail(llm)
        assert len(server.requests) == 1


@pytest.mark.parametrize("ending", ["cut", "none"])
async def test_nothing_is_asked_again_once_a_piece_was_sent(ending: Any) -> None:
    answer = Answer(pieces=((0, "One "),), ending=ending)
    async with open_llm([answer, says("Two.")]) as (llm, server):
        said, _ = await ask_and_fail(llm)
        assert said == ["One "]
        assert len(server.requests) == 1


async def test_the_server_says_when() -> None:
    wait = Answer(status=429, headers=[("retry-after", "1")])
    async with open_llm([wait, says("Now.")]) as (llm, _):
        began = trio.current_time()
        assert await ask(llm) == ["Now. "]
        assert trio.current_time() - began >= 1


async def test_a_wait_beyond_the_budget_is_not_begun() -> None:
    wait = Answer(status=429, headers=[("retry-after", "30")])
    async with open_llm([wait, says("Now.")]) as (llm, server):
        with trio.fail_after(2):
            _, error = await ask_and_fail(llm)
        assert "429" in error.message
        assert len(server.requests) == 1


async def test_after_the_budget_the_failure_is_final() -> None:
    async with open_llm(BUSY, retry_budget_s=0.5) as (llm, server):
        began = trio.current_time()
        with trio.fail_after(3):
            _, error = await ask_and_fail(llm)
        assert trio.current_time() - began >= 0.1
        assert isinstance(error, ProviderUnavailable)
        assert "answered 503 : loading the model" in error.message
        assert 2 <= len(server.requests) <= 5


async def test_the_first_sign_is_waited_for_once_whatever_the_tries() -> None:
    stalls = Answer(ending="stall")
    script = [BUSY, BUSY, stalls]
    async with open_llm(script, first_token_timeout_s=1.5) as (llm, server):
        began = trio.current_time()
        with trio.fail_after(5):
            _, error = await ask_and_fail(llm)
        assert trio.current_time() - began < 2.5
        assert "nothing came for 1.5 s" in error.message
        assert len(server.requests) == 3


async def test_no_budget_no_second_try() -> None:
    async with open_llm(BUSY, retry_budget_s=0.0) as (llm, server):
        await ask_and_fail(llm)
        assert len(server.requests) == 1


async def test_cancelled_between_two_tries() -> None:
    later = Answer(status=503, headers=[("retry-after", "50")])
    async with open_llm(later, retry_budget_s=99, first_token_timeout_s=99) as (
        llm,
        server,
    ):
        send, _ = trio.open_memory_channel[str](math.inf)
        async with trio.open_nursery() as nursery:
            nursery.start_soon(llm.reply, HELLO, send)
            await server.until(lambda s: len(s.requests) == 1)
            await trio.sleep(0.05)
            nursery.cancel_scope.cancel()
            began = trio.current_time()
        assert trio.current_time() - began < 0.5
        server.script = says("Hi.")
        assert await ask(llm) == ["Hi. "]
        assert len(server.requests) == 2


async def test_a_server_that_starts_just_now() -> None:
    async with open_sse_server(says("Hi.")) as server:
        port = int(server.url.split(":")[2].partition("/")[0])

    async def start_late() -> None:
        await trio.sleep(0.2)
        async with open_sse_server(says("Hi."), port=port):
            await trio.sleep_forever()

    options = Options(base_url=f"http://127.0.0.1:{port}/v1")
    async with PROVIDER.open(options) as llm, trio.open_nursery() as nursery:
        nursery.start_soon(start_late)
        assert await ask(llm) == ["Hi. "]
        nursery.cancel_scope.cancel()


async def test_a_check_asks_once() -> None:
    """It tells the truth at once; who asks decides when to ask again."""
    asked = []

    async def hang_up(stream: trio.SocketStream) -> None:
        async with stream:
            asked.append(await stream.receive_some())

    async with trio.open_nursery() as nursery:
        listeners = await nursery.start(
            partial(trio.serve_tcp, hang_up, 0, host="127.0.0.1")
        )
        port = listeners[0].socket.getsockname()[1]
        options = Options(base_url=f"http://127.0.0.1:{port}/v1")
        async with PROVIDER.open(options) as llm:
            with pytest.raises(ProviderError, match="broke off"):
                await llm.check()
        nursery.cancel_scope.cancel()
    # The second is for a connection that died while it was kept.
    assert 1 <= len(asked) <= 2


@pytest.mark.parametrize(
    ("error", "asked_s"),
    [
        (refused(503), 0.0),
        (refused(503, ("retry-after", "7")), 7.0),
        (refused(429, ("retry-after", "1.5")), 1.5),
        (refused(429), None),
        (refused(429, ("retry-after", "inf")), None),
        (refused(429, ("retry-after", "-3")), 0.0),
        (refused(429, ("retry-after", "soon")), None),
        (
            refused(429, ("retry-after", "Wed, 21 Oct 2026 07:28:05 GMT"), DATE),
            5.0,
        ),
        (refused(429, ("retry-after", "Wed, 21 Oct 2026 07:28:05 GMT")), None),
        (refused(500, ("retry-after", "1")), None),
        (ProviderError("sent what is no JSON"), None),
    ],
)
def test_what_the_server_asks_for(error: ProviderError, asked_s: float | None) -> None:
    assert asked_pause_s(error) == asked_s


def test_a_certificate_does_not_get_better() -> None:
    error = ProviderUnavailable("no connection")
    error.__cause__ = httpx.ConnectError("CERTIFICATE_VERIFY_FAILED")
    assert asked_pause_s(error) == 0.0
    error.__cause__.__cause__ = ssl.SSLCertVerificationError()
    assert asked_pause_s(error) is None


async def test_pauses_grow_and_differ(autojump_clock: object) -> None:
    first = [Tries(100).pause_s(refused(503)) for _ in range(20)]
    assert all(pause_s is not None and 0.1 <= pause_s <= 0.2 for pause_s in first)
    assert len(set(first)) > 10
    tries = Tries(100)
    pauses = [tries.pause_s(refused(503)) or 0.0 for _ in range(8)]
    assert pauses[3] > 2 * pauses[0]
    assert max(pauses) <= 1.1
    await trio.sleep(99.95)
    assert tries.pause_s(refused(503)) is None
