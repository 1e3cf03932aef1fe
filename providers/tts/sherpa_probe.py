"""Loads a voice and speaks a word: the child process that a bad model may end.

`python -m providers.tts.sherpa_probe '{"model": "…"}'`, with `[tts.sherpa]` as JSON.
"""

from __future__ import annotations

import json
import sys

from providers.tts.sherpa import Options
from providers.tts.sherpa_engine import Engine

if __name__ == "__main__":
    Engine(Options(**json.loads(sys.argv[1])))
