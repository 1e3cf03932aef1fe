"""Where models lie, and what is in there.

NAME/                  an unpacked model; .trioagent-model.json says what it is of
downloads/             what is being downloaded, and what was put there by hand
trusted/NAME.json      checksums seen first, of models that have none in the catalogue
.locks/                who pulls what now
"""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import TYPE_CHECKING

import attrs
import platformdirs

if TYPE_CHECKING:
    from collections.abc import Mapping

    from trioagent.models.entry import Model, Source

MANIFEST = ".trioagent-model.json"
VARIABLE = "TRIOAGENT_MODELS"
_DOWNLOADS, _TRUSTED = "downloads", "trusted"


def models_folder(environ: Mapping[str, str] = os.environ) -> ModelsFolder:
    """The folder that `TRIOAGENT_MODELS` names, else the user's own."""
    if given := environ.get(VARIABLE, ""):
        return ModelsFolder(Path(given).expanduser().absolute())
    return ModelsFolder(platformdirs.user_data_path("trioagent") / "models")


@attrs.frozen
class ModelsFolder:
    """The folder of all models. It need not exist."""

    root: Path

    def of(self, name: str) -> Path:
        """The folder of one model, whether it is there or not."""
        return self.root / name

    def download_of(self, model: Model, source: Source) -> Path:
        """Where a source is downloaded to, or can be put by hand."""
        return self.root / _DOWNLOADS / f"{model.name}--{source.file_name}"

    def trusted_of(self, model: Model) -> Path:
        """Where the checksums are kept that were seen first."""
        return self.root / _TRUSTED / f"{model.name}.json"

    def lock_of(self, model: Model) -> Path:
        """The file that is locked while the model is pulled."""
        return self.root / ".locks" / model.name

    def is_there(self, name: str) -> bool:
        """Whether it was pulled, or put there by hand."""
        return name not in {_DOWNLOADS, _TRUSTED} and self.of(name).is_dir()

    def damage(self, name: str) -> str:
        """What is wrong with a model that is there; empty: nothing that is seen.

        Compares names and sizes with what was pulled. A folder without a manifest was
        made by hand: nothing is known about it.
        """
        folder = self.of(name)
        try:
            manifest = json.loads((folder / MANIFEST).read_bytes())
            files = {str(path): int(size) for path, size in manifest["files"].items()}
        except FileNotFoundError:
            return ""
        except (
            *(OSError, ValueError, TypeError, KeyError, AttributeError),
            *(OverflowError, RecursionError),  # of numbers and nesting without end
        ):
            return f"{folder / MANIFEST} cannot be read"
        for path, size in files.items():
            try:
                actual = (folder / path).stat().st_size
            except OSError:
                return f"{folder / path} is missing"
            if actual != size:
                return f"{folder / path} has {actual} bytes, not {size}"
        return ""
