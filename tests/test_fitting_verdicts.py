"""Whether measured numbers are quick enough, and what is said where they are not."""

from __future__ import annotations

import attrs
import pytest

from trioagent.configuration.file import load_config
from trioagent.fitting.findings import Finding
from trioagent.fitting.lateness import Lateness
from trioagent.fitting.speeds import (
    RecognitionSpeed,
    ReplySpeed,
    SynthesisSpeed,
    VadCost,
)
from trioagent.fitting.verdicts import (
    language_model_finding,
    lateness_finding,
    quick_enough,
    recognizer_finding,
    synthesizer_finding,
    vad_finding,
)

CONFIG = load_config(None)
HEARD = RecognitionSpeed(2, 3.0, 0.2, 0.4, 300.0, 90.0)
SAID = SynthesisSpeed(80.0, 0.3, 3.5, cut_off=False)
REPLY = ReplySpeed(200.0, 20, 40.0, 160.0, cut_off=False)


def recognizer(
    provider: str = "sherpa", *settings: str, threads: int = 1, **changes: float | None
) -> Finding:
    speed = attrs.evolve(HEARD, **changes)  # type: ignore[arg-type]
    advised = {f"asr.{provider}.threads": threads}
    return recognizer_finding(speed, provider, load_config(None, settings), advised)


@pytest.mark.parametrize(
    ("changes", "level"),
    [
        ({}, "note"),
        ({"rtf": 0.7}, "note"),
        ({"rtf": 0.71}, "warning"),
        ({"rtf": 3.0, "rtf_alone": 2.0, "final_ms": None}, "warning"),
        ({"rtf": None}, "warning"),
        ({"final_ms": 501.0}, "warning"),
        ({"final_ms": None}, "warning"),
    ],
)
def test_recognizers_are_judged(changes: dict[str, float | None], level: str) -> None:
    found = recognizer(**changes)
    assert found.level == level
    assert bool(found.hint) is (level == "warning")
    assert found.ok
    assert found.numbers["speakers"] == 2


@pytest.mark.parametrize(
    ("provider", "settings", "threads", "said"),
    [
        ("sherpa", ['asr.model="nemotron-en-160ms"'], 1, "pull nemotron-en-560ms"),
        ("sherpa", ['asr.model="nemotron-en-1120ms"'], 1, "zipformer-en-kroko"),
        ("sherpa", ['asr.model="zipformer-en-kroko"'], 1, "zipformer-en-20m"),
        ("sherpa", [], 3, "[asr.sherpa] threads = 3"),
        ("nemotron-hf", [], 1, "[asr.nemotron-hf] chunk_ms = 560"),
        ("nemotron-hf", ["asr.nemotron-hf.chunk_ms=560"], 1, "chunk_ms = 1120"),
        ("pocketsphinx", [], 1, "language_model"),
        ("wyoming", [], 1, "[asr.wyoming] uris"),
        ("qwen", [], 1, "Qwen3-ASR-0.6B"),
        ("somebodys", [], 1, "trioagent serve asr"),
    ],
)
def test_what_to_change_for_a_slow_recognizer(
    provider: str, settings: list[str], threads: int, said: str
) -> None:
    found = recognizer(provider, *settings, threads=threads, rtf=0.9)
    assert said in found.hint
    assert "0.90 with 2 speakers at once" in found.detail


@pytest.mark.parametrize(
    ("changes", "level", "said"),
    [
        ({}, "note", ""),
        ({"rtf": 1.0}, "note", ""),
        # 3 s * (1 - 1 / 1.25)
        ({"rtf": 1.25}, "warning", "600 ms of audio before it starts"),
        ({"rtf": 1.25}, "warning", "max_prebuffer_ms = 800 allows that"),
        ({"rtf": 2.0}, "warning", "set playback.max_prebuffer_ms = 1500"),
        ({"first_piece_ms": 401.0}, "warning", "[tts.luxtts] num_steps = 2"),
        ({"rtf": None, "first_piece_ms": None}, "warning", 'provider = "espeak"'),
    ],
)
def test_synthesizers_are_judged(
    changes: dict[str, float | None], level: str, said: str
) -> None:
    config = load_config(None, ['tts.provider="luxtts"'])
    speed = attrs.evolve(SAID, **changes)  # type: ignore[arg-type]
    found = synthesizer_finding(speed, config)
    assert found.level == level
    assert said in found.hint


def test_fewest_steps_are_not_made_fewer() -> None:
    config = load_config(None, ['tts.provider="luxtts"', "tts.luxtts.num_steps=2"])
    slow = attrs.evolve(SAID, rtf=2.0)
    assert "num_steps" not in synthesizer_finding(slow, config).hint
    espeak = synthesizer_finding(slow, CONFIG)
    assert espeak.level == "warning"
    assert 'provider = "espeak"' not in espeak.hint


@pytest.mark.parametrize(
    ("changes", "level", "said"),
    [
        ({}, "note", "first token after 200 ms, then 40 tokens/s"),
        ({"first_token_ms": 801.0}, "warning", "it should come within 800 ms"),
        ({"chars_per_s": 14.0}, "warning", "14 characters/s, but 15 are spoken"),
        ({"pieces_per_s": None, "chars_per_s": None}, "note", "200 ms"),
        ({"first_token_ms": None}, "warning", "no token"),
    ],
)
def test_language_models_are_judged(
    changes: dict[str, float | None], level: str, said: str
) -> None:
    speed = attrs.evolve(REPLY, **changes)  # type: ignore[arg-type]
    found = language_model_finding(speed, "openai", "m at http://h/v1")
    assert found.level == level
    assert said in found.detail
    assert ("smaller model" in found.hint) is (level == "warning")


def test_detectors_are_judged() -> None:
    assert vad_finding(VadCost(32.0, 0.1, 9.0), "silero").level == "note"
    slow = vad_finding(VadCost(32.0, 2.1, 9.0), "silero")
    assert slow.level == "warning"
    assert 'provider = "rms"' in slow.hint


def test_a_late_event_loop_is_told() -> None:
    calm, late = Lateness([0.001] * 100), Lateness([0.001] * 90 + [0.03] * 10)
    found = lateness_finding({"idle": calm, "nothing": Lateness()})
    assert found.level == "note"
    assert found.numbers == {"idle": {"p99_ms": 1.0, "worst_ms": 1.0}}
    found = lateness_finding({"idle": calm, "recognizer": late})
    assert found.level == "warning"
    assert "recognizer 30.0 ms" in found.detail
    assert "isolate = true" in found.hint


def test_what_was_measured_decides_about_threads() -> None:
    found = [recognizer(), synthesizer_finding(attrs.evolve(SAID, rtf=2.0), CONFIG)]
    assert quick_enough([*found, Finding("room", "ok", "")]) == {
        "recognizer": True,
        "synthesizer": False,
    }


def test_a_finding_is_a_line_or_a_row() -> None:
    found = Finding("card", "warning", "too small", "a\nb", {"mib": 3})
    assert found.text == "WARN card: too small\n       a\n       b"
    assert found.row == {
        "part": "card",
        "level": "warning",
        "ok": True,
        "detail": "too small",
        "hint": "a\nb",
        "numbers": {"mib": 3},
    }
    assert not Finding("card", "fail", "none").ok
