"""The memory of cards against what a set needs of it."""

from __future__ import annotations

import attrs
import pytest

from tests import helpers_nvidia_smi as smi
from trioagent.fitting.budget import budget
from trioagent.fitting.cards import parse_cards, parse_processes, with_processes
from trioagent.fitting.needs import Need
from trioagent.fitting.nvidia_smi import Cards

URL = "http://127.0.0.1:8000/v1"
LLM = Need("language model", "openai", "server", 3057, "estimate", address=URL)
TTS = Need("synthesizer", "luxtts", "card", 1024, "its authors say so")
ASR = Need("recognizer", "nemotron-hf", "card", 1528, "estimate")
ESPEAK = Need("synthesizer", "espeak", "cpu", 0)
SET = [ASR, LLM, TTS]
T1000 = Cards(parse_cards(smi.T1000))


def test_the_set_fits_the_small_card() -> None:
    (found,) = budget(T1000, SET, [])
    assert found.level == "note"
    # 5.5 GB, and 0.4 that others have.
    assert found.detail.startswith("NVIDIA T1000 8GB: 5.9 GB of 8.0 GB; in use now 0.4")
    for said in ("3.0 GB (estimate)", "1.0 GB (its authors say so)", "1.5 GB"):
        assert said in found.detail
    assert found.numbers["wanted_mib"] == 3057 + 1024 + 1528
    assert found.numbers["total_mib"] == 8192
    # (8192 - 410 - 1024 - 1528 - 256) / 8192; and Turing has no bfloat16.
    assert "--gpu-memory-utilization 0.60 --dtype half" in found.hint


def test_a_newer_card_keeps_bfloat16() -> None:
    (found,) = budget(Cards(parse_cards(smi.T1000.replace("7.5", "8.9"))), SET, [])
    assert "--gpu-memory-utilization 0.60" in found.hint
    assert "--dtype" not in found.hint


@pytest.mark.parametrize(
    ("llm_mib", "level", "said"),
    [
        (4000, "note", "GB;"),
        (4700, "warning", "that is tight"),
        (5300, "warning", "that does not fit"),
    ],
)
def test_the_limits(llm_mib: int, level: str, said: str) -> None:
    (found,) = budget(T1000, [ASR, attrs.evolve(LLM, mib=llm_mib), TTS], [])
    assert found.level == level
    assert said in found.detail
    assert found.ok
    if level == "warning":
        # The largest first.
        assert found.hint.startswith("language model: a smaller model")
        assert '[asr.nemotron-hf] device = "cpu"' in found.hint
        assert '[tts.luxtts] device = "cpu"' in found.hint


def test_a_running_server_is_not_counted_twice() -> None:
    card = parse_cards("0, GPU-aa11, NVIDIA T1000 8GB, 8192, 2572, 7.5, [N/A]")
    processes = parse_processes(smi.PROCESSES)
    cards = Cards(with_processes(card, processes))
    (found,) = budget(cards, SET, [URL])
    assert found.numbers["wanted_mib"] == 1024 + 1528
    assert "VLLM::EngineCore 5.0 GB, Xorg 0.1 GB" in found.detail
    assert "runs already" in found.detail
    # 5620 + 2552 of 8192: vLLM took more than the others leave.
    assert found.level == "warning"
    # (8192 - (5620 - 5120 + 2552) - 256) / 8192
    assert "(process 4242) holds 5.0 GB: start it again" in found.hint
    assert "--gpu-memory-utilization 0.59" in found.hint


def test_what_is_not_known_is_said() -> None:
    unknown = attrs.evolve(LLM, mib=None, source='"gpt" does not tell its size')
    (found,) = budget(T1000, [unknown], [])
    assert 'not known ("gpt" does not tell its size)' in found.detail
    (found,) = budget(Cards(parse_cards(smi.SHARED_MEMORY)), SET, [])
    assert found.level == "note"
    assert "does not tell its memory; wanted: 5.5 GB" in found.detail


def test_a_second_card_may_have_room() -> None:
    first, second = budget(
        Cards(parse_cards(smi.TWO_CARDS.replace("24576", "4000"))),
        [*SET, attrs.evolve(ASR, card=1)],
        [],
    )
    assert "does not fit" in first.detail
    assert "NVIDIA GeForce RTX 3060, card 1, has room for a server" in first.hint
    assert "CUDA_VISIBLE_DEVICES=GPU-bb22" in first.hint
    assert second.level == "note"
    assert second.numbers["wanted_mib"] == 1528


def test_without_a_card_the_cpu_computes() -> None:
    (found,) = budget(Cards(reason="nvidia-smi is not installed"), [ESPEAK], [])
    assert found.level == "note"
    assert "nvidia-smi is not installed; all computes on the CPU" in found.detail
    (found,) = budget(Cards(reason="it failed", hint="reboot", broken=True), [LLM], [])
    assert (found.level, found.hint) == ("warning", "reboot")
    assert "all but the servers" in found.detail


def test_who_wants_a_card_that_is_not_there_is_named() -> None:
    (found,) = budget(Cards(reason="nvidia-smi is not installed"), [ASR, ESPEAK], [])
    assert found.level == "warning"
    assert "needed by: recognizer (nemotron-hf)" in found.detail
    assert 'device = "cpu"' in found.hint
