"""Channels and users, chat, events, pins, back-off: without a server."""

from __future__ import annotations

import html
import re
from typing import TYPE_CHECKING

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from providers.rooms.mumble.backoff import Backoff
from providers.rooms.mumble.inbox import MAX_EVENTS, EventInbox
from providers.rooms.mumble.messages import (
    ChannelRemove,
    ChannelState,
    Message,
    ServerConfig,
    ServerSync,
    UserRemove,
    UserState,
)
from providers.rooms.mumble.pins import check_pin, fingerprint
from providers.rooms.mumble.state import NoSuchChannel, ServerState
from providers.rooms.mumble.text import BURST, INTERVAL_S, Pacer, split_text
from trioagent.errors import ConfigError, RoomRejected
from trioagent.interfaces import LinkLost, Speaker, SpeakerJoined, VoicePacket

if TYPE_CHECKING:
    from pathlib import Path

ANA = Speaker(2, "ana")
SERVER: list[Message] = [
    ChannelState(channel_id=0, name="Root"),
    ChannelState(channel_id=1, name="Lobby", parent=0),
    ChannelState(channel_id=2, name="Bots", parent=1),
    ChannelState(channel_id=3, name="bots", parent=1),
    ChannelState(channel_id=4, name="Bots", parent=0),
    UserState(session=1, name="agent"),
    UserState(session=2, name="ana"),
    UserState(session=3, name="bob", channel_id=2),
    ServerSync(session=1, max_bandwidth=72_000),
    ServerConfig(message_length=128),
]


def _state() -> ServerState:
    state = ServerState()
    for message in SERVER:
        state.apply(message)
    return state


@pytest.mark.parametrize(
    ("path", "channel_id"),
    [
        ("Lobby", 1), ("lobby", 1), ("/Lobby/", 1), ("Root/Lobby", 1), ("/", 0),
        ("Root", 0),
        ("Lobby/Bots", 2), ("Lobby/bots", 3), (" Lobby / Bots ", 2), ("BOTS", 4),
    ],
)  # fmt: skip
def test_channels_are_found_by_path(path: str, channel_id: int) -> None:
    assert _state().find(path) == channel_id


@pytest.mark.parametrize("path", ["Cellar", "Lobby/Cellar", "Lobby/BOTS", "Bots/Lobby"])
def test_a_path_that_is_none_or_several_is_answered_with_the_list(path: str) -> None:
    with pytest.raises(NoSuchChannel) as caught:
        _state().find(path)
    assert f'"{path}"' in str(caught.value)
    assert '"Bots", "Lobby", "Lobby/Bots", "Lobby/bots"' in str(caught.value)


def test_a_long_list_is_cut() -> None:
    state = ServerState()
    for number in range(1, 100):
        state.apply(ChannelState(channel_id=number, name=f"c{number:02}", parent=0))
    with pytest.raises(NoSuchChannel, match="and 69 more"):
        state.find("none")


def test_speakers_are_the_others_in_our_channel() -> None:
    state = _state()
    assert state.speakers() == {2: ANA}
    state.apply(UserState(session=2, mute=True))  # names nothing else: nothing moves
    assert state.speakers() == {2: ANA}
    state.apply(UserState(session=1, channel_id=2))
    assert state.speakers() == {3: Speaker(3, "bob")}
    assert state.path(state.own.channel_id) == "Lobby/Bots"
    state.apply(UserRemove(session=3))
    assert state.speakers() == {}


def test_changes_keep_what_they_do_not_name() -> None:
    state = _state()
    state.apply(ChannelState(channel_id=1, name="Hall"))
    assert state.path(2) == "Hall/Bots"
    state.apply(ChannelRemove(channel_id=3))
    assert 3 not in state.channels
    assert (state.max_bandwidth_bps, state.message_length) == (72_000, 128)


def test_channels_in_a_circle_end() -> None:
    state = _state()
    state.apply(ChannelState(channel_id=1, parent=2))
    assert state.path(2)


