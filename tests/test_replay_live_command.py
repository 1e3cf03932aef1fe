"""`trioagent replay --live` on the command line, with real providers, in real time."""

from __future__ import annotations

import json
import shutil
from typing import TYPE_CHECKING

import numpy as np
import pytest
import trio

from tests.fakes import (
    ANA,
    FakeLanguageModel,
    Vocabulary,
)
from tests.helpers_recorded_scene import record, two_questions
from tests.helpers_speech import TINY_MODEL, say, word_errors
from trioagent.cli import main
from trioagent.cli.replay_live import kinds_of
from trioagent.errors import ConfigError, ProviderError
from trioagent.recording.reader import load
from trioagent.replay.live.result import result_of
from trioagent.replay.live.run import Live, run_live
from trioagent.replay.settings import recorded_config

if TYPE_CHECKING:
    from pathlib import Path

    from tests.scene import Scene
    from trioagent.interfaces import Pcm

SAID = "turn on the light"


@pytest.fixture(scope="module")
def questions(tmp_path_factory: pytest.TempPathFactory) -> list[Path]:
    return record(tmp_path_factory.mktemp("questions"), two_questions)


class Told(Vocabulary):
    """Whatever is heard, this was said."""

    def read(self, pcm: Pcm) -> str:
        return SAID


@pytest.fixture(scope="module")
def spoken(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A recording of espeak-ng's voice, with a recognizer that knew what it says."""
    pcm = say(SAID)
    loud = np.flatnonzero(np.abs(pcm) > 300)
    pcm = pcm[loud[0] : loud[-1]]

    async def story(scene: Scene) -> None:
        scene.recognizer.vocabulary = Told()
        scene.model.replies = {SAID: "Done."}
        await scene.room.say(ANA, pcm)
        await trio.sleep(2)

    (path,) = record(tmp_path_factory.mktemp("spoken"), story)
    return path


def json_rows(capsys: pytest.CaptureFixture[str]) -> list[dict[str, object]]:
    return [json.loads(line) for line in capsys.readouterr().out.splitlines()]


def test_today_s_providers_answer_a_recording(
    spoken: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    truth = tmp_path / "said.tsv"
    truth.write_text(f"{spoken.name}\tturn on both the lights\n")
    command = ["replay", str(spoken), "--live", "asr,llm,tts", "--json"]
    asr = ["--set", "asr.provider=sherpa", "--set", f"asr.model={TINY_MODEL}"]
    short = ["--set", "turn.hold_ms=200", "--set", "turn.min_hold_ms=200"]
    assert main([*command, *asr, *short, "--transcripts", str(truth)]) == 0
    turn, of_recording, of_all = json_rows(capsys)
    assert turn["recorded"]["outcome"] == turn["live"]["outcome"] == "answered"
    assert turn["recorded"]["text"] == SAID
    for waits in (turn["recorded"]["waits"], turn["live"]["waits"]):
        assert waits["total_ttfa_ms"] > 0
        assert None not in waits.values()
    # The tiny model has learned espeak-ng's words.
    understood = turn["live"]["text"]
    assert "light" in understood
    assert of_recording["said"] == "turn on both the lights"
    words = of_recording["live_words"]
    wrong = word_errors("turn on both the lights", understood)
    assert words["substitutions"] + words["deletions"] + words["insertions"] == wrong
    assert words["words"] == 5
    assert of_recording["recorded_words"]["wer"] == 0.4
    assert of_recording["asr_real_time_factor"] > 0
    assert of_all["turns"] == 1
    assert of_all["live"] == pytest.approx(turn["live"]["waits"], abs=0.001)
    assert of_all["live_words"] == words


def test_a_damaged_recording_does_not_stop_the_others(
    questions: list[Path],
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    caplog: pytest.LogCaptureFixture,
) -> None:
    bad = tmp_path / "bad"
    shutil.copytree(questions[0], bad)
    (bad / "heard-1.flac").write_bytes(b"nothing")
    status = main(["replay", str(bad), str(questions[0]), "--live", "llm"])
    assert status == 1
    assert str(bad) in caplog.text
    told = " ".join(capsys.readouterr().out.split())
    assert "recorded → live, in ms" in told
    assert "TTFA ASR LLM TTFT TTS TTFA outcome" in told
    # The echo model was asked what the recorded one was.
    assert told.count("answered") == 1
    assert "median" in told
    assert "all words" not in told


async def test_a_turn_that_fails_now_is_told(
    questions: list[Path], autojump_clock: object
) -> None:
    recording = load(questions[0])
    model = FakeLanguageModel(fail=ProviderError("no"))
    live = Live(language_model=model)
    made = await run_live(recording, recorded_config(recording), live)
    (turn,) = result_of(recording, made, None, heard=False).turns
    assert turn.failed
    assert (turn.then.outcome, turn.now.outcome) == ("answered", "failed")


def test_kinds() -> None:
    assert kinds_of("asr, tts") == ("asr", "tts")


@pytest.mark.parametrize("kinds", ["", "asr,", "vad", "asr;llm"])
def test_unknown_kinds(
    kinds: str, questions: list[Path], capsys: pytest.CaptureFixture[str]
) -> None:
    if kinds:
        assert main(["replay", str(questions[0]), "--live", kinds]) == 2
        assert "some of asr, llm, tts" in capsys.readouterr().err
    with pytest.raises(ConfigError, match="there is no kind"):
        kinds_of(kinds)


@pytest.mark.parametrize(
    ("options", "told"),
    [
        (["asr", "--set", "asr.provider=sherpa", "--set", "asr.model=/none"], "/none"),
        (
            ["llm", "--set", 'llm.providers=["openai"]', "--set",
             "llm.openai.base_url=http://127.0.0.1:9/v1"],
            "127.0.0.1:9",
        ),
        (["tts", "--set", "tts.provider=nobody"], "nobody"),
        (["asr", "--set", "turn.hold=3"], "turn.hold"),
        (["llm", "--transcripts", "/none.tsv"], "/none.tsv"),
        (["llm", "--config", "/none.toml"], "/none.toml"),
    ],
)  # fmt: skip
def test_what_cannot_be_used_is_told(
    options: list[str],
    told: str,
    questions: list[Path],
    capsys: pytest.CaptureFixture[str],
    caplog: pytest.LogCaptureFixture,
) -> None:
    assert main(["replay", str(questions[0]), "--live", *options]) == 2
    assert told in capsys.readouterr().err + caplog.text
