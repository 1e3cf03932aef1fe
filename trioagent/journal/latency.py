"""What a turn's events cost: the metrics that users of voice agents know.

Written as one JSON object per turn into `latency.jsonl`, and as one log line. Numbers
named `_ms` are milliseconds; a key whose events did not happen is null.
"""

from __future__ import annotations

import json
import logging
from contextlib import asynccontextmanager
from pathlib import Path
from typing import TYPE_CHECKING

import attrs

from trioagent.config import JournalConfig
from trioagent.journal.latency_file import LatencyFile
from trioagent.journal.ledger import ledger, until_first_frame

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Mapping, Sequence

    from trioagent.journal.events import Event, TurnJournal

log = logging.getLogger("trioagent.turn")

Metrics = dict[str, float | None]


def metrics(events: Sequence[Event]) -> Metrics:
    """The latencies of one turn.

    vad_duration_ms: last speech → the decision that the turn is over.
    asr_ms: that decision → the final transcript.
    llm_ttft_ms, llm_total_ms: the spoken draft's request → first token, last token.
    tts_ttfa_ms: its first phrase → first audio from the synthesizer.
    draft_lead_ms: how long before the final transcript the spoken draft was begun.
    total_ttfa_ms: last speech → first frame written to the room.
    total_turn_ms: the turn's first sound → its outcome.
    """
    ended = _last(until_first_frame(events), "speech_ended")
    final = _last(events, "final")
    first_frame = _last(events, "first_frame")
    draft = first_frame.data["draft"] if first_frame else None
    of_draft = [e for e in events if draft is not None and e.data.get("draft") == draft]
    started = _first(of_draft, "draft_started")
    last_speech = ended.data["last_speech"] if ended else None
    ended_at = ended.t if ended else None
    started_at = started.t if started else None
    return {
        "vad_duration_ms": _ms(last_speech, ended),
        "asr_ms": _ms(ended_at, final),
        "llm_ttft_ms": _ms(started_at, _first(of_draft, "llm_first_token")),
        "llm_total_ms": _ms(started_at, _first(of_draft, "llm_done")),
        "tts_ttfa_ms": _ms(
            _time(_first(of_draft, "phrase")), _first(of_draft, "tts_first_audio")
        ),
        "draft_lead_ms": _ms(started_at, final),
        "total_ttfa_ms": _ms(last_speech, first_frame),
        "total_turn_ms": _ms(0.0, _last(events, "outcome")),
    }


def counts(events: Sequence[Event]) -> dict[str, int]:
    """How many drafts were made and discarded, with their tokens, and underruns."""
    discarded = [e for e in events if e.name == "draft_discarded"]
    names = [e.name for e in events]
    return {
        "drafts": names.count("draft_started"),
        "drafts_discarded": len(discarded),
        "tokens_discarded": sum(e.data["tokens"] for e in discarded),
        "underruns": names.count("underrun"),
    }


def stale_ms(events: Sequence[Event]) -> float | None:
    """How long a reply still sounded after it was interrupted."""
    interrupted, cut_off = _last(events, "interrupted"), _last(events, "cut_off")
    if interrupted is None or cut_off is None:
        return None
    return _rounded(max(0.0, cut_off.data["until"] - interrupted.t) * 1000)


def usage(events: Sequence[Event]) -> dict[str, int] | None:
    """What the turn's replies cost together, in tokens, where the server says.

    Of a discarded draft that was cut short nobody says it.
    """
    costs = [e.data["usage"] for e in events if e.data.get("usage")]
    keys = dict.fromkeys(key for cost in costs for key in cost)
    return {key: sum(cost.get(key, 0) for cost in costs) for key in keys} or None


def queues(peaks: Mapping[str, float]) -> dict[str, float]:
    """The most that ever waited on the way, and what found no room.

    packets: heard, for the recognizer (those from before the onset come all at once).
    tokens: of the language model, to be cut into phrases.
    audio_ms: synthesized, in the jitter buffer.
    dropped: packets that the turn took too late.
    """
    names = ("packets", "tokens", "audio_ms", "dropped")
    return {name: _rounded(peaks.get(name, 0)) for name in names}


@attrs.define(eq=False)
class LatencyLog:
    """An observer that writes one line per turn; `path` None writes only the log.

    A file that cannot be written (a full disk) is reported once, and tried again.
    """

    path: Path | None
    transcripts: bool = False
    """Whether the log line shows what was said."""
    config: JournalConfig = attrs.Factory(JournalConfig)
    """How large and old the file may be."""
    agent: str = ""
    """Whose turns they are, for the lines; empty says nothing."""
    file: LatencyFile | None = None
    """Several agents may write into one. It can be asked to forget somebody."""
    _failing: bool = False

    def __attrs_post_init__(self) -> None:
        if self.file is None and self.path:
            self.file = LatencyFile(self.path, self.config)

    def __call__(self, journal: TurnJournal, event: Event) -> None:
        """Take an event; the last one of a turn writes its line."""
        if event.name != "outcome":
            return
        events = journal.events
        measured, charges = metrics(events), ledger(events)
        self._log(journal, event, measured)
        self._write(
            {
                "turn": journal.number,
                "time": journal.label,
                **({"agent": self.agent} if self.agent else {}),
                "speaker": journal.speaker,
                "outcome": event.data["kind"],
                **measured,
                **counts(events),
                "stale_ms": stale_ms(events),
                "queues": queues(journal.peaks),
                "usage": usage(journal.events),
                "ledger": charges and {k: _rounded(v) for k, v in charges.items()},
            }
        )

    @asynccontextmanager
    async def kept_short(self) -> AsyncIterator[None]:
        """Keep the file within its limits meanwhile."""
        if self.file is None:
            yield
            return
        async with self.file.kept_short():
            yield

    def _log(self, journal: TurnJournal, outcome: Event, measured: Metrics) -> None:
        said = _last(journal.events, "final")
        text = f" {said.data['text']!r}" if said and self.transcripts else ""
        log.info(
            "turn %d %s %s%s TTFA=%s ASR=%s LLM=%s TTS=%s",
            journal.number,
            journal.speaker,
            outcome.data["kind"],
            text,
            *(
                "-" if measured[key] is None else f"{measured[key]:.0f}ms"
                for key in ("total_ttfa_ms", "asr_ms", "llm_ttft_ms", "tts_ttfa_ms")
            ),
        )

    def _write(self, line: dict[str, object]) -> None:
        if self.file is None:
            return
        try:
            self.file.append(json.dumps(line, ensure_ascii=False))
        except OSError as error:
            if not self._failing:
                log.warning("cannot write %s: %s", self.path, error)
            self._failing = True
        else:
            self._failing = False


def _first(events: Sequence[Event], name: str) -> Event | None:
    return next((e for e in events if e.name == name), None)


def _last(events: Sequence[Event], name: str) -> Event | None:
    return _first(tuple(reversed(events)), name)


def _time(event: Event | None) -> float | None:
    return None if event is None else event.t


def _ms(start: float | None, end: Event | None) -> float | None:
    if start is None or end is None:
        return None
    return _rounded((end.t - start) * 1000)


def _rounded(value: float) -> float:
    """Fine enough that the ledger's numbers still add up to the microsecond."""
    return round(value, 6)
