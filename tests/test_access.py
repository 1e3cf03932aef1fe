"""Who is listened to at all, by the certificates that prove who they are."""

from __future__ import annotations

from typing import TYPE_CHECKING

import attrs
import pytest
import trio

from tests.fakes import ANA, BEN, FakeVad
from tests.helpers_replay import differences, record, recordings
from tests.scene import CONFIG, Scene, running
from trioagent.config import AccessConfig, Config
from trioagent.configuration.file import load_config
from trioagent.decisions.access import Access
from trioagent.decisions.identity import identity, is_of
from trioagent.errors import ConfigError
from trioagent.interfaces import Speaker, TextMessage
from trioagent.recording import format as f

if TYPE_CHECKING:
    from pathlib import Path

    from trio.testing import MockClock

HASH, OTHER = "0123456789abcdef" * 2 + "01234567", "ff" * 20
MALLORY = Speaker(4, "Mallory", certificate=HASH)
COLONS = ":".join(HASH.upper()[i : i + 2] for i in range(0, 40, 2))


def config(**access: object) -> Config:
    return attrs.evolve(CONFIG, access=AccessConfig(**access))


def test_no_name_is_taken_for_a_certificate() -> None:
    thief = Speaker(5, MALLORY.certificate)
    assert identity(thief) != identity(MALLORY)
    assert not is_of(thief, MALLORY.name, MALLORY.certificate)
    # What was kept of somebody before they had a certificate is still theirs.
    assert is_of(MALLORY, MALLORY.name)


@pytest.mark.parametrize(
    ("allow", "deny", "certificate", "admitted"),
    [
        ((), (), "", True),
        ((), (), HASH, True),
        ((), (HASH,), HASH, False),
        ((), (HASH,), OTHER, True),
        ((), (HASH,), "", True),
        ((), (COLONS,), HASH, False),
        ((), (HASH,), COLONS, False),
        ((HASH,), (), HASH, True),
        ((HASH,), (), COLONS, True),
        ((HASH,), (), OTHER, False),
        ((HASH,), (), "", False),
        ((HASH, OTHER), (OTHER,), OTHER, False),
    ],
)
def test_the_lists(
    allow: tuple[str, ...], deny: tuple[str, ...], certificate: str, admitted: bool
) -> None:
    access = Access.of(AccessConfig(allow=allow, deny=deny))
    assert access.admits(Speaker(1, "x", certificate=certificate)) is admitted


@pytest.mark.parametrize("key", ["allow", "deny"])
@pytest.mark.parametrize("entry", ["", "Mallory", HASH[:-1], HASH + "00", "g" * 40])
def test_a_malformed_entry_is_refused(key: str, entry: str, tmp_path: Path) -> None:
    path = tmp_path / "config.toml"
    path.write_text(f'[access]\n{key} = ["{COLONS}", "{entry}"]\n')
    with pytest.raises(ConfigError) as caught:
        load_config(path)
    assert f"access.{key}" in str(caught.value)
    assert f'"{entry}"' in str(caught.value)
    path.write_text(f'[access]\n{key} = ["{COLONS}", "{HASH}"]\n')
    assert getattr(load_config(path).access, key) == (COLONS, HASH)


async def everything(scene: Scene) -> None:
    """Ana is answered; Mallory talks before, over the reply, and writes."""
    scene.room.join(ANA, MALLORY)
    await scene.say("hello trioagent", MALLORY)
    scene.model.replies["tell me"] = "one two three four five six seven eight nine."
    await scene.say("tell me")
    await trio.sleep(1.0)
    await scene.say("stop stop stop", MALLORY)
    scene.room.put(TextMessage(MALLORY, "!forget", private=True))
    await trio.sleep(6)


@pytest.mark.parametrize("access", [{"deny": (COLONS,)}, {"allow": (OTHER,)}])
async def test_who_is_kept_out_is_not_there(
    access: dict[str, tuple[str, ...]],
    autojump_clock: MockClock,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    looked_at: list[int] = []
    monkeypatch.setattr(
        FakeVad,
        "probability",
        lambda _self, frame: looked_at.append(int(frame[0])) or 1,
    )
    scene = Scene(config(**access))
    async with running(scene):
        scene.room.join(MALLORY)
        await scene.say("hello trioagent", MALLORY)
        await trio.sleep(5)
        assert not looked_at, "not even voice activity"
        assert not scene.events
        assert not scene.agent.ear_states()
        assert scene.agent.memory.turns == 0


async def test_who_is_denied_cannot_interrupt(autojump_clock: MockClock) -> None:
    scene = Scene(config(deny=(HASH,)))
    async with running(scene):
        await everything(scene)
    assert scene.spoken == "one two three four five six seven eight nine."
    assert [name for _, event in scene.events if (name := event.name) == "ducked"] == []
    assert len(scene.heard) == 1, "and forgot nothing"


def test_nothing_is_recorded_of_who_is_denied(tmp_path: Path) -> None:
    record(tmp_path, everything, config(deny=(HASH,)))
    (recording,) = recordings(tmp_path)
    lines = (recording.path / f.TURN_FILE).read_text()
    assert "Mallory" not in lines
    assert set(recording.heard) == {ANA.id}
    assert not differences(recording)


def test_who_is_allowed_is_recorded_and_runs_again(tmp_path: Path) -> None:
    async def story(scene: Scene) -> None:
        scene.room.join(BEN, MALLORY)
        await scene.say("hello trioagent", BEN)
        await scene.say("what time is it", MALLORY)
        await trio.sleep(5)

    record(tmp_path, story, config(allow=(HASH,)))
    (recording,) = recordings(tmp_path)
    assert recording.header.present == (f.Person(4, "Mallory", certificate=HASH),)
    assert recording.events(1)[-1].data["kind"] == "answered"
    assert not differences(recording)
