"""The inbox: any thread in, one Trio task out, nothing waits and little is lost."""

from __future__ import annotations

import contextlib
import threading
import time

import pytest
import trio
import trio.testing

from trioagent.inbox import Inbox


def _in_thread(work: object, *args: object) -> threading.Thread:
    thread = threading.Thread(target=work, args=args)  # type: ignore[arg-type]
    thread.start()
    return thread


async def test_items_come_in_order() -> None:
    inbox = Inbox[int](limit=10)
    thread = _in_thread(lambda: [inbox.put(i) for i in range(5)])
    with trio.fail_after(5):
        assert [await inbox.receive() for _ in range(5)] == [0, 1, 2, 3, 4]
    thread.join()


async def test_wakes_a_reader_that_waits() -> None:
    inbox = Inbox[str](limit=1)

    def later() -> None:
        time.sleep(0.05)
        inbox.put("late")

    thread = _in_thread(later)
    with trio.fail_after(5):
        assert await inbox.receive() == "late"
    thread.join()


async def test_the_oldest_goes_and_is_counted() -> None:
    inbox = Inbox[int](limit=3)
    for i in range(10):
        inbox.put(i)
    assert inbox.dropped == 7
    assert [await inbox.receive() for _ in range(3)] == [7, 8, 9]
    inbox.put(10)
    assert await inbox.receive() == 10
    assert inbox.dropped == 7


async def test_what_must_arrive_arrives_in_its_place() -> None:
    inbox = Inbox[str](limit=2)
    inbox.put("a")
    inbox.put("joined", droppable=False)
    inbox.put("b")
    inbox.put("left", droppable=False)
    inbox.put("c")
    assert [await inbox.receive() for _ in range(4)] == ["joined", "b", "left", "c"]


async def test_closed_gives_what_is_in_then_ends() -> None:
    inbox = Inbox[int](limit=3)
    inbox.put(1)
    inbox.close()
    inbox.put(2)
    assert await inbox.receive() == 1
    for _ in range(2):
        with pytest.raises(trio.EndOfChannel):
            await inbox.receive()


async def test_closing_wakes_the_reader() -> None:
    inbox = Inbox[int](limit=3)

    async def read() -> None:
        with pytest.raises(trio.EndOfChannel):
            await inbox.receive()

    with trio.fail_after(5):
        async with trio.open_nursery() as nursery:
            nursery.start_soon(read)
            await trio.testing.wait_all_tasks_blocked()
            _in_thread(inbox.close).join()


async def test_cancelling_loses_nothing() -> None:
    inbox = Inbox[int](limit=3)
    inbox.put(1)
    with trio.CancelScope() as scope:
        scope.cancel()
        await inbox.receive()
    assert scope.cancelled_caught
    assert await inbox.receive() == 1


async def test_a_stalled_loop_owes_one_wake_up() -> None:
    inbox = Inbox[int](limit=50)
    ran = 0
    wake = inbox._wake

    def counted() -> None:
        nonlocal ran
        ran += 1
        wake()

    inbox._wake = counted  # type: ignore[method-assign]
    thread = _in_thread(lambda: [inbox.put(i) for i in range(5000)])
    thread.join()  # the loop stands still meanwhile
    await trio.testing.wait_all_tasks_blocked()
    assert ran == 1
    assert inbox.dropped == 4950
    assert await inbox.receive() == 4950


async def test_threads_and_reader_at_once_lose_only_what_is_counted() -> None:
    inbox = Inbox[tuple[int, int]](limit=20)

    def fill(who: int) -> None:
        for i in range(2000):
            inbox.put((who, i))

    threads = [_in_thread(fill, who) for who in range(3)]
    got: list[tuple[int, int]] = []

    def close_after_all() -> None:
        for thread in threads:
            thread.join()
        inbox.close()

    closer = _in_thread(close_after_all)
    await trio.lowlevel.checkpoint()
    with contextlib.suppress(trio.EndOfChannel):
        while True:
            got.append(await inbox.receive())
    closer.join()
    assert len(got) + inbox.dropped == 6000
    for who in range(3):
        mine = [i for w, i in got if w == who]
        assert mine == sorted(mine)


def test_putting_after_trio_ended_is_harmless() -> None:
    async def make() -> Inbox[int]:
        await trio.lowlevel.checkpoint()
        return Inbox[int](limit=1)

    inbox = trio.run(make)
    inbox.put(1)
    inbox.put(2)
    inbox.close()
