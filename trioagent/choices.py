"""Which providers a configuration chooses, and the options it gives them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import attrs

from trioagent.configuration.file import structure_options
from trioagent.errors import ConfigError
from trioagent.plugins import Provider
from trioagent.registry import Kind, provider

if TYPE_CHECKING:
    from trioagent.config import AsrConfig, Config

# What `asr.provider = "auto"` tries, best first.
AUTO_RECOGNIZERS = ("sherpa", "pocketsphinx")


@attrs.frozen(eq=False)
class Choice:
    """A provider, and its options as the provider's own class."""

    provider: Provider[Any, Any]
    options: Any


def choice(config: Config, kind: Kind, name: str) -> Choice:
    """The provider of this name with the options that `config` gives it.

    Raises:
        ConfigError: there is none of that name, or it refuses its options.
    """
    found = provider(kind, name)
    if kind == "asr":
        return Choice(found, _recognizer_options(config.asr, name, found))
    if kind == "rooms":
        return Choice(found, config.mumble)
    table = getattr(config, kind).options.get(name, {})
    return Choice(found, structure_options(found.options, table, f"{kind}.{name}"))


def choose_recognizer(config: AsrConfig) -> str:
    """The name of the recognizer that `config` asks for.

    Raises:
        ConfigError: "auto", and none can be used on this machine.
    """
    if config.provider != "auto":
        return config.provider
    reasons = []
    for name in AUTO_RECOGNIZERS:
        found = provider("asr", name)
        reason = found.unavailable(_recognizer_options(config, name, found))
        if reason is None:
            return name
        reasons.append(f"{name}: {reason}")
    raise ConfigError(
        'asr.provider = "auto": no recognizer can be used:\n  ' + "\n  ".join(reasons),
        hint="docs/models.md says how to get one",
    )


def check_choices(config: Config) -> None:
    """Look at every provider that `config` names, before any is opened.

    Raises:
        ConfigError: there is none of that name, or it refuses its options.
    """
    choice(config, "rooms", config.mumble.client)
    choice(config, "vad", config.vad.provider)
    choice(config, "tts", config.tts.provider)
    for name in config.llm.providers:
        choice(config, "llm", name)
    choice(config, "asr", choose_recognizer(config.asr))


def _recognizer_options(config: AsrConfig, name: str, found: Provider[Any, Any]) -> Any:  # noqa: ANN401 - the provider's own class
    """The provider's options; `asr.model` is its `model`, where it takes one."""
    table = dict(config.options.get(name, {}))
    takes_model = "model" in attrs.fields_dict(found.options)
    if config.model and takes_model:
        table.setdefault("model", config.model)
    elif config.model and config.provider == name:
        raise ConfigError(
            f"asr.model: the recognizer {name!r} loads no model folder",
            hint='remove the key, or choose provider = "sherpa"',
        )
    return structure_options(found.options, table, f"asr.{name}")
