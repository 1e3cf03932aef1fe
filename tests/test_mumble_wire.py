"""Mumble's formats: control messages and voice packets."""

from __future__ import annotations

from typing import Any, get_args

import attrs
import pytest
from hypothesis import given
from hypothesis import strategies as st

from providers.rooms.mumble.messages import (
    Authenticate,
    CryptSetup,
    Message,
    Ping,
    Reject,
    TextMessage,
    UserState,
    VoiceTunnel,
)
from providers.rooms.mumble.voice_packets import (
    MAX_OPUS_BYTES,
    PingEcho,
    VoiceIn,
    decode_varint,
    encode_ping,
    encode_varint,
    encode_voice,
)
from providers.rooms.mumble.voice_packets import decode as decode_voice
from providers.rooms.mumble.wire import (
    MAX_MESSAGE_BYTES,
    MessageReader,
    ProtocolError,
    decode,
    encode,
)

UINTS = st.integers(0, 2**64 - 1)
KINDS: dict[str, st.SearchStrategy[Any]] = {
    "uint": UINTS,
    "int": st.integers(-(2**31), 2**31 - 1),
    "bool": st.booleans(),
    "float": st.floats(width=32, allow_nan=False),
    "str": st.text(max_size=20),
    "bytes": st.binary(max_size=40),
}


def _messages(cls: type[Any]) -> st.SearchStrategy[Any]:
    if cls is VoiceTunnel:
        return st.builds(VoiceTunnel, st.binary(max_size=300))
    fields = {}
    for field in attrs.fields(cls):
        value = KINDS[field.metadata["kind"]]
        repeated = field.default == ()
        fields[field.name] = (
            st.lists(value, max_size=3).map(tuple) if repeated else st.none() | value
        )
    return st.builds(cls, **fields)


MESSAGES = st.one_of([_messages(cls) for cls in get_args(Message)])


@given(MESSAGES)
def test_messages_survive_the_wire(message: Message) -> None:
    assert MessageReader().feed(encode(message)) == [message]


@given(st.lists(MESSAGES, max_size=5), st.data())
def test_any_split_of_the_stream_gives_the_same_messages(
    messages: list[Message], data: st.DataObject
) -> None:
    stream = b"".join(map(encode, messages))
    cuts = sorted(data.draw(st.lists(st.integers(0, len(stream)), max_size=8)))
    reader = MessageReader()
    read = [
        message
        for start, end in zip([0, *cuts], [*cuts, len(stream)], strict=True)
        for message in reader.feed(stream[start:end])
    ]
    assert read == messages


@given(st.binary(max_size=200), st.integers(0, 30))
def test_noise_is_a_message_or_a_protocol_error(body: bytes, number: int) -> None:
    try:
        message = decode(number, body)
    except ProtocolError:
        return
    assert message is None or message.type == number


@pytest.mark.parametrize(
    ("number", "body", "message"),
    [
        # As protobuf's own documentation and Mumble.proto have it.
        (3, b"\x08\x96\x01", Ping(timestamp=150)),
        (4, b"\x08\x04\x12\x05Wrong", Reject(kind=4, reason="Wrong")),
        (2, b"\x0a\x01a\x28\x01", Authenticate(username="a", opus=True)),
        (15, b"", CryptSetup()),
        # An unknown field of each wire type, then one we know.
        (
            9,
            b"\xf8\x01\x05\xf9\x0112345678\xfa\x01\x02xy\xfd\x011234\x08\x07",
            UserState(session=7),
        ),
        # A known field of another type than it should have is skipped.
        (9, b"\x0a\x01x\x28\x03", UserState(channel_id=3)),
        # Numbers packed, as newer protobufs send them.
        (11, b"\x1a\x02\x05\x06", TextMessage(channel_id=(5, 6))),
        (9, b"\x1a\x02\xff\xfe", UserState(name="\N{REPLACEMENT CHARACTER}" * 2)),
        (99, b"anything", None),
    ],
)
def test_known_bytes(number: int, body: bytes, message: Message | None) -> None:
    assert decode(number, body) == message


@pytest.mark.parametrize(
    "body",
    [b"\x08", b"\x08\xff", b"\x12\x05abc", b"\x0b", b"\x08" + b"\xff" * 11, b"\x0d12"],
)
def test_broken_bodies_are_protocol_errors(body: bytes) -> None:
    with pytest.raises(ProtocolError):
        decode(4, body)


def test_a_message_that_is_too_long_is_refused_before_it_comes() -> None:
    header = b"\x00\x09" + (MAX_MESSAGE_BYTES + 1).to_bytes(4, "big")
    with pytest.raises(ProtocolError, match=str(MAX_MESSAGE_BYTES + 1)):
        MessageReader().feed(header)


@given(UINTS, st.binary(max_size=3))
def test_varints_survive(value: int, after: bytes) -> None:
    encoded = encode_varint(value)
    assert decode_varint(encoded + after, 0) == (value, len(encoded))


@pytest.mark.parametrize(
    ("value", "encoded"),
    [
        (0x7F, "7f"), (0x80, "8080"), (0x3FFF, "bfff"), (0x4000, "c04000"),
        (0x1FFFFF, "dfffff"), (0x200000, "e0200000"), (0xFFFFFFF, "efffffff"),
        (0x10000000, "f010000000"), (2**32, "f40000000100000000"),
    ],
)  # fmt: skip
def test_varints_change_their_length_where_mumble_does(
    value: int, encoded: str
) -> None:
    assert encode_varint(value).hex() == encoded


@pytest.mark.parametrize(
    "data", [b"\xf8\x05", b"\xfc", b"\xff", b"", b"\x80", b"\xf0a"]
)
def test_negative_and_cut_varints_are_refused(data: bytes) -> None:
    with pytest.raises(ProtocolError):
        decode_varint(data, 0)


@given(
    st.integers(0, 2**32), st.integers(0, 2**40), st.binary(max_size=500), st.booleans()
)
def test_voice_comes_out_as_it_went_in(
    session: int, sequence: int, opus: bytes, last: bool
) -> None:
    ours = encode_voice(sequence, opus, last=last)
    # The server puts who speaks behind the first byte; a position may follow.
    theirs = ours[:1] + encode_varint(session) + ours[1:]
    assert decode_voice(theirs) == VoiceIn(session, sequence, opus, last)
    assert decode_voice(theirs + b"position") == VoiceIn(session, sequence, opus, last)


@given(st.binary(max_size=60))
def test_noise_is_a_voice_packet_or_a_protocol_error(packet: bytes) -> None:
    try:
        voice = decode_voice(packet)
    except ProtocolError:
        return
    if isinstance(voice, VoiceIn):
        assert voice.opus in packet


def test_other_packets() -> None:
    assert decode_voice(encode_ping(12345)) == PingEcho(12345)
    assert decode_voice(b"\x00speex") is None
    with pytest.raises(ProtocolError):
        encode_voice(0, bytes(MAX_OPUS_BYTES + 1), last=False)
