"""What belongs to a recording: which turns, whose voices, and what was known before."""

from __future__ import annotations

from typing import TYPE_CHECKING

import attrs
import numpy as np
import pytest
import trio

from tests.fakes import ANA, BEN
from tests.helpers_replay import differences, record, recorded_scene, recordings
from tests.replay_stories import (
    STORIES,
    answered,
    cough,
    in_the_reply,
    noise,
    open_microphone,
)
from tests.scene import CONFIG, Scene, running
from trioagent.interfaces import LinkRestored, Speaker, SpeakerLeft, VoicePacket
from trioagent.recording import format as f
from trioagent.recording.reader import load

if TYPE_CHECKING:
    from pathlib import Path

    from trio.testing import MockClock

    from trioagent.recording.recording import Recording


def entries_of(recording: Recording, kind: type[f.Entry]) -> list[f.Entry]:
    return [entry for entry in recording.entries if isinstance(entry, kind)]


# --- which turns -----------------------------------------------------------------


@pytest.mark.parametrize(
    ("story", "turns"),
    [
        ("two_turns", [(1,), (2,)]),
        ("interrupted_by_another", [(1, 2)]),
        ("cough", [(1, 2)]),
        ("two_at_once", [(1, 2)]),
        ("link_lost", [(1,), (2,)]),
    ],
)
def test_turns_that_overlap_are_one_recording(
    story: str, turns: list[tuple[int, ...]], tmp_path: Path
) -> None:
    record(tmp_path, STORIES[story])
    found = recordings(tmp_path)
    assert [recording.turns for recording in found] == turns
    for recording in found:
        assert len(entries_of(recording, f.Ended)) == 1
        assert isinstance(recording.entries[-1], f.Ended)
        assert recording.entries[-2].event == "outcome"
        assert recording.header.memory["turns"] == recording.turns[0] - 1


async def test_between_turns_nothing_is_kept(
    tmp_path: Path, autojump_clock: MockClock
) -> None:
    scene, recorder = recorded_scene(tmp_path)
    async with running(scene):
        scene.room.join(ANA)
        await scene.room.say(ANA, noise(0.04))
        await trio.sleep(1)
        assert not recorder.tape.takes
        await answered(scene)
        (take,) = recorder.tape.takes
        assert take.over
        take.drain()
        await scene.room.say(ANA, noise(0.04))
        scene.room.put(SpeakerLeft(ANA))
        scene.room.put(LinkRestored())
        await trio.sleep(1)
        assert take.drain() == ([], {})
        assert len(recorder.tape.takes) == 1


# --- whose voices ----------------------------------------------------------------


async def both_talk(scene: Scene) -> None:
    """Ben talks all the time, and Ana asks something."""
    scene.room.join(ANA, BEN)
    async with trio.open_nursery() as nursery:
        nursery.start_soon(scene.room.say, BEN, noise(2.0))
        await trio.sleep(0.5)
        await scene.say("what time is it")
    await trio.sleep(4)


def test_who_is_ignored_is_not_recorded(tmp_path: Path) -> None:
    deaf = attrs.evolve(CONFIG, agent=attrs.evolve(CONFIG.agent, ignore=("Ben",)))
    record(tmp_path / "deaf", both_talk, deaf)
    record(tmp_path / "all", both_talk)
    (ignoring,) = recordings(tmp_path / "deaf")
    assert set(ignoring.heard) == {ANA.id}
    assert {packet.speaker for packet in entries_of(ignoring, f.Packet)} == {ANA.id}
    assert not list(ignoring.path.glob(f"heard-{BEN.id}.*"))
    assert not differences(ignoring)
    assert BEN.id in recordings(tmp_path / "all")[0].heard


async def heard_long_ago(scene: Scene) -> None:
    """Ben made a sound that opened no turn; later, Ana asks something."""
    scene.room.join(ANA, BEN)
    await scene.room.say(BEN, noise(0.04))
    await trio.sleep(5)
    await answered(scene)


async def heard_just_now(scene: Scene) -> None:
    """Ben makes a sound while Ana begins to speak."""
    scene.room.join(ANA, BEN)
    async with trio.open_nursery() as nursery:
        nursery.start_soon(scene.room.say, BEN, noise(0.04))
        await answered(scene)


def test_who_was_silent_for_long_is_not_in_it(tmp_path: Path) -> None:
    record(tmp_path / "ago", heard_long_ago)
    (recording,) = recordings(tmp_path / "ago")
    assert [ear.speaker for ear in recording.header.ears] == [ANA.id]
    assert set(recording.heard) == {ANA.id}
    assert not differences(recording)
    record(tmp_path / "now", heard_just_now)
    (recording,) = recordings(tmp_path / "now")
    assert [ear.speaker for ear in recording.header.ears] == [ANA.id, BEN.id]
    assert not differences(recording)


async def unannounced(scene: Scene) -> None:
    """A voice whose owner never joined, as when packets outlive their speaker."""
    await scene.say("what time is it", Speaker(9, "Zoe"))
    await trio.sleep(4)


