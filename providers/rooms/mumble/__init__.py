"""Mumble, natively on Trio: no threads, no protobuf package, voice over UDP."""

from providers.rooms.mumble.room import open_mumble
from trioagent.config import MumbleConfig
from trioagent.plugins import Provider

PROVIDER = Provider(options=MumbleConfig, open=open_mumble)
