"""The design's rules, checked on all that was seen of an agent."""

from __future__ import annotations

import itertools
from typing import TYPE_CHECKING

import numpy as np

from trioagent.decisions.text import same_words
from trioagent.interfaces import FRAME_S
from trioagent.journal.latency import metrics
from trioagent.journal.ledger import ledger

if TYPE_CHECKING:
    from tests.fuzz_stage import Seen, Stage

GAP_S = FRAME_S - 1e-4


def check_rules(stage: Stage) -> None:
    stage.note_written()
    for turn in stage.turns:
        events = stage.events(turn)
        names = [seen.event.name for seen in events]
        assert names.count("outcome") == 1
        assert names[-1] == "outcome"
        assert names.count("first_frame") <= 1, "two replies of one turn sounded"
        check_words(events)
        check_ledger(events)
        check_silence_while_ducked(stage, events)
        check_history(stage, turn)
    check_one_at_a_time(stage)
    check_pace(stage)


def check_words(events: list[Seen]) -> None:
    """Rule 1: what sounded was made from the final transcript."""
    final, drafts = None, {}
    for event in (seen.event for seen in events):
        match event.name:
            case "final":
                final = event.data["text"]
            case "draft_started":
                drafts[event.data["draft"]] = event.data
            case "first_frame":
                draft = drafts[event.data["draft"]]
                if draft["cause"] != "failure":
                    assert final is not None
                    assert same_words(draft["text"], final)


def check_ledger(events: list[Seen]) -> None:
    """Rule 7: every wait until the first frame is charged, once."""
    journal = [seen.event for seen in events]
    total_ms = metrics(journal)["total_ttfa_ms"]
    charges = ledger(journal)
    if total_ms is None or charges is None:
        assert total_ms is charges is None
        return
    assert all(charge >= 0 for charge in charges.values())
    assert abs(sum(charges.values()) - total_ms) < 1e-5


def check_silence_while_ducked(stage: Stage, events: list[Seen]) -> None:
    """While it holds its breath, no frame but the one that fades out, if it sounded."""
    starts, ends = sounded(events)
    for seen, then in itertools.pairwise(_holds(events)):
        if seen.event.name == "ducked":
            since, until = max(seen.frames, starts), min(then.frames, ends)
            frames = stage.room.frames[since:until]
            assert len(frames) <= int(seen.frames > starts)
            assert all(frame.last for frame in frames)


def _holds(events: list[Seen]) -> list[Seen]:
    kinds = ("ducked", "restored", "interrupted", "last_frame", "outcome")
    return [seen for seen in events if seen.event.name in kinds]


def sounded(events: list[Seen]) -> tuple[int, int]:
    """Which frames are this turn's: from the first one to where it must end."""
    first = next((s for s in events if s.event.name == "first_frame"), None)
    if first is None:
        return 0, 0
    stops = ("last_frame", "interrupted", "outcome")
    last = next(s for s in events if s.event.name in stops)
    return first.frames, last.frames


def check_one_at_a_time(stage: Stage) -> None:
    """Rule 2: each frame is of the one turn that sounds; none after its end."""
    spans = sorted(sounded(stage.events(turn)) for turn in stage.turns)
    spans = [span for span in spans if span != (0, 0)]
    edges = [0, *itertools.chain(*spans), len(stage.room.frames)]
    assert edges == sorted(edges), "two replies at a time"
    pairs = zip(edges[::2], edges[1::2], strict=True)
    assert all(a == b for a, b in pairs), "nobody's frame"


def check_history(stage: Stage, turn: int) -> None:
    """Rule 3: the words that went out are in it, but for the one that was cut."""
    events = stage.events(turn)
    start, end = sounded(events)
    if turn not in stage.written:
        kinds = [seen.event.data["kind"] for seen in events[-1:]]
        finals = [s.event.data["text"] for s in events if s.event.name == "final"]
        assert start == end or not any(finals) or kinds == ["ignored"]
        return
    exchange = stage.agent.history.exchanges[stage.written[turn]]
    assert exchange.said in [s.event.data.get("text") for s in events]
    frames = [frame.pcm for frame in stage.room.frames[start:end]]
    played = stage.vocabulary.read(np.concatenate(frames)) if frames else ""
    heard = [word for word, _ in itertools.groupby(exchange.heard.split())]
    left = iter(played.split())
    assert all(word in left for word in heard), (heard, played)
    # A phrase that failed is cut, too.
    failed = sum(seen.event.name == "provider_failed" for seen in events)
    assert len(played.split()) - len(heard) <= 1 + failed, (heard, played)


def check_pace(stage: Stage) -> None:
    """A frame each 20 ms, never a burst."""
    for turn in stage.turns:
        start, end = sounded(stage.events(turn))
        times = [frame.time for frame in stage.room.frames[start:end]]
        assert all(b - a >= GAP_S for a, b in itertools.pairwise(times))
