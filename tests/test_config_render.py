"""The configuration as shown: secrets hidden, and all else as it was."""

from __future__ import annotations

import tomllib
from pathlib import Path

import attrs
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from trioagent.config import Config
from trioagent.configuration.file import load_config, render_config


@pytest.fixture
def file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """`config.toml` in the working directory, so that messages are short."""
    monkeypatch.chdir(tmp_path)
    return Path("config.toml")


def test_the_rendered_configuration_hides_secrets_and_only_them(file: Path) -> None:
    file.write_text(
        '[mumble]\npassword = "hush"\ntokens = ["hush", ""]\n'
        '[llm.openai]\napi_key = "hush"\nmax_tokens = 7\napikey = "hush"\n'
        '[llm.openai.extra]\nsecret_sauce = "hush"\nstop = ["x"]\n'
    )
    shown = tomllib.loads(render_config(load_config(file)))
    assert "hush" not in str(shown)
    assert shown["mumble"]["password"] == "***"
    assert shown["mumble"]["tokens"] == ["***", ""]
    assert shown["llm"]["openai"] == {
        "api_key": "***",
        "max_tokens": 7,
        "apikey": "***",
        "extra": {"secret_sauce": "***", "stop": ["x"]},
    }


def test_an_empty_secret_is_shown_empty() -> None:
    assert tomllib.loads(render_config(Config()))["mumble"]["password"] == ""


def test_names_tell_secrets_of_a_provider_that_cannot_be_imported() -> None:
    config = attrs.evolve(
        Config(),
        tts=attrs.evolve(
            Config().tts, options={"gone": {"access_token": "hush", "voice": "en"}}
        ),
    )
    shown = tomllib.loads(render_config(config))["tts"]["gone"]
    assert shown == {"access_token": "***", "voice": "en"}


words = st.text(st.characters(codec="utf-8", exclude_characters="\r"), max_size=20)


@settings(deadline=None, max_examples=30)
@given(prompt=words, hold_ms=st.floats(0, 10_000), backchannels=st.lists(words))
def test_what_is_rendered_loads_as_the_same(
    tmp_path_factory: pytest.TempPathFactory,
    prompt: str,
    hold_ms: float,
    backchannels: list[str],
) -> None:
    default = Config()
    config = Config(
        agent=attrs.evolve(default.agent, system_prompt=prompt),
        turn=attrs.evolve(default.turn, hold_ms=hold_ms),
        barge_in=attrs.evolve(default.barge_in, backchannels=tuple(backchannels)),
        asr=attrs.evolve(default.asr, options={"sherpa": {"model": prompt}}),
    )
    file = tmp_path_factory.getbasetemp() / "rendered.toml"
    file.write_text(render_config(config), encoding="utf-8", newline="\n")
    assert load_config(file, environ={}) == config
