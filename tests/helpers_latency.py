"""Made-up turns for tests of `trioagent latency`: as the agent would write them."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import numpy as np

from trioagent.latencies.definitions import WAITS

if TYPE_CHECKING:
    from pathlib import Path

Line = dict[str, Any]


def line(number: int = 1, **changes: Any) -> Line:
    """A plain turn, answered after 700 ms."""
    made: Line = {
        "turn": number,
        "time": f"2026-01-02T03:04:{number % 60:02}.000+00:00",
        "speaker": "Ana",
        "outcome": "answered",
        "vad_duration_ms": 500.0,
        "asr_ms": 20.0,
        "llm_ttft_ms": 150.0,
        "llm_total_ms": 400.0,
        "tts_ttfa_ms": 20.0,
        "draft_lead_ms": 0.0,
        "total_ttfa_ms": 700.0,
        "total_turn_ms": 4000.0,
        "drafts": 2,
        "drafts_discarded": 1,
        "tokens_discarded": 5,
        "underruns": 0,
        "stale_ms": None,
        "queues": {"packets": 3, "tokens": 2, "audio_ms": 80, "dropped": 0},
        "ledger": ledger(
            endpoint_hold_ms=500,
            recognizer_tail_ms=20,
            llm_first_token_ms=150,
            synthesis_ms=20,
            pacing_ms=10,
        ),
    }
    return made | changes


def ledger(**waits: float) -> dict[str, float]:
    return {w.key: float(waits.get(w.key, 0)) for w in WAITS}


def older(number: int = 1) -> Line:
    """As written before there were ledgers."""
    made = line(number)
    return {k: v for k, v in made.items() if k not in ("ledger", "queues", "stale_ms")}


def silent(number: int = 1, outcome: str = "ignored") -> Line:
    """A turn that nobody heard an answer to."""
    unmeasured: Line = {k: None for k in line() if k.endswith("_ms")}
    known: Line = {"outcome": outcome, "ledger": None, "total_turn_ms": 900.0}
    return line(number, **(unmeasured | known))


def write(path: Path, lines: list[Line]) -> Path:
    text = "".join(json.dumps(one, ensure_ascii=False) + "\n" for one in lines)
    path.write_text(text, encoding="utf-8")
    return path


def conversation(turns: int, seed: int, *, llm_ms: float = 320.0) -> list[Line]:
    """Turns as they come: two people, a slow one now and then, some interrupted."""
    rng = np.random.default_rng(seed)
    return [_drawn(number, rng, llm_ms) for number in range(1, turns + 1)]


def _drawn(number: int, rng: np.random.Generator, llm_ms: float) -> Line:
    when = f"2026-01-02T03:{number // 6 % 60:02}:{number * 10 % 60:02}.500+00:00"
    speaker = str(rng.choice(["Ana", "Bo"], p=[0.7, 0.3]))
    fate = rng.random()
    if fate < 0.06:
        outcome = "ignored" if fate < 0.04 else "failed"
        return silent(number, outcome) | {"time": when, "speaker": speaker}
    waits = {
        "endpoint_hold_ms": rng.choice([350, 500, 0], p=[0.5, 0.35, 0.15])
        + rng.uniform(0, 20),
        "recognizer_tail_ms": rng.gamma(2, 25),
        "llm_first_token_ms": max(0, rng.lognormal(np.log(llm_ms), 0.45) - 120),
        "first_phrase_ms": rng.gamma(3, 22),
        "synthesis_ms": rng.gamma(4, 12),
        "prebuffer_ms": rng.choice([0, 40, 60], p=[0.3, 0.4, 0.3]),
        "floor_ms": rng.gamma(2, 300) if rng.random() < 0.05 else 0,
        "pacing_ms": rng.uniform(0, 20),
        "agent_overhead_ms": rng.gamma(2, 1.2),
    }
    waits = {key: round(float(ms), 3) for key, ms in waits.items()}
    total = round(sum(waits.values()), 3)
    interrupted = bool(rng.random() < 0.12)
    discarded = int(rng.integers(0, 3))
    ttft = waits["llm_first_token_ms"] + 120
    return line(
        number,
        time=when,
        speaker=speaker,
        outcome="interrupted" if interrupted else "answered",
        vad_duration_ms=waits["endpoint_hold_ms"],
        asr_ms=waits["recognizer_tail_ms"],
        llm_ttft_ms=round(ttft, 3),
        llm_total_ms=round(ttft + float(rng.gamma(4, 90)), 3),
        tts_ttfa_ms=waits["synthesis_ms"],
        draft_lead_ms=round(float(rng.choice([0, 120])), 3),
        total_ttfa_ms=total,
        total_turn_ms=round(total + float(rng.gamma(5, 700)), 3),
        drafts=1 + discarded,
        drafts_discarded=discarded,
        tokens_discarded=discarded * int(rng.integers(3, 40)),
        underruns=int(rng.random() < 0.03),
        stale_ms=round(float(rng.uniform(15, 60)), 3) if interrupted else None,
        queues={
            "packets": int(rng.integers(1, 6)),
            "tokens": int(rng.integers(1, 30)),
            "audio_ms": int(rng.integers(2, 40)) * 20,
            "dropped": 0,
        },
        ledger=waits,
    )
