"""Whether what was measured is quick enough for a conversation, and what to change.

Decides only: from measured values to findings. Each limit says where it comes from.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import attrs

from trioagent.decisions.jitter import CHARS_PER_S, StartLevel
from trioagent.fitting.findings import Finding, Level
from trioagent.fitting.remedies import (
    FRAME_REMEDY,
    LATE_REMEDY,
    language_model_remedy,
    recognizer_remedy,
    synthesizer_remedy,
)

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from trioagent.config import Config
    from trioagent.fitting.lateness import Lateness
    from trioagent.fitting.speeds import (
        RecognitionSpeed,
        ReplySpeed,
        SynthesisSpeed,
        VadCost,
    )

RECOGNIZER_RTF = 0.7
"""More leaves too little for the synthesizer, and for speech that is harder."""
FINAL_MS = 500.0
"""As much again as `hold_ms` waits, before the language model is even asked."""
SYNTHESIZER_RTF = 1.0
"""From here on replies run dry."""
FIRST_PIECE_MS = 400.0
FIRST_TOKEN_MS = 800.0
"""Early drafts hide about the hold (0.5 s) of it; the rest is silence."""
VAD_MS = 2.0
"""It runs in the event loop, which should not stand still for longer."""
LATE_MS = 20.0
"""A frame: later ones are heard as a gap."""
LATE_SHARE = 0.99


def vad_finding(cost: VadCost, provider: str) -> Finding:
    """What a frame costs the event loop."""
    share = cost.median_ms / cost.frame_ms
    detail = (
        f"{provider}: {cost.median_ms:.2f} ms for a frame of {cost.frame_ms:.0f} ms "
        f"({share:.1%} of a core for each speaker), {cost.worst_ms:.2f} ms at most"
    )
    slow = cost.median_ms > VAD_MS
    return _judged("voice activity speed", detail, cost, FRAME_REMEDY if slow else "")


def synthesizer_finding(speed: SynthesisSpeed, config: Config) -> Finding:
    """Whether replies sound at once and without gaps."""
    part, name = "synthesizer speed", config.tts.provider
    if speed.rtf is None or speed.first_piece_ms is None:
        hint = synthesizer_remedy(name, config)
        return _judged(part, f"{name}: no sound in the time there was", speed, hint)
    detail = (
        f"{name}: first piece after {_ms(speed.first_piece_ms)}, "
        f"RTF {_rtf(speed.rtf)} ({speed.audio_s:.1f} s of speech"
        f"{', then cut off' if speed.cut_off else ''})"
    )
    hints = []
    if speed.rtf > SYNTHESIZER_RTF:
        detail += "; slower than real time"
        hints = [_prebuffer(speed.rtf, config), synthesizer_remedy(name, config)]
    elif speed.first_piece_ms > FIRST_PIECE_MS:
        detail += f"; it should begin within {_ms(FIRST_PIECE_MS)}"
        hints = [synthesizer_remedy(name, config)]
    return _judged(part, detail, speed, "\n".join(filter(None, hints)))


def recognizer_finding(
    speed: RecognitionSpeed, provider: str, config: Config, threads: Mapping[str, int]
) -> Finding:
    """Whether it keeps up with so many speakers, and how soon it knows the last word.

    `threads` are what is recommended for `threads` keys.
    """
    part = "recognizer speed"
    remedy = recognizer_remedy(provider, config, threads)
    if speed.rtf is None or speed.rtf_alone is None:
        return _judged(
            part, f"{provider}: no piece of speech was done in time", speed, remedy
        )
    told = [f"{provider}: RTF {_rtf(speed.rtf_alone)}"]
    if speed.speakers > 1:
        told.append(f"{_rtf(speed.rtf)} with {speed.speakers} speakers at once")
    if speed.first_words_ms is not None:
        told.append(f"first words {_ms(speed.first_words_ms)} after the speech began")
    if speed.final_ms is not None:
        told.append(f"final {_ms(speed.final_ms)} after it ended")
    hint = ""
    if speed.rtf > RECOGNIZER_RTF:
        told.append(f"it cannot keep up: {RECOGNIZER_RTF} is the most")
        hint = remedy
    elif speed.final_ms is None or speed.final_ms > FINAL_MS:
        told.append(f"the final should come within {_ms(FINAL_MS)}")
        hint = remedy
    return _judged(part, ", ".join(told), speed, hint)


def language_model_finding(speed: ReplySpeed, provider: str, name: str) -> Finding:
    """Whether it answers soon, and faster than its words are spoken."""
    part = "language model speed"
    remedy = language_model_remedy(provider)
    if speed.first_token_ms is None:
        return _judged(part, f"{name}: no token in the time there was", speed, remedy)
    told = [f"{name}: first token after {_ms(speed.first_token_ms)}"]
    if speed.pieces_per_s is not None and speed.chars_per_s is not None:
        told.append(f"then {_rate(speed.pieces_per_s)} tokens/s")
    hint = ""
    if speed.first_token_ms > FIRST_TOKEN_MS:
        told.append(f"it should come within {_ms(FIRST_TOKEN_MS)}")
        hint = remedy
    elif speed.chars_per_s is not None and speed.chars_per_s < CHARS_PER_S:
        told.append(
            f"{speed.chars_per_s:.0f} characters/s, but {CHARS_PER_S} are spoken"
        )
        hint = remedy
    return _judged(part, ", ".join(told), speed, hint)


def lateness_finding(late: Mapping[str, Lateness]) -> Finding:
    """How late the event loop was at each kind of work, and while nothing was done."""
    part = "event loop"
    shown = {
        what: (ms, lateness.quantile_ms(1.0))
        for what, lateness in late.items()
        if (ms := lateness.quantile_ms(LATE_SHARE)) is not None
    }
    numbers = {
        what: {"p99_ms": p99, "worst_ms": worst} for what, (p99, worst) in shown.items()
    }
    told = [
        f"{what} {p99:.1f} ms (worst {worst:.1f})"
        for what, (p99, worst) in shown.items()
    ]
    detail = f"99 % of timers are at most so late: {', '.join(told) or 'not measured'}"
    slow = any(p99 > LATE_MS for p99, _ in shown.values())
    hint = LATE_REMEDY if slow else ""
    return Finding(part, "warning" if slow else "note", detail, hint, numbers)


def quick_enough(findings: Sequence[Finding]) -> dict[str, bool]:
    """Of each part that was measured, whether it keeps up."""
    ending = " speed"
    return {
        f.part.removesuffix(ending): f.level == "note"
        for f in findings
        if f.part.endswith(ending)
    }


def _prebuffer(rtf: float, config: Config) -> str:
    """What a reply of usual length needs in advance, as `StartLevel` has it."""
    needed_ms = 1000 * StartLevel.EXPECTED_REPLY_S * (1 - 1 / rtf)
    most_ms = config.playback.max_prebuffer_ms
    told = (
        f"A reply of {StartLevel.EXPECTED_REPLY_S:g} s without gaps needs "
        f"{needed_ms:.0f} ms of audio before it starts"
    )
    if needed_ms <= most_ms:
        return f"{told}; playback.max_prebuffer_ms = {most_ms:g} allows that"
    wanted = -(-needed_ms // 100) * 100
    return f"{told}: set playback.max_prebuffer_ms = {wanted:.0f}"


def _judged(
    part: str, detail: str, measured: attrs.AttrsInstance, hint: str
) -> Finding:
    level: Level = "warning" if hint else "note"
    return Finding(part, level, detail, hint, attrs.asdict(measured))


def _ms(value: float) -> str:
    return f"{value:.1f} ms" if value < 10 else f"{value:.0f} ms"


def _rate(value: float) -> str:
    return f"{value:.0f}" if value < 1000 else "over 1000"


def _rtf(value: float) -> str:
    return f"{value:.2g}" if value < 0.1 else f"{value:.2f}"
