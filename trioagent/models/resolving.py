"""From what a configuration calls a model to the folder that has it."""

from __future__ import annotations

from pathlib import Path

from trioagent.errors import ConfigError, ProviderUnavailable
from trioagent.models.catalogue import find, suggestion
from trioagent.models.folder import ModelsFolder, models_folder


def resolve(name_or_path: str, folder: ModelsFolder | None = None) -> Path:
    """The folder of a model, given by its name in the catalogue or by a path.

    A text with a "/" in it, or that starts with "~" or ".", is a path. Other texts are
    looked up among the pulled models first; what is no model's name may still be a
    folder in the working directory. What is in the folder is the provider's to check.

    Raises:
        ProviderUnavailable: the model was not pulled or is damaged, or there is no such
            folder.
        ConfigError: it is neither the name of a model nor a folder.
    """
    folder = folder or models_folder()
    path = Path(name_or_path).expanduser()
    if not name_or_path or "/" in name_or_path or name_or_path.startswith((".", "~")):
        return _checked(path, name_or_path)
    if folder.is_there(name_or_path):
        return _undamaged(name_or_path, folder)
    if find(name_or_path):
        raise ProviderUnavailable(
            f'the model "{name_or_path}" is not in {folder.root}',
            hint=f"trioagent models pull {name_or_path}",
        )
    if path.is_dir():
        return path
    raise ConfigError(
        f'"{name_or_path}" is neither the name of a model nor a folder',
        hint=suggestion(name_or_path),
    )


def _checked(path: Path, given: str) -> Path:
    if not given:
        raise ConfigError(
            "no model is given", hint="`trioagent models list` has names."
        )
    if path.is_dir():
        return path
    raise ProviderUnavailable(
        f"{path}: there is no such folder",
        hint="Give the folder of a model, or a name from `trioagent models list`.",
    )


def _undamaged(name: str, folder: ModelsFolder) -> Path:
    if damage := folder.damage(name):
        raise ProviderUnavailable(
            f'the model "{name}" is damaged: {damage}',
            hint=f"trioagent models pull {name} --again",
        )
    return folder.of(name)
