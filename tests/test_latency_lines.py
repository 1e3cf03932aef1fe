"""What `latency.jsonl` says of the turns of an agent, on a virtual clock."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import attrs
import pytest
import trio

from tests.fakes import ANA
from tests.scene import CONFIG, Scene, running
from trioagent.errors import ProviderError
from trioagent.interfaces import LinkLost
from trioagent.journal.latency import LatencyLog

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from trio.testing import MockClock

    from trioagent import Config


def config(early_start: str = "off") -> Config:
    return attrs.evolve(CONFIG, turn=attrs.evolve(CONFIG.turn, early_start=early_start))


async def line_of(scene: Scene, path: Path, wait_s: float = 10, **how: Any) -> Any:
    """What `latency.jsonl` says of the answer, which may be cut off after `wait_s`."""
    log = LatencyLog(path)
    scene.agent.observers = [*scene.agent.observers, log]
    async with running(scene):
        await scene.say("hello out there", **how)
        await trio.sleep(wait_s)
        assert scene.room.frames
        scene.room.put(LinkLost("gone"))
        await trio.sleep(1)
    return read(path)


def read(path: Path) -> Any:
    return json.loads(path.read_text())


@pytest.mark.parametrize("wait_s", [0.5, 0.507, 0.513])
async def test_how_long_it_still_sounds_is_written_down(
    wait_s: float, tmp_path: Path, autojump_clock: MockClock
) -> None:
    scene = Scene(config())
    line = await line_of(scene, tmp_path / "latency.jsonl", wait_s)
    interrupted, cut_off = scene.find("interrupted"), scene.find("cut_off")
    began = trio.current_time() - 1 - interrupted.t
    sounded_until = scene.room.frames[-1].time + 0.02
    assert cut_off.data["until"] == pytest.approx(sounded_until - began)
    stale_ms = (cut_off.data["until"] - interrupted.t) * 1000
    assert 0 < stale_ms <= 20
    assert line["stale_ms"] == pytest.approx(stale_ms)
    assert "last_frame" not in scene.names(1)
    outcome = scene.find("outcome").data
    assert outcome["kind"] == "interrupted"
    assert outcome["why"] == "link lost"
    assert (ANA.name, outcome["said"], outcome["heard"]) == scene.heard[0]


async def test_the_fullest_queues_are_written_down(
    tmp_path: Path, autojump_clock: MockClock
) -> None:
    scene = Scene(config())
    scene.recognizer.cost_s = 1.0
    scene.model.token_s = 0.0
    scene.model.replies["hello out there"] = "so it goes, and so on. " * 20
    line = await line_of(scene, tmp_path / "latency.jsonl", 40)
    assert line["outcome"] == "answered"
    assert line["stale_ms"] is None
    assert line["queues"]["tokens"] == 16
    # 60 ms were enough to hear that somebody speaks; the recognizer took those at once.
    assert line["queues"]["packets"] == 45 - 3
    ahead_ms = CONFIG.playback.ahead_s * 1000
    assert ahead_ms <= line["queues"]["audio_ms"] <= ahead_ms + 200
    assert line["queues"]["dropped"] == 0
    assert sum(line["ledger"].values()) == pytest.approx(line["total_ttfa_ms"])


FAILED = ProviderError("gone")


def failing_recognizer(scene: Scene) -> None:
    # After the end of speech.
    scene.recognizer.cost_s, scene.recognizer.fail = 2.0, FAILED


def failing_model(scene: Scene) -> None:
    scene.model.fail = FAILED


def failing_first_phrase(scene: Scene) -> None:
    scene.synthesizer.fail_on = "you"


@pytest.mark.parametrize("early_start", ["off", "pause", "prefix"])
@pytest.mark.parametrize(
    ("fail", "waits"),
    [
        (failing_recognizer, ("recognizer_tail_ms", "synthesis_ms")),
        (failing_model, ("endpoint_hold_ms",)),
        (failing_first_phrase, ("endpoint_hold_ms",)),
    ],
)
async def test_the_waits_of_a_failed_turn_add_up(
    fail: Callable[[Scene], None],
    waits: tuple[str, ...],
    early_start: str,
    tmp_path: Path,
    autojump_clock: MockClock,
) -> None:
    scene = Scene(config(early_start))
    scene.model.replies["hello out there"] = "you are quite right. that is all of it."
    fail(scene)
    line = await line_of(scene, tmp_path / "latency.jsonl", terminator=False)
    assert line["outcome"] == "failed"
    charged = line["ledger"]
    assert sum(charged.values()) == pytest.approx(line["total_ttfa_ms"], abs=1e-3)
    assert all(charged[wait] > 0 for wait in waits)
