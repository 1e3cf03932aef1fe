"""Providers by name: what the installed packages offer through their entry points."""

from __future__ import annotations

from importlib import metadata
from typing import Any, Literal

from trioagent.configuration.problems import did_you_mean
from trioagent.errors import ConfigError
from trioagent.plugins import Provider

Kind = Literal["rooms", "vad", "asr", "llm", "tts"]


def provider_names(kind: Kind) -> tuple[str, ...]:
    """Return the names of the installed providers, sorted. Imports none of them."""
    return tuple(sorted(metadata.entry_points(group=f"trioagent.{kind}").names))


def provider(kind: Kind, name: str) -> Provider[Any, Any]:
    """Import the provider called `name`.

    Raises:
        ConfigError: there is none, there are two, or it cannot be imported.
    """
    found = tuple(metadata.entry_points(group=f"trioagent.{kind}", name=name))
    if not found:
        known = provider_names(kind)
        raise ConfigError(
            f'no {kind} provider is called "{name}"{did_you_mean(name, known)}',
            hint=f"installed: {', '.join(known) or 'none'}",
        )
    if len(found) > 1:
        packages = " and ".join(sorted(_package(entry) for entry in found))
        raise ConfigError(
            f'the {kind} provider "{name}" comes from several packages: {packages}',
            hint="Uninstall all but one of them.",
        )
    return _load(kind, found[0])


def _load(kind: Kind, entry: metadata.EntryPoint) -> Provider[Any, Any]:
    what = f'the {kind} provider "{entry.name}" ({entry.value}, {_package(entry)})'
    try:
        loaded = entry.load()
    except Exception as error:  # a foreign module: anything
        raise ConfigError(
            f"{what} cannot be imported: {type(error).__name__}: {error}",
            hint="Install what is missing, or choose another provider: "
            f"{', '.join(n for n in provider_names(kind) if n != entry.name)}",
        ) from error
    if not isinstance(loaded, Provider):
        raise ConfigError(
            f"{what} is no trioagent.plugins.Provider but a {type(loaded).__name__}",
            hint="This is a mistake in the package that offers it.",
        )
    return loaded


def _package(entry: metadata.EntryPoint) -> str:
    return f"package {entry.dist.name}" if entry.dist else "unknown package"
