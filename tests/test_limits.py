"""How much of one user is answered."""

from __future__ import annotations

from typing import TYPE_CHECKING

import attrs
import pytest
import trio
from hypothesis import given
from hypothesis import strategies as st

from tests.fakes import ANA, BEN
from tests.helpers_replay import differences, record, recordings
from tests.scene import CONFIG, Scene, running
from tests.test_memory import forgetting
from trioagent.config import AccessConfig, Config
from trioagent.decisions.limits import MINUTE_S, TurnLimit, last_words
from trioagent.interfaces import Speaker, SpeakerLeft

if TYPE_CHECKING:
    from pathlib import Path

    from trio.testing import MockClock


def config(**access: float) -> Config:
    return attrs.evolve(CONFIG, access=AccessConfig(**access))


# --- the decision ----------------------------------------------------------------


@given(
    per_minute=st.floats(0.1, 20),
    gaps=st.lists(st.floats(0.01, 100), max_size=60),
)
def test_in_no_window_are_more_and_none_is_refused_in_vain(
    per_minute: float, gaps: list[float]
) -> None:
    limit = TurnLimit(per_minute)
    now, taken = 0.0, []
    for gap in gaps:
        now += gap
        recent = [at for at in taken if at > now - limit.window_s]
        within = limit.take("ana", now)
        assert within is (len(recent) < limit.turns)
        assert limit.take("ana", now) is within, "asked again, it is the same turn"
        if within:
            taken.append(now)
    # So many turns in so long are the rate that was asked for.
    assert limit.turns * MINUTE_S / limit.window_s == pytest.approx(per_minute)


def test_users_are_counted_apart_and_not_remembered_for_ever() -> None:
    limit = TurnLimit(2)
    for number in range(10_000):
        assert limit.take(f"user {number}", number * 1.0)
    assert len(limit.remembered) <= MINUTE_S + 1
    assert TurnLimit(2, limit.remembered).remembered == limit.remembered


@pytest.mark.parametrize(
    ("text", "most", "left"),
    [
        ("a b c", 3, "a b c"),
        ("a  b c", 3, "a  b c"),
        ("a b c", 2, "b c"),
        ("um so what time is it", 4, "what time is it"),
        ("", 1, ""),
    ],
)
def test_the_last_words_are_kept(text: str, most: int, left: str) -> None:
    assert last_words(text, most) == left


# --- in a room -------------------------------------------------------------------


async def test_beyond_the_limit_no_model_is_asked(autojump_clock: MockClock) -> None:
    async with running(Scene(config(turns_per_minute=2))) as scene:
        scene.room.join(ANA, BEN)
        for words in ("alpha", "beta", "gamma"):
            await scene.say(f"{words} is the number")
            await trio.sleep(5)
        await scene.say("good evening friend", BEN)
        await trio.sleep(5)
        outcomes = [e.data for _, e in scene.events if e.name == "outcome"]
        assert [(o["kind"], o.get("why")) for o in outcomes] == [
            ("answered", None),
            ("answered", None),
            ("ignored", "too many turns"),
            ("answered", None),
        ]
        assert "gamma" not in str(scene.model.prompts)
        await trio.sleep(60)
        await scene.say("delta is the number")
        await trio.sleep(5)
    assert scene.heard[-1][1] == "delta is the number"


@pytest.mark.parametrize("certificate", ["", "ab" * 20])
async def test_leaving_and_coming_back_resets_nothing(
    certificate: str, autojump_clock: MockClock
) -> None:
    # Where there is a certificate, another name does not help, either.
    names = ("Ana", "Bea", "Cyd") if certificate else ("Ana", "Ana", "Ana")
    async with running(Scene(config(turns_per_minute=2))) as scene:
        for number, name in enumerate(names):
            speaker = Speaker(number, name, certificate=certificate)
            scene.room.join(speaker)
            await scene.say("hello there", speaker)
            await trio.sleep(5)
            scene.room.put(SpeakerLeft(speaker))
    kinds = [e.data["kind"] for _, e in scene.events if e.name == "outcome"]
    assert kinds == ["answered", "answered", "ignored"]


@pytest.mark.parametrize("words", ["stop", "now that is quite enough"])
@pytest.mark.parametrize("lag_s", [0.1, 5.0])
async def test_who_had_too_many_can_still_interrupt(
    words: str, lag_s: float, autojump_clock: MockClock
) -> None:
    scene = Scene(config(turns_per_minute=1))
    scene.recognizer.lag_s = lag_s
    scene.model.replies["tell me"] = "one two three four five six seven eight nine."
    async with running(scene):
        await scene.say("tell me")
        await trio.sleep(1.0)
        await scene.say(words)
        await trio.sleep(6)
    assert "nine." not in scene.spoken.split()
    assert scene.find("interrupted").data["reason"] == "barge-in"
    assert scene.find("outcome", 2).data["why"] == "too many turns"
    assert len(scene.model.prompts) == 1


async def test_only_the_last_words_are_passed_on(autojump_clock: MockClock) -> None:
    async with running(Scene(config(max_words=3))) as scene:
        await scene.say("well you know what time is it", terminator=False)
        await trio.sleep(6)
        await scene.say("and now")
        await trio.sleep(6)
    assert scene.spoken.startswith("you said time is it.")
    assert scene.heard[0][1] == "time is it"
    assert not any(
        "know" in message.content
        for message in (*scene.model.prompts[-1], *scene.model.prompts[0])
        if message.role == "user" and len(message.content.split()) > 3
    )
    assert scene.find("final").data["text"] == "well you know what time is it"


async def three_questions(scene: Scene) -> None:
    scene.room.join(ANA)
    for words in ("what time is it", "and tomorrow", "and on sunday"):
        await scene.say(words)
        await trio.sleep(4)


def test_the_next_recording_knows_how_many_there_were(tmp_path: Path) -> None:
    record(tmp_path, three_questions, config(turns_per_minute=2))
    found = recordings(tmp_path)
    assert found[2].events(3)[-1].data["why"] == "too many turns"
    assert not any(map(differences, found))
    assert differences(forgetting(found[2], "turns_taken"))
