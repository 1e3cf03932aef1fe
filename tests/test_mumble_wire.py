"""Mumble's formats: control messages, voice packets, encryption."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, get_args

import attrs
import pytest
from cryptography.hazmat.primitives.ciphers import Cipher, algorithms, modes
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
from providers.rooms.mumble.ocb2 import Ocb2
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

if TYPE_CHECKING:
    from collections.abc import Callable

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


# Control messages


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


# Voice packets


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


# Encryption

KEY, OURS, THEIRS = bytes(range(16)), bytes(range(16, 32)), bytes(range(32, 48))


def _ends() -> tuple[Ocb2, Ocb2]:
    return Ocb2(KEY, OURS, THEIRS), Ocb2(KEY, THEIRS, OURS)


def _reference_ocb2(nonce: bytes, plain: bytes) -> tuple[bytes, bytes]:
    """Return body and whole tag as the paper defines OCB2, block by block."""
    aes = Cipher(algorithms.AES(KEY), modes.ECB()).encryptor().update

    def double(x: bytes) -> bytes:
        number = int.from_bytes(x, "big") << 1
        if number >> 128:
            number = (number ^ 0x87) & (1 << 128) - 1
        return number.to_bytes(16, "big")

    def xor(a: bytes, b: bytes) -> bytes:
        return bytes(x ^ y for x, y in zip(a, b, strict=False))

    delta, checksum, body = aes(nonce), bytes(16), b""
    while len(plain) > 16:
        block, plain = plain[:16], plain[16:]
        delta = double(delta)
        checksum = xor(checksum, block)
        body += xor(delta, aes(xor(delta, block)))
    delta = double(delta)
    pad = aes(xor(delta, (len(plain) * 8).to_bytes(16, "big")))
    checksum = xor(checksum, plain + pad[len(plain) :])
    body += xor(plain, pad)
    return body, aes(xor(xor(delta, double(delta)), checksum))


@given(st.binary(max_size=200).filter(lambda plain: bytes(15) not in plain))
def test_packets_are_those_of_the_paper(plain: bytes) -> None:
    packet = Ocb2(KEY, OURS, THEIRS).encrypt(plain)
    nonce = bytes((OURS[0] + 1, *OURS[1:]))
    body, tag = _reference_ocb2(nonce, plain)
    assert packet == nonce[:1] + tag[:3] + body


@given(st.lists(st.binary(max_size=120), max_size=20))
def test_packets_are_read_by_the_other_end(plains: list[bytes]) -> None:
    us, them = _ends()
    for plain in plains:
        read = them.decrypt(us.encrypt(plain))
        assert read is not None
        assert len(read) == len(plain)
        if bytes(15) not in plain:
            assert read == plain
    assert them.quality.good == len(plains)
    assert them.quality.lost == them.quality.late == 0


def test_thousands_of_packets_pass_both_ways() -> None:
    us, them = _ends()
    for number in range(1000):  # the low byte wraps around
        plain = (number + 1).to_bytes(2, "big") * 30
        assert them.decrypt(us.encrypt(plain)) == plain
        assert us.decrypt(them.encrypt(plain)) == plain


@pytest.mark.parametrize("size", [16, 17, 32, 33, 100])
def test_a_last_block_of_zeros_is_never_sent(size: int) -> None:
    us, them = _ends()
    read = them.decrypt(us.encrypt(bytes(size)))
    assert read is not None
    full = (size - 1) // 16
    if full:
        assert read[16 * (full - 1) : 16 * full] == b"\x01" + bytes(15)
    assert sum(read) == (1 if full else 0)


def test_the_block_that_only_the_attack_makes_is_refused() -> None:
    # Eprint 2019/311, section 4: from the packet of (len(128), anything) one makes
    # another with a good tag, without knowing the key.
    us, _ = _ends()
    asked = (128).to_bytes(16, "big") + bytes(range(1, 17))
    body, _tag = _reference_ocb2(bytes((OURS[0] + 1, *OURS[1:])), asked)
    forged = _xor(body[:16], (128).to_bytes(16, "big"))
    tag = _xor(asked[16:], body[16:])[:3]
    packet = us.encrypt(asked)[:1] + tag + forged
    assert Ocb2(KEY, THEIRS, OURS).decrypt(packet) is None


def _xor(a: bytes, b: bytes) -> bytes:
    return bytes(x ^ y for x, y in zip(a, b, strict=True))


@given(st.binary(min_size=1, max_size=80), st.data())
def test_a_changed_packet_is_refused(plain: bytes, data: st.DataObject) -> None:
    us, them = _ends()
    packet = bytearray(us.encrypt(plain))
    at = data.draw(st.integers(0, len(packet) - 1))
    packet[at] ^= data.draw(st.integers(1, 255))
    assert them.decrypt(bytes(packet)) is None
    assert them.quality.good == 0


@given(st.binary(max_size=40))
def test_noise_is_refused(packet: bytes) -> None:
    assert _ends()[1].decrypt(packet) is None


def test_a_packet_counts_once() -> None:
    us, them = _ends()
    packets = [us.encrypt(b"packet") for _ in range(5)]
    assert all(them.decrypt(packet) for packet in packets)
    assert not any(them.decrypt(packet) for packet in packets)
    assert them.quality.good == 5


@given(st.permutations(range(25)), st.sets(st.integers(0, 24)))
def test_late_packets_are_taken_and_counted(
    order: list[int], missing: set[int]
) -> None:
    us, them = _ends()
    for _ in range(250):  # so that the low byte wraps around in between
        them.decrypt(us.encrypt(b"before"))
    packets = [us.encrypt(bytes((number, 1))) for number in range(25)]
    came = [number for number in order if number not in missing]
    for number in came:
        assert them.decrypt(packets[number]) == bytes((number, 1))
    assert them.quality.good == 250 + len(came)
    if came:
        assert them.quality.lost == max(came) + 1 - len(came)


def test_a_packet_that_is_far_too_late_is_refused() -> None:
    us, them = _ends()
    first = us.encrypt(b"first")
    for _ in range(40):
        them.decrypt(us.encrypt(b"next"))
    assert them.decrypt(first) is None


def test_resync_brings_two_ends_together_again() -> None:
    us, them = _ends()
    for _ in range(200):
        us.encrypt(b"lost")
    assert them.decrypt(us.encrypt(b"too far")) is None
    them.resync(us.client_nonce)
    assert them.decrypt(us.encrypt(b"again")) == b"again"
    assert them.quality.resyncs == 1


@pytest.mark.parametrize(
    "broken",
    [lambda: Ocb2(b"short", OURS, THEIRS), lambda: _ends()[0].resync(b"short")],
)
def test_keys_of_another_size_are_refused(broken: Callable[[], object]) -> None:
    with pytest.raises(ValueError, match="16 bytes"):
        broken()
