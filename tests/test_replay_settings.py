"""With which configuration a recording is run, and what is refused."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import attrs
import pytest

from tests.helpers_recordings import HEADER
from trioagent.config import AgentConfig, BargeInConfig, Config, TurnConfig, VadConfig
from trioagent.configuration.render import config_tables
from trioagent.errors import ConfigError
from trioagent.recording.recording import Recording, no_audio
from trioagent.replay.settings import check_overrides, recorded_config

PATH = Path("recordings/one")


def recording(config: dict[str, Any]) -> Recording:
    header = attrs.evolve(HEADER, config=config)
    return Recording(PATH, header, (), {}, no_audio(), no_audio(), complete=True)


def refusal(config: dict[str, Any], *overrides: str) -> str:
    with pytest.raises(ConfigError) as caught:
        recorded_config(recording(config), overrides)
    return caught.value.message


def test_the_recorded_agents_behaviour_comes_back() -> None:
    config = Config(
        agent=AgentConfig(
            system_prompt="pay ${x} or $${y}",
            failure_notice="${broken",
            names=("a${b}", "c"),
            ignore=("Bot",),
        ),
        vad=VadConfig(min_speech_ms=80, options={"silero": {"threads": 2}}),
        turn=TurnConfig(hold_ms=123, early_start="off"),
        barge_in=BargeInConfig(urgent=("halt",)),
    )
    found = recorded_config(recording(config_tables(config)))
    for name in ("agent", "turn", "chunker", "playback", "barge_in"):
        assert getattr(found, name) == getattr(config, name)
    assert found.vad.min_speech_ms == 80
    # The parts are recorded, and the recording is not recorded again.
    assert found.mumble == Config().mumble
    assert found.recording.folder == ""


def test_what_is_not_said_has_its_default() -> None:
    assert recorded_config(recording({})) == Config()


def test_an_override_goes_before_what_was_recorded() -> None:
    found = recorded_config(
        recording({"turn": {"hold_ms": 300, "pause_ms": 99}}),
        ["turn.hold_ms=200", 'barge_in.allow="nobody"', "turn.hold_ms=250"],
    )
    assert found.turn == TurnConfig(hold_ms=250, pause_ms=99)
    assert found.barge_in.allow == "nobody"


@pytest.mark.parametrize(
    ("override", "parts"),
    [
        ("llm.providers=[]", ["--set llm.…", "[llm]", "--live", "[turn]"]),
        ("recording.folder=x", ["--set recording.…", "--live"]),
        ("tunr.hold_ms=1", ["--set tunr.…", "there is no [tunr]", "[barge_in]"]),
        ("turn=3", ["--set turn=…", "set one of its keys"]),
        ("turn.hold=3", ["turn.hold", "hold_ms"]),
        ("turn.hold_ms=often", ["turn.hold_ms: must be a number", '"often"']),
        ("turn.hold_ms=-1", ["turn.hold_ms"]),
        ("turn.hold_ms", ["--set turn.hold_ms: must look like section.key=value"]),
    ],
)
def test_a_wrong_override_is_refused_by_name(override: str, parts: list[str]) -> None:
    message = refusal({}, override)
    assert str(PATH) not in message, "it is not the recording that is wrong"
    for part in parts:
        assert part in message
    with pytest.raises(ConfigError) as caught:
        check_overrides([override])
    assert caught.value.message == message


def test_all_wrong_overrides_are_told_at_once() -> None:
    message = refusal({}, "llm.providers=[]", "tunr.hold_ms=1", "turn.hold_ms=200")
    assert len(message.splitlines()) == 2
    check_overrides(["turn.hold_ms=200", "vad.min_speech_ms=0"])


@pytest.mark.parametrize(
    ("config", "parts"),
    [
        ({"turn": {"patience_ms": 3}}, ["turn.patience_ms"]),
        ({"turn": {"hold_ms": "long"}}, ["turn.hold_ms: must be a number"]),
        ({"vad": {"silero": {}, "sensitivity": 1}}, ["vad.sensitivity"]),
        ({"turn": 3}, ["turn must be a table, is 3"]),
        ({"agent": None}, ["agent must be a table, is None"]),
    ],
)
def test_a_recorded_key_that_is_unknown_now_names_the_recording(
    config: dict[str, Any], parts: list[str]
) -> None:
    message = refusal(config)
    for part in (str(PATH), *parts):
        assert part in message
