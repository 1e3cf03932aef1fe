"""What is measured: names and short definitions, in the order of showing."""

from __future__ import annotations

import attrs


@attrs.frozen
class Measure:
    """One kind of number in `latency.jsonl`; its values are milliseconds."""

    key: str
    label: str
    meaning: str


METRICS = (
    Measure("total_ttfa_ms", "total TTFA", "end of speech → first audio in the room"),
    Measure("vad_duration_ms", "endpointing", "end of speech → the turn is over"),
    Measure("asr_ms", "ASR", "the turn is over → final transcript"),
    Measure("llm_ttft_ms", "LLM TTFT", "request → first token"),
    Measure("llm_total_ms", "LLM total", "request → last token"),
    Measure(
        "tts_ttfa_ms", "TTS TTFA", "first phrase → first audio from the synthesizer"
    ),
    Measure("draft_lead_ms", "draft lead", "spoken draft begun → final transcript"),
    Measure("stale_ms", "stale audio", "interruption → last audio of the reply"),
    Measure("total_turn_ms", "total turn", "first sound → outcome"),
)

# In causal order: in a turn, each millisecond is charged to exactly one of these.
WAITS = (
    Measure("endpoint_hold_ms", "endpoint hold", "silence, until the turn is over"),
    Measure("recognizer_tail_ms", "recognizer tail", "until the final transcript"),
    Measure("llm_first_token_ms", "LLM first token", "until the model's first token"),
    Measure("first_phrase_ms", "first phrase", "until tokens make a phrase to speak"),
    Measure("synthesis_ms", "synthesis", "until the synthesizer's first audio"),
    Measure("prebuffer_ms", "prebuffer", "until enough audio is there to begin"),
    Measure("floor_ms", "floor", "until nobody else speaks"),
    Measure("pacing_ms", "pacing", "until the next frame is due"),
    Measure("agent_overhead_ms", "agent overhead", "the agent itself"),
)

COUNTS = ("drafts", "drafts_discarded", "tokens_discarded", "underruns")
QUEUES = ("packets", "tokens", "audio_ms", "dropped")
HEADLINE = "total_ttfa_ms"

# A longer lead is good: the reply was begun earlier.
LONGER_IS_BETTER = frozenset(["draft_lead_ms"])
