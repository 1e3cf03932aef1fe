"""A self-signed certificate for a server of our own, made once and kept.

Clients that trust on first use remember a server by its certificate, so it stays the
same from run to run until it expires.
"""

from __future__ import annotations

import datetime
import fcntl
import ipaddress
import os
from pathlib import Path

import attrs
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

from trioagent.private import open_private, private_folder

VALID_FOR = datetime.timedelta(days=3650)
RENEW_BEFORE = datetime.timedelta(days=1)
CLOCK_SLACK = datetime.timedelta(hours=1)


@attrs.frozen
class ServerCertificate:
    """PEM files of a certificate, which is its own authority, and of its key."""

    certificate_file: Path
    key_file: Path


def ensure_certificate(folder: Path) -> ServerCertificate:
    """Return the certificate kept in `folder`, made now if it is not there or expired.

    It is valid for localhost, 127.0.0.1 and ::1. Blocks for some milliseconds.

    Raises:
        OSError: `folder` cannot be made, read or written.
    """
    private_folder(folder)
    pair = ServerCertificate(folder / "cert.pem", folder / "key.pem")
    with os.fdopen(open_private(folder / ".lock", os.O_WRONLY), "w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)  # two first runs at a time: one makes it
        if not _usable(pair):
            _make(pair)
    return pair


def _usable(pair: ServerCertificate) -> bool:
    """Whether both files are there, belong together and are valid for now."""
    try:
        certificate = x509.load_pem_x509_certificate(pair.certificate_file.read_bytes())
        key = serialization.load_pem_private_key(pair.key_file.read_bytes(), None)
    except (FileNotFoundError, ValueError, TypeError):
        return False
    now = datetime.datetime.now(datetime.UTC)
    return (
        certificate.public_key() == key.public_key()
        and certificate.not_valid_before_utc <= now
        and now + RENEW_BEFORE < certificate.not_valid_after_utc
    )


def _make(pair: ServerCertificate) -> None:
    key = ec.generate_private_key(ec.SECP256R1())
    key_pem = key.private_bytes(
        serialization.Encoding.PEM,
        serialization.PrivateFormat.PKCS8,
        serialization.NoEncryption(),
    )
    certificate_pem = _certificate(key).public_bytes(serialization.Encoding.PEM)
    _write(pair.key_file, key_pem, 0o600)
    _write(pair.certificate_file, certificate_pem, 0o644)


def _certificate(key: ec.EllipticCurvePrivateKey) -> x509.Certificate:
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "localhost")])
    public_key = key.public_key()
    now = datetime.datetime.now(datetime.UTC)
    names: list[x509.GeneralName] = [x509.DNSName("localhost")]
    names += [x509.IPAddress(ipaddress.ip_address(a)) for a in ("127.0.0.1", "::1")]
    # Everything that OpenSSL's strict checks (Python 3.13's default) ask of a
    # certificate that signs itself.
    usage = x509.KeyUsage(
        digital_signature=True,
        key_cert_sign=True,
        content_commitment=False,
        key_encipherment=False,
        data_encipherment=False,
        key_agreement=False,
        crl_sign=False,
        encipher_only=False,
        decipher_only=False,
    )
    extensions: list[tuple[x509.ExtensionType, bool]] = [
        (x509.BasicConstraints(ca=True, path_length=0), True),
        (usage, True),
        (x509.ExtendedKeyUsage([ExtendedKeyUsageOID.SERVER_AUTH]), False),
        (x509.SubjectAlternativeName(names), False),
        (x509.SubjectKeyIdentifier.from_public_key(public_key), False),
        (x509.AuthorityKeyIdentifier.from_issuer_public_key(public_key), False),
    ]
    builder = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(public_key)
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - CLOCK_SLACK)
        .not_valid_after(now + VALID_FOR)
    )
    for extension, critical in extensions:
        builder = builder.add_extension(extension, critical=critical)
    return builder.sign(key, hashes.SHA256())


def _write(path: Path, data: bytes, mode: int) -> None:
    """Put `data` at `path` in one step, so that nobody reads half of it."""
    fresh = path.with_suffix(".new")
    fresh.unlink(missing_ok=True)
    with os.fdopen(
        os.open(fresh, os.O_WRONLY | os.O_CREAT | os.O_EXCL, mode), "wb"
    ) as f:
        f.write(data)
    fresh.replace(path)
