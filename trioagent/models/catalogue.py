"""The models that can be pulled by name.

Not one of these files was ever downloaded where this catalogue was written. A checksum
stands here only if several public projects pin the same one
for the same address; a wrong one makes the pull fail, nothing worse. Where they differ,
because a file was replaced, or where there is none, it is left out: such a model is
trusted on first use, and only when the user says so.
"""

from __future__ import annotations

from difflib import get_close_matches
from typing import TYPE_CHECKING

from trioagent.errors import ConfigError
from trioagent.models.recognizers import RECOGNIZERS
from trioagent.models.voices import VOICES

if TYPE_CHECKING:
    from trioagent.models.entry import Model

CATALOGUE: tuple[Model, ...] = RECOGNIZERS + VOICES


def find(name: str, catalogue: tuple[Model, ...] = CATALOGUE) -> Model | None:
    """The model of that name, if there is one."""
    return next((model for model in catalogue if model.name == name), None)


def get(name: str, catalogue: tuple[Model, ...] = CATALOGUE) -> Model:
    """The model of that name.

    Raises:
        ConfigError: there is none; its hint has names that are like it.
    """
    if model := find(name, catalogue):
        return model
    raise ConfigError(f'no model is called "{name}"', hint=suggestion(name, catalogue))


def suggestion(name: str, catalogue: tuple[Model, ...] = CATALOGUE) -> str:
    """What to do about a name that no model has."""
    near = get_close_matches(name, [model.name for model in catalogue], n=3)
    listed = "`trioagent models list` has all names."
    return f"Did you mean {' or '.join(near)}? {listed}" if near else listed
