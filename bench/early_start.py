"""What an early start gains with a language model that takes its time.

    python -m bench.early_start [--first-token-ms 300] [--token-ms 15]
        [--requests] [--set turn.min_hold_ms=400]

Starts a chat server whose first token takes so long, and, for each of `[turn]
early_start` = off, pause, prefix, an agent (embedded murmurd, the tiny recognizer,
espeak-ng) in a process of its own. A caller asks it questions whose last words come
after a pause of 350 ms, with voice activation.

What is printed: `ttfa_ms` by the caller's clock, from its last packet with speech to
the first of the reply; over all replies that sounded, how many were made from other
words than the final ones; and how many answered only a part of a question, because the
agent took the pause for its end.
"""

from __future__ import annotations

import argparse
import json
import os
import sys
import tempfile
from pathlib import Path

import attrs
import numpy as np
import trio

from bench.agents import (
    Row,
    called,
    conditions,
    journaling_agent,
    quantiles,
    settings,
    started,
    turns_of,
)
from trioagent.app import open_synthesizer
from trioagent.calling.at_once import speak
from trioagent.calling.plan import CallPlan
from trioagent.calling.utterances import Utterance, speech_frames
from trioagent.configuration.file import load_config
from trioagent.decisions.text import same_words, words_of
from trioagent.interfaces import FRAME_S, Pcm, Synthesizer

PAUSE_S = 0.35
REPLY = "that is right. thank you very much."
# What stands before the pause is a question by itself: `min_hold_ms` of silence end it.
QUESTIONS = (
    ("what is the weather", "in london tomorrow"),
    ("what is the weather like", "in paris"),
    ("will it rain", "in rome today"),
    ("can i have some coffee", "please"),
    ("is it cold", "in berlin"),
    ("what time is it", "in tokyo"),
    ("what is seven", "plus five"),
    ("when is the meeting", "with alice"),
    ("can you help me", "please"),
    ("can you tell me a story", "about bob"),
)
# Here nothing tells; `hold_ms` end it.
REQUESTS = (
    ("tell me the time", "in london"),
    ("tell me a story", "about bob"),
    ("book a flight", "to paris on friday"),
    ("turn on the light", "in the kitchen"),
    ("set a timer", "for ten minutes"),
    ("call alice", "tomorrow"),
    ("play music", "in the bedroom"),
    ("book a table", "for seven on monday"),
    ("turn off the radio", "in the office"),
    ("remind me to call david", "tomorrow"),
)
MODES = ("off", "pause", "prefix")

Questions = tuple[tuple[str, str], ...]


def trimmed(pcm: Pcm, rate_hz: int) -> Pcm:
    """Without the silence around it."""
    (where,) = np.nonzero(speech_frames(pcm, rate_hz, noisy=False))
    size = round(rate_hz * FRAME_S)
    return pcm[where[0] * size : (where[-1] + 1) * size]


async def asked(synthesizer: Synthesizer, parts: tuple[str, str]) -> Utterance:
    """The question with its pause."""
    rate_hz = synthesizer.rate_hz
    begun, rest = [trimmed(await speak(synthesizer, p), rate_hz) for p in parts]
    pause = np.zeros(round(PAUSE_S * rate_hz), np.int16)
    pcm = np.concatenate([begun, pause, rest])
    return Utterance(" … ".join(parts), pcm, rate_hz, noisy=False)


async def converse(overrides: list[str], texts: Questions) -> list[Row]:
    """Ask all questions; return what the caller measured."""
    config = load_config(None, overrides)
    async with open_synthesizer(config) as synthesizer:
        questions = [await asked(synthesizer, parts) for parts in texts]
    plan = CallPlan(utterances=tuple(questions))
    return [result.to_json() for result in await called(config, plan)]


@attrs.frozen
class Committed:
    """A reply that was spoken: the words it was made from, and the final ones."""

    cause: str
    text: str
    final: str


def committed(turn: list[Row]) -> list[Committed]:
    """The replies of a turn that sounded."""
    found, final = [], ""
    started_as: dict[int, Row] = {}
    for event in turn:
        if event["name"] == "final":
            final = event["text"]
        elif event["name"] == "draft_started":
            started_as[event["draft"]] = event
        elif event["name"] == "first_frame":
            draft = started_as[event["draft"]]
            found.append(Committed(draft["cause"], draft["text"], final))
    return found


def report(
    mode: str, rows: list[Row], turns: list[list[Row]], texts: Questions
) -> None:
    times = [row["ttfa_ms"] for row in rows if row["ttfa_ms"] is not None]
    replies = [reply for turn in turns for reply in committed(turn)]
    causes = [reply.cause for reply in replies]
    other = [reply for reply in replies if not same_words(reply.text, reply.final)]
    whole = {text_key(" ".join(parts)) for parts in texts}
    parts = [reply.final for reply in replies if text_key(reply.final) not in whole]
    drafts = sum(event["name"] == "draft_started" for t in turns for event in t)
    print(f"{mode}: ttfa_ms {quantiles(times)} of {len(rows)}")
    spoken = ", ".join(f"{causes.count(c)} {c}" for c in sorted(set(causes)))
    print(f"  drafts: {drafts}; spoken: {spoken}")
    print(f"  made from other than the final words: {len(other)} of {len(replies)}")
    print(f"  to something else than a whole question: {len(parts)} {parts}")


def text_key(text: str) -> str:
    return " ".join(words_of(text))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--first-token-ms", type=float, default=300.0)
    parser.add_argument("--token-ms", type=float, default=15.0)
    parser.add_argument("--modes", nargs="+", choices=MODES, default=MODES)
    parser.add_argument(
        "--requests", action="store_true", help="requests instead of questions"
    )
    parser.add_argument(
        "--set", action="append", default=[], metavar="KEY=VALUE", help="the agent's"
    )
    parser.add_argument("--verbose", action="store_true", help="print each event")
    args = parser.parse_args()
    texts = REQUESTS if args.requests else QUESTIONS
    load = os.getloadavg()[0]
    server = ["-m", "tests.e2e.sse_server", "--reply", REPLY]
    server += ["--first-token-ms", str(args.first_token_ms)]
    server += ["--token-ms", str(args.token_ms)]
    for mode in args.modes:
        with (
            tempfile.TemporaryDirectory() as name,
            started(server, Path(name) / "server.log") as url,
        ):
            folder = Path(name)
            llm = {"llm__providers": ["openai"], "llm__openai__base_url": url}
            overrides = settings(folder, turn__early_start=mode, **llm) + args.set
            with journaling_agent(overrides, folder) as journal:
                rows = trio.run(converse, overrides, texts)
            turns = turns_of(journal)
        report(mode, rows, turns, texts)
        if args.verbose:
            for line in [*rows, *(event for turn in turns for event in turn)]:
                print(json.dumps(line))
    print(conditions(load))


if __name__ == "__main__":
    sys.exit(main())
