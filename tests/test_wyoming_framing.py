"""Wyoming's frames: any split gives the same events, and nothing too large is kept."""

from __future__ import annotations

import asyncio
import itertools
import json
from typing import Any

import hypothesis
import pytest
from hypothesis import strategies as st
from wyoming.event import Event as TheirEvent
from wyoming.event import async_read_event, async_write_event

from trioagent.errors import ConfigError
from trioagent.wyoming.address import Address, parse_address
from trioagent.wyoming.framing import BadFrame, Decoder, Event, Limits, encode

SMALL = Limits(line=200, data=100, payload=50)

json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=20),
    lambda inner: (
        st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3)
    ),
    max_leaves=8,
)
events = st.builds(
    Event,
    type=st.text(min_size=1, max_size=20),
    data=st.dictionaries(st.text(max_size=10), json_values, max_size=4),
    payload=st.binary(max_size=300),
)


def decoded(*pieces: bytes, limits: Limits | None = None) -> list[Event]:
    decoder, found = Decoder(limits or Limits()), []
    for piece in pieces:
        decoder.feed(piece)
        while (event := decoder.next()) is not None:
            found.append(event)
    return found


@hypothesis.given(st.lists(events, max_size=5), st.lists(st.integers(0, 4000)))
def test_any_split_gives_the_same_events(sent: list[Event], cuts: list[int]) -> None:
    data = b"".join(map(encode, sent))
    edges = [0, *sorted(min(cut, len(data)) for cut in cuts), len(data)]
    pieces = [data[a:b] for a, b in itertools.pairwise(edges)]
    assert decoded(*pieces) == sent


@hypothesis.given(events)
@hypothesis.settings(deadline=None)
def test_the_packages_own_reader_and_writer_agree(event: Event) -> None:
    async def exchange() -> tuple[TheirEvent | None, bytes]:
        reader = asyncio.StreamReader()
        reader.feed_data(encode(event))
        reader.feed_eof()
        return await async_read_event(reader), await _written(event)

    theirs, written = asyncio.run(exchange())
    assert theirs is not None
    assert (theirs.type, theirs.data) == (event.type, event.data)
    assert (theirs.payload or b"") == event.payload
    assert decoded(written) == [event]


async def _written(event: Event) -> bytes:
    class Writer:
        data = b""

        def write(self, data: bytes) -> None:
            self.data += data

        def writelines(self, parts: tuple[bytes, ...]) -> None:
            self.data += b"".join(parts)

        async def drain(self) -> None:
            pass

    writer: Any = Writer()
    await async_write_event(TheirEvent(event.type, event.data, event.payload), writer)
    data: bytes = writer.data
    return data


def test_data_in_both_places_is_merged() -> None:
    more = b'{"b": 3, "c": 4}'
    head = {"type": "x", "data": {"a": 1, "b": 2}, "data_length": len(more)}
    frame = json.dumps(head).encode() + b"\n" + more
    assert decoded(frame) == [Event("x", {"a": 1, "b": 3, "c": 4})]


@pytest.mark.parametrize("nothing", [{}, {"data": None}, {"payload_length": None}])
def test_what_is_left_out_is_empty(nothing: dict[str, Any]) -> None:
    frame = json.dumps({"type": "ping", **nothing}).encode() + b"\n"
    assert decoded(frame) == [Event("ping")]


@pytest.mark.parametrize(
    ("data", "said"),
    [
        (b"HTTP/1.1 400 Bad Request\r\n\r\n", "HTTP/1.1 400"),
        (b"SSH-2.0-OpenSSH_9.6", "SSH-2.0"),
        (b"\x16\x03\x01 no line ever ends", "no frame"),
        (b'{"type": "x"', None),
        (b'{"type": "x", "data_len\n', "no frame"),
        (b'["type"]\n', "no frame"),
        (b"{}\n", "without a type"),
        (b'{"type": 7}\n', "without a type"),
        (b'{"type": "x", "data": [1]}\n', "no object"),
        (b'{"type": "x", "data_length": -1}\n', "data_length is -1"),
        (b'{"type": "x", "payload_length": "9"}\n', "payload_length is 9"),
        (b'{"type": "x", "payload_length": 1e9}\n', "payload_length"),
        (b'{"type": "x", "data_length": 101}\n', "at most 100"),
        (b'{"type": "x", "payload_length": 51}\n', "at most 50"),
        (b'{"type": "x", "data_length": 4}\n{"a"', "no frame"),
        (b'{"type": "x", "data_length": 3}\n[1]', "no frame"),
        (b'{"a": "' + b"a" * 200, "more than 200 bytes"),
        (b'{"a": "' + b"a" * 200 + b'"}\n', "more than 200 bytes"),
        (b"{" * 150 + b"\n", "no frame"),
        (b'{"a":' + b"[" * 190 + b"\n", "no frame"),
    ],
)
def test_what_is_no_frame_is_refused_at_once(data: bytes, said: str | None) -> None:
    if said is None:
        assert decoded(data, limits=SMALL) == []
        return
    with pytest.raises(BadFrame, match=said):
        decoded(data, limits=SMALL)


def test_a_deep_tower_of_brackets_is_no_frame() -> None:
    with pytest.raises(BadFrame, match="no frame"):
        decoded(b'{"a":' + b"[" * 100_000 + b"\n")


def test_the_largest_frame_is_taken() -> None:
    event = Event("x", {"a": "b" * 91}, b"p" * 50)
    assert decoded(encode(event), limits=SMALL) == [event]
    assert len(json.dumps(event.data)) == SMALL.data


@pytest.mark.parametrize(
    ("uri", "address", "local"),
    [
        ("tcp://127.0.0.1:10300", Address("127.0.0.1", 10300), True),
        ("tcp://localhost:1", Address("localhost", 1), True),
        ("tcp://[::1]:10300", Address("::1", 10300), True),
        ("tcp://0.0.0.0:10300", Address("0.0.0.0", 10300), False),
        ("tcp://whisper.lan:10300", Address("whisper.lan", 10300), False),
        ("unix:///run/asr.sock", Address(path="/run/asr.sock"), True),
    ],
)
def test_addresses(uri: str, address: Address, local: bool) -> None:
    assert parse_address(uri) == address
    assert str(address) == uri
    assert address.is_local is local


@pytest.mark.parametrize(
    "uri",
    [
        *(
            "",
            "127.0.0.1:10300",
            "tcp://",
            "tcp://host",
            "tcp://:1",
            "tcp://host:99999",
        ),
        *("tcp://host:x", "tcp://host:1/path", "http://host:1", "unix://relative"),
        *("unix://", "tcp://user:secret@host:1", "tcp://host:1?a=b", "tcp://[::1:2"),
    ],
)
def test_no_addresses(uri: str) -> None:
    with pytest.raises(ConfigError, match="no address of a Wyoming server") as caught:
        parse_address(uri)
    assert "tcp://host:port" in caught.value.hint
    assert "secret" not in str(caught.value)
