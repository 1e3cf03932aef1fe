"""How many threads models get."""

from __future__ import annotations

import pytest

from trioagent.fitting.machine import read_cores
from trioagent.fitting.threads import (
    Cores,
    ThreadUser,
    quota,
    recommend,
    threads_finding,
    usable_cores,
)

ASR = ThreadUser("recognizer", "asr.sherpa.threads", 1)
TTS = ThreadUser("synthesizer", "tts.sherpa.threads", 2)


@pytest.mark.parametrize(
    ("cores", "asr", "tts"),
    [
        (Cores(1), 1, 1),
        (Cores(2), 1, 1),
        (Cores(4), 1, 2),
        (Cores(8), 3, 4),
        (Cores(64), 4, 4),
        (Cores(8, busy=3.2), 2, 2),
        (Cores(8, busy=90), 1, 1),
        (Cores(8, beside=4), 1, 2),
    ],
)
def test_the_rest_is_shared(cores: Cores, asr: int, tts: int) -> None:
    assert recommend([ASR, TTS], cores) == {
        "asr.sherpa.threads": asr,
        "tts.sherpa.threads": tts,
    }


def test_one_alone_gets_all_that_helps_it() -> None:
    assert recommend([ASR], Cores(4)) == {"asr.sherpa.threads": 3}
    assert recommend([], Cores(4)) == {}


def test_too_many_are_warned_about() -> None:
    found = threads_finding([ASR, TTS], Cores(2), {})
    assert found.level == "warning"
    assert found.hint == "for this machine: tts.sherpa.threads = 1"
    assert found.numbers["recommended"] == {
        "asr.sherpa.threads": 1,
        "tts.sherpa.threads": 1,
    }


def test_more_are_only_for_what_is_too_slow() -> None:
    quick = {"recognizer": True, "synthesizer": True}
    assert threads_finding([ASR, TTS], Cores(8), quick).hint == ""
    slow = threads_finding([ASR, TTS], Cores(8), {**quick, "recognizer": False})
    assert slow.level == "note"
    assert slow.hint == "for this machine: asr.sherpa.threads = 3"


@pytest.mark.parametrize(
    ("text", "cores"),
    [("max 100000\n", None), ("150000 100000\n", 1.5), ("", None), ("1 0", None)],
)
def test_the_quota_of_a_container(text: str, cores: float | None) -> None:
    assert quota(text) == cores


@pytest.mark.parametrize(
    ("allowed", "cores"), [(None, 8), (1.5, 1), (0.2, 1), (4.0, 4), (99.0, 8)]
)
def test_a_quota_counts_in_whole_cores(allowed: float | None, cores: int) -> None:
    assert usable_cores(8, allowed) == cores


def test_this_machine_has_cores() -> None:
    alone = read_cores(server_beside=False)
    assert alone.count >= 1
    assert alone.spare >= 1
    assert read_cores(server_beside=True).beside == alone.count // 2
