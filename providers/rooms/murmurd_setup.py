"""What murmurd reads: its ini file, and the channels in its database.

The odd-looking settings were each found by running murmurd 1.3.4.
"""

from __future__ import annotations

import contextlib
import os
import sqlite3
from pathlib import Path

import attrs

from providers.rooms.server_certificate import ServerCertificate
from trioagent.private import open_private

SERVER_ID = 1
ROOT_CHANNEL_ID = 0


@attrs.frozen(kw_only=True)
class MurmurdSettings:
    """A private Mumble server: where it listens and who may come in."""

    certificate_folder: Path
    """Where its certificate and key are kept from run to run."""
    host: str = "127.0.0.1"
    port: int = 0
    """0 takes any free one."""
    password: str = attrs.field(default="", repr=False)
    certificate_required: bool = False
    superuser_password: str = attrs.field(default="", repr=False)
    channels: tuple[str, ...] = ()
    """Paths of channels it has from the start, "Lobby/Bots"."""


@attrs.frozen
class MurmurdSetup:
    """All that starting the server takes, except for the port."""

    program: str
    folder: Path
    """A private folder for its ini file, database and log."""
    settings: MurmurdSettings
    certificate: ServerCertificate

    @property
    def ini_file(self) -> Path:
        """Where `write_ini` puts the settings."""
        return self.folder / "murmur.ini"

    @property
    def database_file(self) -> Path:
        """Where the server keeps channels and users."""
        return self.folder / "murmur.sqlite"

    @property
    def log_file(self) -> Path:
        """Where its output goes."""
        return self.folder / "murmurd.log"


def write_ini(setup: MurmurdSetup, port: int) -> None:
    """Write the ini file of a server on `port`."""
    settings, certificate = setup.settings, setup.certificate
    values = {
        "database": str(setup.database_file),
        "logfile": "",  # to stderr
        "pidfile": "",
        "host": settings.host,
        "port": str(port),
        "bonjour": "false",
        "serverpassword": settings.password,
        "certrequired": str(settings.certificate_required).lower(),
        "welcometext": "",
        "bandwidth": "130000",
        "users": "200",
        "opusthreshold": "0",  # always Opus
        "rememberchannel": "false",
        "logdays": "-1",  # no log in the database
        # The default bans an address for five minutes after ten quick connections.
        "autobanAttempts": "0",
        "messageburst": "50",
        "messagelimit": "50",
        # In lower case, unlike murmurd's own documentation. Without it the first start
        # measures how many iterations take a second. The database lives as long as
        # the server does, and nobody else can read it.
        "kdfiterations": "1000",
        "sslCert": str(certificate.certificate_file),
        "sslKey": str(certificate.key_file),
    }
    if os.geteuid() == 0:
        # Else it becomes the user mumble-server, who cannot open the database.
        values["uname"] = "root"
    lines = (f"{key}={_quoted(value)}\n" for key, value in values.items())
    with os.fdopen(
        open_private(setup.ini_file, os.O_WRONLY | os.O_TRUNC), "wb"
    ) as file:
        file.write("".join(lines).encode())


def _quoted(value: str) -> str:
    """Return `value` as Qt's ini reader takes it, whatever is in it."""
    escaped = value.replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n")
    return f'"{escaped}"'


def add_channels(setup: MurmurdSetup) -> None:
    """Put the channels into the database, while the server does not run."""
    database = sqlite3.connect(setup.database_file)
    with contextlib.closing(database), database:
        ids: dict[tuple[str, ...], int] = {(): ROOT_CHANNEL_ID}
        _insert(database, ROOT_CHANNEL_ID, None, "Root")
        for path in setup.settings.channels:
            names = tuple(name for name in path.split("/") if name)
            for depth in range(1, len(names) + 1):
                branch, parent = names[:depth], names[: depth - 1]
                if branch not in ids:
                    ids[branch] = len(ids)
                    _insert(database, ids[branch], ids[parent], names[depth - 1])


def _insert(
    database: sqlite3.Connection, channel: int, parent: int | None, name: str
) -> None:
    database.execute(
        "INSERT OR IGNORE INTO channels"
        " (server_id, channel_id, parent_id, name, inheritacl) VALUES (?, ?, ?, ?, 1)",
        (SERVER_ID, channel, parent, name),
    )
