"""What tests of the configuration share."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

import pytest

from trioagent.configuration.file import load_config
from trioagent.errors import ConfigError

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path


def refusal(
    path: Path | None, *overrides: str, environ: Mapping[str, str] = os.environ
) -> list[str]:
    """Load what cannot be loaded; return the lines of the message."""
    with pytest.raises(ConfigError) as caught:
        load_config(path, overrides, environ)
    return caught.value.message.split("\n")
