"""The colours of waits and files, the same in the terminal and on pages.

Any two waits differ for people who see no red, no green or no blue, neighbours in the
causal order most of all, and each stands out from a light and from a dark ground;
tests/test_latency_palette.py measures it. What is heard is blue, what the language
model does orange and brown, the synthesizer green, playback pink to khaki, the agent
grey.
"""

from __future__ import annotations

WAIT_COLOURS = {
    "endpoint_hold_ms": "#105690",
    "recognizer_tail_ms": "#0FA3F8",
    "llm_first_token_ms": "#EF6214",
    "first_phrase_ms": "#7B4502",
    "synthesis_ms": "#4F986B",
    "prebuffer_ms": "#FCA7D6",
    "floor_ms": "#BE5BB5",
    "pacing_ms": "#BCBB6F",
    "agent_overhead_ms": "#666C6F",
}

# The first file is what the others are compared with.
FILE_COLOURS = ("#4C7DF0", "#D6406F", "#2A9D8F", "#9A6BD0")
BETTER = "#2E9E6B"
WORSE = "#D9534F"

GROUNDS = {"light": "#FFFFFF", "dark": "#15181E"}


def file_colour(index: int) -> str:
    """The colour of the file with this index, from 0."""
    return FILE_COLOURS[index % len(FILE_COLOURS)]
