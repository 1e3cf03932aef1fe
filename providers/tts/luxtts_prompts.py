"""Encoded recordings, kept on disk by the content of the recording.

To encode one takes a speech recognizer and seconds; the voice seldom changes.
"""

from __future__ import annotations

import logging
import pickle
from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING, Any

import platformdirs

from trioagent.private import private_folder

if TYPE_CHECKING:
    from types import ModuleType

_log = logging.getLogger(__name__)


class PromptCache:
    """A folder of encoded recordings. What it cannot do, it leaves; it never raises."""

    def __init__(self, folder: str) -> None:
        default = platformdirs.user_cache_path("trioagent") / "luxtts"
        self._folder = Path(folder).expanduser() if folder else default

    def get(self, name: str, device: str) -> Any | None:  # noqa: ANN401 - torch's values
        """The encoded recording of this name, on `device`; None if there is none."""
        torch = _torch()
        path = self._path(name)
        if torch is None or not path.is_file():
            return None
        try:
            # Tensors and numbers only: nothing in the file is run.
            return torch.load(path, map_location=device, weights_only=True)
        except (OSError, RuntimeError, EOFError, pickle.UnpicklingError) as error:
            _log.warning("luxtts: %s is broken, and made anew: %s", path, error)
            return None

    def put(self, name: str, prompt: Any) -> None:  # noqa: ANN401 - torch's values
        """Keep `prompt`; half a file is never seen."""
        torch = _torch()
        if torch is None:
            return
        path = self._path(name)
        half = path.with_suffix(".part")
        try:
            private_folder(self._folder)
            torch.save(prompt, half)
            half.replace(path)
        except (OSError, RuntimeError, pickle.PicklingError) as error:
            _log.warning("luxtts: %s cannot be written: %s", path, error)

    def _path(self, name: str) -> Path:
        return self._folder / f"{name}.pt"


def _torch() -> ModuleType | None:
    """LuxTTS brings it; heavy."""
    try:
        return import_module("torch")
    except ImportError:
        return None
