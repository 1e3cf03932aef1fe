"""Everything that trioagent raises on purpose.

    TrioagentError
    ├── ConfigError          the configuration is wrong: exit status 2
    ├── RoomError            the room cannot be joined
    │   ├── RoomUnreachable    nobody there, or no Mumble server: worth another try
    │   └── RoomRejected       the server, or we, said no: final
    └── ProviderError        a model failed: spoken about or skipped, never fatal
        └── ProviderUnavailable  it cannot be used at all: missing, down, refused

A message names the file, key or host; `hint` says what to do. Foreign exceptions are
translated once, where the provider meets them.
"""

from __future__ import annotations

from typing import TypeVar

ErrorT = TypeVar("ErrorT", bound=BaseException)


class TrioagentError(Exception):
    """Base of all errors that trioagent raises on purpose."""

    def __init__(self, message: str, *, hint: str = "") -> None:
        super().__init__(message)
        self.message = message
        self.hint = hint

    def __str__(self) -> str:
        return f"{self.message}\n  {self.hint}" if self.hint else self.message


class ConfigError(TrioagentError):
    """The configuration, or the command line, cannot be used."""


class RoomError(TrioagentError):
    """The room cannot be joined."""


class RoomUnreachable(RoomError):
    """There is no room at this address now; it may come back."""


class RoomRejected(RoomError):
    """The room refused us, or we refused it. Trying again would not help."""


class ProviderError(TrioagentError):
    """A model or service failed at what it was asked for."""


class ProviderUnavailable(ProviderError):
    """A model or service cannot be used at all: missing, broken or out of reach."""


def own_errors(error: BaseException) -> list[TrioagentError]:
    """The errors of ours that `error` consists of; raises it again if not only."""
    if isinstance(error, TrioagentError):
        return [error]
    if not isinstance(error, BaseExceptionGroup):
        raise error
    return [own for part in error.exceptions for own in own_errors(part)]


def first_error(group: BaseExceptionGroup[ErrorT]) -> ErrorT:
    """The first error in a group, however deep."""
    leaf = group.exceptions[0]
    return first_error(leaf) if isinstance(leaf, BaseExceptionGroup) else leaf
