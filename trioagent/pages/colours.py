"""The colours of a recording's page; waits have those of `latencies.palette`.

As there, what is heard is blue, the language model orange, the synthesizer green and
what is played pink. Each is seen on a light and on a dark ground.
"""

from __future__ import annotations

HEARD = "#3D8FD9"
DETECTOR = "#8A94A3"
RECOGNIZER = "#6A7FDB"
MODEL = "#EF6214"
SYNTHESIZER = "#4F986B"
SPOKEN = "#BE5BB5"
FRAME = "rgba(190, 91, 181, 0.65)"
TURN = "#7A8494"
GOOD = "#2E9E6B"
BAD = "#D9534F"
WARNING = "#C98A1B"
DISCARDED = "#8A94A3"


def pale(colour: str, opacity: float) -> str:
    """A #RRGGBB colour, see-through."""
    red, green, blue = (int(colour[i : i + 2], 16) for i in (1, 3, 5))
    return f"rgba({red}, {green}, {blue}, {opacity})"
