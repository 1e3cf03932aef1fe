"""The certificate of our own server: kept while it is good, made again when not."""

from __future__ import annotations

import datetime
import stat
from typing import TYPE_CHECKING

from providers.rooms import server_certificate
from providers.rooms.server_certificate import ensure_certificate

if TYPE_CHECKING:
    from pathlib import Path

    import pytest


def test_it_is_kept_and_private(tmp_path: Path) -> None:
    folder = tmp_path / "state" / "server"
    pair = ensure_certificate(folder)
    first = pair.certificate_file.read_bytes()
    assert ensure_certificate(folder) == pair
    assert pair.certificate_file.read_bytes() == first
    assert stat.S_IMODE(pair.key_file.stat().st_mode) == 0o600
    assert stat.S_IMODE(folder.stat().st_mode) == 0o700


def test_an_expired_certificate_is_renewed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with monkeypatch.context() as patch:
        patch.setattr(server_certificate, "VALID_FOR", datetime.timedelta(hours=2))
        pair = ensure_certificate(tmp_path)
    short_lived = pair.certificate_file.read_bytes()
    assert ensure_certificate(tmp_path) == pair
    renewed = pair.certificate_file.read_bytes()
    assert renewed != short_lived
    ensure_certificate(tmp_path)
    assert pair.certificate_file.read_bytes() == renewed


def test_a_certificate_without_its_key_is_made_again(tmp_path: Path) -> None:
    pair = ensure_certificate(tmp_path / "one")
    other = ensure_certificate(tmp_path / "other")
    before = pair.certificate_file.read_bytes()
    pair.key_file.write_bytes(other.key_file.read_bytes())
    ensure_certificate(tmp_path / "one")
    assert pair.certificate_file.read_bytes() != before
