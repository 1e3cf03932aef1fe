"""How quickly the agent lets itself be interrupted, and by what it does not.

    python -m bench.barge_in [--rounds 5] [--coughs 12] [--json]

Starts an agent (embedded murmurd, the tiny recognizer, echo, espeak-ng) in a process of
its own and talks to it from this one, as `trioagent call` does, over UDP. Each reply is
broken into: by words that mean "stop", and by a cough of 150 ms, each at several
moments of the reply.

`duck_ms` and `stop_ms` are the caller's, from its first interrupting packet to the last
audible packet before the agent fell silent: for the first time, and for good.
`confirmed_ms` is the agent's, from falling silent to giving the reply up. After a cough
the reply is transcribed with the pause taken out and must be all the agent's words,
once.
"""

from __future__ import annotations

import argparse
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
    first,
    journaling_agent,
    settings,
    turns_of,
)
from bench.printing import percentiles, report
from tests.e2e.cough import cough
from trioagent.app import open_recognizer, open_synthesizer
from trioagent.calling.at_once import speak, transcribe
from trioagent.calling.plan import CallPlan
from trioagent.calling.utterances import Utterance
from trioagent.config import Config
from trioagent.configuration.file import load_config
from trioagent.decisions.text import same_words
from trioagent.interfaces import HEARING_RATE_HZ, Recognizer, Synthesizer

WORDS = ("stop", "wait", "no", "never mind", "hold on", "be quiet")
# Their echoes take three to four seconds. They have little in common: who says again
# what the agent said a moment ago is taken for an echo of it.
SENTENCES = (
    "tell me a story about alice and the green door in the garden",
    "book a flight to paris on friday and a table for seven",
    "i would like some soup and bread please and ten apple pizza",
    "please call emma now and open the door in the kitchen tomorrow",
)
FIRST_MOMENT_S, LAST_MOMENT_S = 0.4, 2.6


def moment_s(number: int, count: int) -> float:
    """Where in the reply to break in."""
    return FIRST_MOMENT_S + (LAST_MOMENT_S - FIRST_MOMENT_S) * number / max(1, count)


@attrs.frozen(eq=False)
class Scene:
    """Who talks to the agent, and with what."""

    config: Config
    synthesizer: Synthesizer
    recognizer: Recognizer
    journal: Path

    async def say(self, text: str) -> Utterance:
        pcm = await speak(self.synthesizer, text)
        return Utterance(text, pcm, self.synthesizer.rate_hz, noisy=False)

    async def broken_into(self, number: int, by: Utterance, at_s: float) -> Row:
        """Ask for an echo, break into it; say what became of it."""
        asked = await self.say(SENTENCES[number % len(SENTENCES)])
        before = len(turns_of(self.journal))
        plan = CallPlan(
            utterances=(asked,),
            interruption=by,
            interrupt_at_s=at_s,
            reply_timeout_s=2.0,
        )
        replied, after = await called(self.config, plan)
        heard = np.concatenate([replied.heard, after.heard])
        words = await transcribe(self.recognizer, heard)
        row: Row = {"by": by.said, "at_s": round(at_s, 2), "heard": words}
        row["heard_s"] = round(len(heard) / HEARING_RATE_HZ, 2)
        row |= attrs.asdict(replied.interruption) if replied.interruption else {}
        return row | agents_view(turns_of(self.journal)[before])


def agents_view(turn: list[Row]) -> Row:
    """What the agent's journal says of the reply that was broken into."""
    final, ducked = first(turn, "final"), first(turn, "ducked")
    stopped = first(turn, "interrupted")
    confirmed = stopped["t"] - ducked["t"] if ducked and stopped else None
    return {
        "understood": final["text"] if final else "",
        "ducks": sum(event["name"] == "ducked" for event in turn),
        "restored": sum(event["name"] == "restored" for event in turn),
        "interrupted": stopped is not None,
        "confirmed_ms": confirmed and confirmed * 1000,
    }


async def measure(folder: Path, rounds: int, coughs: int) -> tuple[list[Row], ...]:
    """The rows of all interruptions: by words, and by coughs."""
    overrides = settings(folder)
    with journaling_agent(overrides, folder) as journal:
        config = load_config(None, overrides)
        async with (
            open_synthesizer(config) as synthesizer,
            open_recognizer(config) as recognizer,
        ):
            scene = Scene(config, synthesizer, recognizer, journal)
            spoken = []
            for number in range(rounds * len(WORDS)):
                by = await scene.say(WORDS[number % len(WORDS)])
                at_s = moment_s(number // len(WORDS), rounds)
                spoken.append(await scene.broken_into(number, by, at_s))
            coughing = cough()
            coughed = [
                await scene.broken_into(n, coughing, moment_s(n, coughs))
                for n in range(coughs)
            ]
            return spoken, coughed


def of_words(rows: list[Row]) -> list[Row]:
    """What came of the interruptions, in all and by each word."""
    found = []
    for word in ("", *WORDS):
        some = [row for row in rows if word in ("", row["by"])]
        stopped = sum(row["interrupted"] for row in some)
        times = {
            key: percentiles([row[key] for row in some if row[key] is not None])
            for key in ("duck_ms", "stop_ms", "confirmed_ms")
        }
        said = word or "all"
        found.append({"said": said, "of": len(some), "stopped": stopped, **times})
    return found


def of_coughs(rows: list[Row]) -> Row:
    """What came of the coughs."""
    whole = [
        row
        for row in rows
        if not row["interrupted"] and same_words(row["understood"], row["heard"])
    ]
    ducked = [row["duck_ms"] for row in rows if row["ducks"]]
    return {
        "said": "(a cough)",
        "of": len(rows),
        "stopped": sum(row["interrupted"] for row in rows),
        "duck_ms": percentiles(ducked),
        "went on, whole and not repeated": len(whole),
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--rounds", type=int, default=5, help="of the six words")
    parser.add_argument("--coughs", type=int, default=12, metavar="COUNT")
    parser.add_argument("--verbose", action="store_true", help="print each row")
    parser.add_argument("--json", action="store_true", help="one object per line")
    args = parser.parse_args()
    load = os.getloadavg()[0]
    with tempfile.TemporaryDirectory() as folder:
        spoken, coughed = trio.run(measure, Path(folder), args.rounds, args.coughs)
    if args.verbose:
        for row in spoken + coughed:
            print(row, file=sys.stderr)
    rows = of_words(spoken) if spoken else []
    rows += [of_coughs(coughed)] if coughed else []
    report(rows, conditions(load), as_json=args.json)


if __name__ == "__main__":
    main()
