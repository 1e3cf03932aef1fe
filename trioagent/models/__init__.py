"""Models by name: a catalogue of what can be pulled, and where it lies once it is.

`resolve` is for the providers: it makes a folder of what a configuration calls a model.
"""

from trioagent.models.errors import ModelError
from trioagent.models.folder import ModelsFolder, models_folder
from trioagent.models.resolving import resolve

__all__ = ["ModelError", "ModelsFolder", "models_folder", "resolve"]