async def unannounced_in_a_reply(scene: Scene) -> None:
    await in_the_reply(scene)
    await scene.say("good evening my friend", Speaker(9, "Zoe"))
    await trio.sleep(5)


@pytest.mark.parametrize("story", [unannounced, unannounced_in_a_reply])
def test_a_voice_has_a_name(story: object, tmp_path: Path) -> None:
    record(tmp_path, story)  # type: ignore[arg-type] # a story
    (recording,) = recordings(tmp_path)
    last = recording.turns[-1]
    assert recording.events(last)[0].data == {"speaker": "Zoe"}
    assert not differences(recording)


async def renamed_and_gone(scene: Scene) -> None:
    scene.room.join(ANA, BEN)
    await trio.sleep(0.1)
    scene.room.put(SpeakerLeft(BEN))
    scene.room.join(attrs.evolve(ANA, name="Anna"), Speaker(5, "Bot", agent=True))
    await scene.say("what time is it", attrs.evolve(ANA, name="Anna"))
    scene.room.join(BEN)
    await trio.sleep(4)


def test_who_is_there_when_it_begins(tmp_path: Path) -> None:
    record(tmp_path, renamed_and_gone)
    (recording,) = recordings(tmp_path)
    assert recording.header.present == (
        f.Person(ANA.id, "Anna"),
        f.Person(5, "Bot", agent=True),
    )
    (joined,) = entries_of(recording, f.Joined)
    assert joined.person == f.Person(BEN.id, "Ben")


# --- what was known before -------------------------------------------------------


def test_all_that_was_heard_is_there_from_before_the_onset(tmp_path: Path) -> None:
    scene = record(tmp_path, answered)
    (recording,) = recordings(tmp_path)
    (ear,) = recording.header.ears
    # 60 ms are needed; the third packet is the one that opens the turn.
    assert [kept.samples for kept in ear.pre_roll] == [320, 320]
    assert recording.entries[0] == f.Packet(0.0, ANA.id, 320, speech=(1.0,))
    assert recording.entries[1].event == "speech_started"
    heard = recording.heard[ANA.id]
    assert np.array_equal(heard, scene.words("what time is it"))
    packets = np.concatenate([pcm for _, pcm in recording.packets()])
    kept = np.concatenate([pcm for _, pcm in recording.pre_roll(ear)])
    assert np.array_equal(np.concatenate([kept, packets]), heard)


def test_an_open_microphone_goes_on_where_it_was(tmp_path: Path) -> None:
    record(tmp_path, open_microphone)
    for recording in recordings(tmp_path):
        (ear,) = recording.header.ears
        assert ear.left_over > 0, "451 samples fit no frame"
        assert ear.speaking
        assert ear.run_s == pytest.approx(0.04)
        assert not differences(recording)
        for change in ({"run_s": 0.0}, {"last_packet": None}):
            ears = (attrs.evolve(ear, **change),)
            header = attrs.evolve(recording.header, ears=ears)
            assert differences(attrs.evolve(recording, header=header)), change
    first, second = recordings(tmp_path)
    assert len(first.header.ears[0].pre_roll) == 2
    # The silence before the second question, up to 300 ms of it.
    assert sum(kept.samples for kept in second.header.ears[0].pre_roll) > 0.3 * 16_000


def test_a_listener_that_has_heard_enough_is_known(tmp_path: Path) -> None:
    # The first turn fails while Ana speaks: the next needs a new onset.
    record(tmp_path, STORIES["recognizer RuntimeError at feed"])
    second = recordings(tmp_path)[1]
    gap = 3  # packets that make an onset, the last of them in the recording
    assert len(second.header.ears[0].pre_roll) == gap
    assert not differences(second)


async def test_a_packet_that_waited_has_both_times(
    tmp_path: Path, autojump_clock: MockClock
) -> None:
    scene, recorder = recorded_scene(tmp_path)
    async with running(scene):
        scene.room.join(ANA)
        for index in range(5):
            await trio.sleep(0.02)
            pcm = scene.words("what")[index * 320 : (index + 1) * 320]
            arrived = trio.current_time() - 0.007
            scene.room.put(VoicePacket(ANA, pcm, index == 4, arrived))
        await trio.sleep(4)
    (take,) = recorder.tape.takes
    packets = [entry for entry in take.entries if isinstance(entry, f.Packet)]
    assert len(packets) == 3
    for packet in packets:
        assert packet.t - packet.arrived == pytest.approx(0.007)
    ear = take.ears[ANA.id]
    assert take.started - ear.last_packet == pytest.approx(0.027)


def test_frames_and_sounds_are_there_in_full(tmp_path: Path) -> None:
    scene = record(tmp_path, cough)
    (path,) = [recording.path for recording in recordings(tmp_path)]
    recording = load(path)
    assert np.array_equal(recording.spoken, scene.room.spoken)
    assert [len(x.pcm) for x in scene.room.frames] == [
        frame.samples for frame, _ in recording.frames()
    ]
    assert scene.vocabulary.read(recording.synthesized) == scene.spoken
