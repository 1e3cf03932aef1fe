"""Some twenty turns of all kinds, recorded on a real server.

`python -m tests.e2e.recorded_turns FOLDER` makes the recordings that are kept in
tests/recordings; a test makes its own.
"""

from __future__ import annotations

import argparse
import os
import tempfile
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import trio

from tests.e2e.agents import agent_config, converse, running_agent
from tests.e2e.cough import cough
from tests.e2e.sse_server import Answer, open_sse_server, says
from tests.helpers_speech import TINY_MODEL
from trioagent.app import open_synthesizer
from trioagent.calling.at_once import speak
from trioagent.calling.utterances import Utterance

if TYPE_CHECKING:
    from trioagent.calling.plan import CallResult
    from trioagent.config import Config

TALE = "i live in london and the meeting with bob is on monday. good morning"
REPLIES = {
    "story": says(TALE, first_s=0.1, token_s=0.02),
    "weather": says("it is cold in paris", first_s=0.25, token_s=0.03),
    # What language models do when they fail.
    "flight": Answer(status=500, error={"error": {"message": "out of memory"}}),
    "coffee": Answer(pieces=((0.1, "i would "), (0.1, "like ")), ending="cut"),
}
PLAIN = (
    "hello can you hear me",
    "turn on the light",
    "is it cold in berlin",
    "open the window",
    "good morning",
)
PAUSE_S = 0.45


def _answer(body: dict[str, Any]) -> Answer:
    asked = str(body["messages"][-1]["content"])
    for word, reply in REPLIES.items():
        if word in asked:
            return reply
    return says("okay", first_s=0.05)


async def record_turns(folder: Path, **more: object) -> list[CallResult]:
    """Talk to an agent that records into `folder`; return what its callers heard."""
    async with open_sse_server(_answer) as server:
        settings: dict[str, object] = {
            "llm__providers": ["openai"],
            "llm__openai__base_url": server.url,
            "recording__folder": str(folder),
            **more,
        }
        with tempfile.TemporaryDirectory() as scratch:
            config = agent_config(Path(scratch), **settings)
            async with running_agent(config):
                results = await _talk(config)
                # Until the last recording is written.
                await trio.sleep(1.0)
            return results


async def _talk(config: Config) -> list[CallResult]:
    results = await converse(config, *PLAIN, release="voice")
    say = partial(converse, config, reply_gap_s=0.5)
    results += await say("what is the weather", "turn off the radio", release="ptt")
    results += await say("is it cold in rome", "close the door", release="none")
    story = partial(say, "tell me a story")
    results += await story(interrupt_with="stop", interrupt_at_s=0.6)
    results += await story(interrupt_with="no what time is it", interrupt_at_s=1.2)
    results += await story(interrupt_with="okay", interrupt_at_s=0.8)
    results += await story(interrupt_with=cough(), interrupt_at_s=0.7)
    results += await say("book a flight to paris", "i would like some coffee")
    results += await _with_a_pause(config)
    async with trio.open_nursery() as nursery:
        # At once, as another user: one of them has to wait.
        nursery.start_soon(partial(say, "good morning", user="bob"))
        results += await say("what is the weather in london", user="alice")
    return results


async def _with_a_pause(config: Config) -> list[CallResult]:
    """Somebody thinks in the middle of a sentence."""
    async with open_synthesizer(config) as synthesizer:
        rate_hz = synthesizer.rate_hz
        parts = [await speak(synthesizer, text) for text in ("turn on the", "radio")]
    pause = np.zeros(round(PAUSE_S * rate_hz), np.int16)
    pcm = np.concatenate([parts[0], pause, parts[1]])
    utterance = Utterance("turn on the … radio", pcm, rate_hz, noisy=False)
    return await converse(config, utterance, reply_gap_s=0.5)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--set", dest="overrides", action="append", default=[])
    args = parser.parse_args()
    with tempfile.TemporaryDirectory() as state:
        # The embedded server's certificate is kept there.
        os.environ["XDG_STATE_HOME"] = state
        # Paths are recorded, too: none of this machine's.
        own = {
            "asr__model": os.path.relpath(TINY_MODEL),
            "journal__latency_file": "",
        }
        for result in trio.run(partial(record_turns, args.folder, **own)):
            print(result.to_json())  # noqa: T201 - what was asked for


if __name__ == "__main__":
    main()
