"""OCB2-AES128, the encryption of Mumble's UDP packets. Nothing in here does I/O.

Rogaway's OCB2 (https://www.cs.ucdavis.edu/~rogaway/papers/offsets.pdf), with 3 bytes of
tag and the lowest byte of the nonce in front of each packet, and with the two
countermeasures of https://eprint.iacr.org/2019/311 section 9 that Mumble uses: what is
sent never has a last full block of zeros, and a last block that only the attack makes
is refused. Blocks are big-endian integers; nonces count up as little-endian ones.
"""

from __future__ import annotations

import hmac

import attrs
from cryptography.hazmat.primitives.ciphers import Cipher, algorithms, modes

BLOCK_BYTES = 16
HEADER_BYTES = 4
_MASK = (1 << 128) - 1
_POLYNOMIAL = 0x87
_LATE_WINDOW = 30
"""How many packets late one may be; older ones cannot be told from replays."""


@attrs.define
class LinkQuality:
    """What came over the link so far, counted in packets."""

    good: int = 0
    late: int = 0
    lost: int = 0
    resyncs: int = 0
    replayed: int = 0
    """Repeated, or too late to be told from repeated ones."""
    forged: int = 0
    """Not made by who has the key, or damaged."""


class Ocb2:
    """Both directions of one UDP link: encrypts ours, decrypts and checks theirs."""

    def __init__(self, key: bytes, client_nonce: bytes, server_nonce: bytes) -> None:
        if {len(key), len(client_nonce), len(server_nonce)} != {BLOCK_BYTES}:
            raise ValueError("key and nonces have 16 bytes each")
        cipher = Cipher(algorithms.AES(key), modes.ECB())  # noqa: S305 - OCB is made of it
        self._encrypt_blocks = cipher.encryptor().update
        self._decrypt_blocks = cipher.decryptor().update
        self._ours = int.from_bytes(client_nonce, "little")
        self._theirs = int.from_bytes(server_nonce, "little")
        # For each lowest byte, the last whole nonce that was taken.
        self._taken: list[int | None] = [None] * 256
        self.quality = LinkQuality()

    @property
    def client_nonce(self) -> bytes:
        """Where our own packets are now; a server that lost track asks for it."""
        return self._ours.to_bytes(BLOCK_BYTES, "little")

    def resync(self, server_nonce: bytes) -> None:
        """Follow the server's packets from this nonce on."""
        if len(server_nonce) != BLOCK_BYTES:
            raise ValueError("a nonce has 16 bytes")
        self._theirs = int.from_bytes(server_nonce, "little")
        self.quality.resyncs += 1

    def encrypt(self, plain: bytes) -> bytes:
        """Return `plain` as the next packet of ours."""
        self._ours = (self._ours + 1) & _MASK
        tag, body = self._seal(self._ours, plain)
        return bytes((self._ours & 0xFF,)) + tag + body

    def decrypt(self, packet: bytes) -> bytes | None:
        """Return what is in `packet`; None for forged, repeated and too late ones."""
        if len(packet) < HEADER_BYTES:
            self.quality.forged += 1
            return None
        ahead = (packet[0] - self._theirs) & 0xFF
        if ahead >= 128:
            ahead -= 256
        nonce = (self._theirs + ahead) & _MASK
        late = ahead <= -_LATE_WINDOW or ahead == 0
        if late or self._taken[packet[0]] == nonce:
            self.quality.replayed += 1
            return None
        plain = self._open(nonce, packet[1:HEADER_BYTES], packet[HEADER_BYTES:])
        if plain is None:
            self.quality.forged += 1
            return None
        self._taken[packet[0]] = nonce
        self._count(ahead)
        if ahead > 0:
            self._theirs = nonce
        return plain

    def _count(self, ahead: int) -> None:
        self.quality.good += 1
        if ahead > 0:
            self.quality.lost += ahead - 1
        else:  # it was taken for lost
            self.quality.late += 1
            self.quality.lost = max(0, self.quality.lost - 1)

    def _seal(self, nonce: int, plain: bytes) -> tuple[bytes, bytes]:
        offsets, full = self._offsets(nonce, len(plain))
        checksum = 0
        masked = []
        for index in range(full):
            block = _block(plain, index)
            # The attack needs a last full block of zeros: never send one. One flipped
            # bit in speech is not heard.
            if index == full - 1 and block >> 8 == 0:
                block ^= 1 << 120
            checksum ^= block
            masked.append(block ^ offsets[index])
        body = _masked(self._encrypt_blocks(_joined(masked)), offsets)
        rest = plain[full * BLOCK_BYTES :]
        pad = self._pad(offsets[-1], len(rest))
        filled = rest + pad[len(rest) :]
        checksum ^= int.from_bytes(filled, "big")
        body += _xored(filled, pad)[: len(rest)]
        return self._tag(offsets[-1], checksum), body

    def _open(self, nonce: int, tag: bytes, body: bytes) -> bytes | None:
        offsets, full = self._offsets(nonce, len(body))
        masked = [_block(body, index) ^ offsets[index] for index in range(full)]
        plain = _masked(self._decrypt_blocks(_joined(masked)), offsets)
        checksum = 0
        for index in range(full):
            checksum ^= _block(plain, index)
        rest = body[full * BLOCK_BYTES :]
        pad = self._pad(offsets[-1], len(rest))
        filled = _xored(rest.ljust(BLOCK_BYTES, b"\0"), pad)
        last = int.from_bytes(filled, "big")
        if last >> 8 == offsets[-1] >> 8:  # as only the attack makes it
            return None
        if not hmac.compare_digest(self._tag(offsets[-1], checksum ^ last), tag):
            return None
        return plain + filled[: len(rest)]

    def _offsets(self, nonce: int, size: int) -> tuple[list[int], int]:
        """Return the offset of each block and, last, the rest's; and how many blocks.

        The rest is 1 to 16 bytes long; only of nothing it is empty.
        """
        full = max(0, (size - 1) // BLOCK_BYTES)
        seed = self._encrypt_blocks(nonce.to_bytes(BLOCK_BYTES, "little"))
        offset = int.from_bytes(seed, "big")
        offsets = []
        for _ in range(full + 1):
            offset = _doubled(offset)
            offsets.append(offset)
        return offsets, full

    def _pad(self, offset: int, size: int) -> bytes:
        return self._encrypt_blocks((offset ^ size * 8).to_bytes(BLOCK_BYTES, "big"))

    def _tag(self, offset: int, checksum: int) -> bytes:
        tripled = offset ^ _doubled(offset)
        block = (tripled ^ checksum).to_bytes(BLOCK_BYTES, "big")
        return self._encrypt_blocks(block)[: HEADER_BYTES - 1]


def _doubled(block: int) -> int:
    return (block << 1) & _MASK ^ (_POLYNOMIAL if block >> 127 else 0)


def _block(data: bytes, index: int) -> int:
    return int.from_bytes(data[index * BLOCK_BYTES : (index + 1) * BLOCK_BYTES], "big")


def _joined(blocks: list[int]) -> bytes:
    return b"".join(block.to_bytes(BLOCK_BYTES, "big") for block in blocks)


def _masked(data: bytes, offsets: list[int]) -> bytes:
    blocks = len(data) // BLOCK_BYTES
    return _joined([_block(data, index) ^ offsets[index] for index in range(blocks)])


def _xored(left: bytes, right: bytes) -> bytes:
    value = int.from_bytes(left, "big") ^ int.from_bytes(right, "big")
    return value.to_bytes(len(left), "big")
