"""How the server's certificate is verified, and which one is our own."""

from __future__ import annotations

import functools
import os
import ssl
import threading
from pathlib import Path
from typing import TYPE_CHECKING

from trioagent.errors import ConfigError

if TYPE_CHECKING:
    from trioagent.config import MumbleConfig


_ONE_AT_A_TIME = threading.Lock()


def make_context(config: MumbleConfig) -> ssl.SSLContext:
    """Return the TLS context for `config.trust`. Reads files: call it in a thread.

    With trust "pin" nothing is verified here; the certificate is compared after the
    handshake, before anything is sent.

    Raises:
        ConfigError: a file of certificates or keys cannot be used; names it.
    """
    if config.trust == "ca":
        context = _trusting_only(config.ca_file)
    elif config.trust == "system":
        context = _trusting_the_system(own=config.certificate_file)
    else:
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
        context.check_hostname = False
        context.verify_mode = ssl.CERT_NONE
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    _load_own_certificate(context, config)
    return context


def _trusting_the_system(own: str) -> ssl.SSLContext:
    """One for all who trust it and show no certificate: it takes nearly a megabyte."""
    if own:
        return ssl.create_default_context()
    bundle = os.environ.get("SSL_CERT_FILE"), os.environ.get("SSL_CERT_DIR")
    with _ONE_AT_A_TIME:
        return _system_context(*bundle)


@functools.lru_cache(maxsize=1)
def _system_context(_file: str | None, _folder: str | None) -> ssl.SSLContext:
    return ssl.create_default_context()


def _trusting_only(ca_file: str) -> ssl.SSLContext:
    if not ca_file:
        raise ConfigError(
            'mumble.trust = "ca" needs mumble.ca_file.',
            hint="Name the PEM file of the authority that signed the server's "
            "certificate, or of that certificate itself.",
        )
    try:
        context = ssl.create_default_context(cafile=_existing(ca_file, "ca_file"))
    except (ssl.SSLError, OSError) as error:
        raise ConfigError(
            f"mumble.ca_file: {ca_file} holds no certificate: {error}",
            hint="It must be a PEM file: -----BEGIN CERTIFICATE----- ...",
        ) from error
    # Python 3.13 made these two its defaults. Private authorities seldom keep all the
    # letters of RFC 5280; and a server's own certificate is an anchor, too.
    context.verify_flags &= ~ssl.VERIFY_X509_STRICT
    context.verify_flags |= ssl.VERIFY_X509_PARTIAL_CHAIN
    return context


def _load_own_certificate(context: ssl.SSLContext, config: MumbleConfig) -> None:
    if not config.certificate_file:
        return
    certificate = _existing(config.certificate_file, "certificate_file")
    key = _existing(config.key_file, "key_file") if config.key_file else None
    try:
        # An empty password, or OpenSSL would ask for one on the terminal.
        context.load_cert_chain(certificate, key, password="")
    except (ssl.SSLError, OSError, ValueError) as error:
        files = f"{certificate} and {key}" if key else f"{certificate}"
        raise ConfigError(
            f"mumble.certificate_file: {files} cannot be used: {error}",
            hint="They must be a certificate and its key in PEM, without a password.",
        ) from error


def _existing(name: str, key: str) -> Path:
    path = Path(name).expanduser()
    if not path.is_file():
        raise ConfigError(
            f"mumble.{key}: there is no file {path}", hint=f"Set mumble.{key}."
        )
    return path
