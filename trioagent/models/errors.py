"""What goes wrong while a model is pulled."""

from __future__ import annotations

from trioagent.errors import TrioagentError


class ModelError(TrioagentError):
    """A model could not be pulled; what was there before is still there."""
