"""OCB2: against the paper, against forgers, over a link that loses and delays."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from cryptography.hazmat.primitives.ciphers import Cipher, algorithms, modes
from hypothesis import given
from hypothesis import strategies as st

from providers.rooms.mumble.ocb2 import Ocb2

if TYPE_CHECKING:
    from collections.abc import Callable


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