@given(st.text(max_size=300), st.integers(12, 80))
def test_every_text_arrives_whole_in_pieces_that_fit(text: str, limit: int) -> None:
    pieces = split_text(text, limit)
    assert all(len(piece.encode("utf-16-le")) // 2 <= limit for piece in pieces)
    back = html.unescape("".join(pieces).replace("<br/>", "\n"))
    assert re.sub(r"\s", "", back) == re.sub(r"\s", "", text)
    assert not any("<" in piece.replace("<br/>", "") for piece in pieces)


def test_text_is_cut_between_words() -> None:
    assert split_text("one two three four", 10) == ["one two", "three four"]
    assert split_text("a<b & c\nd", 0) == ["a&lt;b &amp; c<br/>d"]
    assert split_text("  ", 10) == []


def test_a_burst_goes_at_once_and_the_rest_at_the_servers_pace() -> None:
    pacer = Pacer()
    times = [pacer.reserve(100.0) for _ in range(BURST + 3)]
    assert times[:BURST] == [100.0] * BURST
    assert times[BURST:] == pytest.approx([100 + INTERVAL_S * i for i in (1, 2, 3)])
    assert pacer.reserve(200.0) == 200.0


def _voice(*, last: bool = False) -> VoicePacket:
    return VoicePacket(ANA, np.zeros(320, np.int16), last, 0.0)


async def test_a_full_inbox_drops_the_oldest_voice_and_nothing_else() -> None:
    inbox = EventInbox()
    inbox.put(SpeakerJoined(ANA))
    inbox.put(_voice(last=True))
    packets = [_voice() for _ in range(3 * MAX_EVENTS)]
    for packet in packets:
        inbox.put(packet)
    inbox.put(LinkLost("gone"))
    inbox.end()
    events = [event async for event in inbox.events]
    assert len(events) <= MAX_EVENTS + 1
    assert events[0] == SpeakerJoined(ANA)
    assert isinstance(events[1], VoicePacket)
    assert events[1].ends_talk
    assert events[-1] == LinkLost("gone")
    assert events[2:-1] == packets[inbox.dropped :]


def test_nobody_reads_any_more() -> None:
    inbox = EventInbox()
    inbox.events.close()
    inbox.put(LinkLost("gone"))


def test_a_first_certificate_is_kept_and_another_refused(tmp_path: Path) -> None:
    file = tmp_path / "deep" / "pins"
    check_pin(str(file), "a:1", b"one")
    check_pin(str(file), "b:2", b"two")
    check_pin(str(file), "a:1", b"one")
    before = file.read_text()
    assert before.splitlines() == [
        f"a:1 sha256 {fingerprint(b'one')}",
        f"b:2 sha256 {fingerprint(b'two')}",
    ]
    with pytest.raises(RoomRejected) as caught:
        check_pin(str(file), "b:2", b"three")
    assert fingerprint(b"two") in caught.value.message
    assert fingerprint(b"three") in caught.value.message
    assert f"line 2 (b:2) of {file}" in caught.value.hint
    assert file.read_text() == before
    assert [path.name for path in file.parent.iterdir()] == ["pins"]


def test_a_pin_file_of_another_kind_is_named(tmp_path: Path) -> None:
    file = tmp_path / "pins"
    file.write_text("# mine\n\nnonsense\n")
    with pytest.raises(ConfigError, match="line 3"):
        check_pin(str(file), "a:1", b"one")
    with pytest.raises(ConfigError, match=str(tmp_path)):
        check_pin(str(tmp_path), "a:1", b"one")


def test_waits_grow_to_the_longest_and_start_again_after_a_good_link() -> None:
    backoff = Backoff(0.25, 15.0)
    waits = [backoff.next_s(0.0) for _ in range(10)]
    for number, wait_s in enumerate(waits):
        assert (
            min(15.0, 0.25 * 2**number) <= wait_s <= min(15.0, 0.25 * 2**number + 0.25)
        )
    backoff.connected(100.0)
    assert backoff.next_s(101.0) == 15.0  # taken and dropped at once: no good link
    backoff.connected(200.0)
    assert backoff.next_s(240.0) <= 0.5
