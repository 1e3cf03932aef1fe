"""Certificates seen before, one per line: `host:port sha256 fingerprint`.

Trust on first use: the first certificate of a server is remembered; another one later
is refused until a person deletes the line. The file is only for its owner's eyes and is
replaced as a whole, so that it is never half written.
"""

from __future__ import annotations

import hashlib
import os
import tempfile
from pathlib import Path

import attrs
import platformdirs

from trioagent.errors import ConfigError, RoomRejected
from trioagent.private import private_folder

_ALGORITHM = "sha256"


@attrs.frozen
class _Pin:
    line: int
    fingerprint: str


def fingerprint(certificate: bytes) -> str:
    """Return the SHA-256 of a certificate in DER, as people compare it."""
    return hashlib.sha256(certificate).digest().hex(":").upper()


def check_pin(configured: str, where: str, certificate: bytes) -> None:
    """Compare a server's certificate with the one seen first; remember a first one.

    The file is `configured`; if that is empty, one in the user's state folder.
    Reads and writes files: call it in a thread.

    Raises:
        RoomRejected: it is another one than before.
        ConfigError: the file cannot be read or written.
    """
    pin_file = Path(configured).expanduser() if configured else _default_pin_file()
    seen = fingerprint(certificate)
    try:
        lines = pin_file.read_text().splitlines() if pin_file.exists() else []
        pin = _find(lines, where, pin_file)
        if pin is None:
            _write(pin_file, [*lines, f"{where} {_ALGORITHM} {seen}"])
            return
    except (OSError, UnicodeDecodeError) as error:
        raise ConfigError(
            f"The file of known servers {pin_file} cannot be used: {error}",
            hint="Make it readable and writable, or set mumble.pin_file to another.",
        ) from error
    if pin.fingerprint != seen:
        raise RoomRejected(
            f"The certificate of {where} is not the one seen before:"
            f"\n  before {pin.fingerprint}\n  now    {seen}",
            hint="Somebody may be listening in. If the server has a new certificate, "
            f"delete line {pin.line} ({where}) of {pin_file} and start again.",
        )


def _default_pin_file() -> Path:
    return Path(platformdirs.user_state_dir("trioagent")) / "mumble_servers"


def _find(lines: list[str], where: str, pin_file: Path) -> _Pin | None:
    for number, line in enumerate(lines, 1):
        words = line.split()
        if not words or words[0].startswith("#"):
            continue
        if len(words) != 3 or words[1] != _ALGORITHM:
            raise ConfigError(
                f"{pin_file}, line {number}: not `host:port {_ALGORITHM} fingerprint`",
                hint=f"Delete line {number} of {pin_file}.",
            )
        if words[0] == where:
            return _Pin(number, words[2])
    return None


def _write(pin_file: Path, lines: list[str]) -> None:
    private_folder(pin_file.parent)
    # mkstemp makes a file of mode 0600.
    handle, name = tempfile.mkstemp(dir=pin_file.parent, prefix=pin_file.name)
    try:
        with os.fdopen(handle, "w") as file:
            file.write("".join(f"{line}\n" for line in lines))
        Path(name).replace(pin_file)
    except BaseException:
        Path(name).unlink(missing_ok=True)
        raise
