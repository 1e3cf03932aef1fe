"""What the turns of a room share."""

from __future__ import annotations

import attrs

from trioagent.config import TurnConfig
from trioagent.decisions.history import History
from trioagent.floor import Floor
from trioagent.interfaces import Recognizer, Room
from trioagent.stages.draft import Voice


@attrs.frozen(eq=False)
class Conversation:
    """What all turns of a room share."""

    room: Room
    recognizer: Recognizer
    voice: Voice
    history: History
    floor: Floor
    config: TurnConfig
