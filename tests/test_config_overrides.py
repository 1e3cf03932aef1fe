"""What goes on top of the file: `--set` overrides and `${NAME}`."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.helpers_config import refusal
from trioagent.config import TurnConfig
from trioagent.configuration.file import load_config


@pytest.fixture
def file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """`config.toml` in the working directory, so that messages are short."""
    monkeypatch.chdir(tmp_path)
    return Path("config.toml")


@pytest.mark.parametrize(
    ("override", "path", "value"),
    [
        ("turn.hold_ms=200", "turn.hold_ms", 200.0),
        ("turn.hold_ms = 200 ", "turn.hold_ms", 200.0),
        ("turn.early_start=off", "turn.early_start", "off"),
        ("mumble.udp=false", "mumble.udp", False),
        ("asr.model=tests/data/x", "asr.model", "tests/data/x"),
        ("agent.system_prompt=be nice", "agent.system_prompt", "be nice"),
        ("agent.system_prompt=a=b\nx = 1", "agent.system_prompt", "a=b\nx = 1"),
        ('agent.system_prompt="5"', "agent.system_prompt", "5"),
        ("agent.failure_notice=", "agent.failure_notice", ""),
        ('llm.providers=["openai","echo"]', "llm.providers", ("openai", "echo")),
        ("asr.sherpa.threads=2", "asr.options", {"sherpa": {"threads": 2}}),
        ("asr.sherpa={threads = 2}", "asr.options", {"sherpa": {"threads": 2}}),
    ],
)
def test_an_override_sets_its_key(override: str, path: str, value: object) -> None:
    section, key = path.split(".")
    config = load_config(None, [override])
    assert getattr(getattr(config, section), key) == value
    assert type(getattr(getattr(config, section), key)) is type(value)


def test_overrides_win_over_the_file_and_the_last_one_wins(file: Path) -> None:
    file.write_text("[turn]\nhold_ms = 1\npause_ms = 50\n[asr.sherpa]\nthreads = 1")
    config = load_config(
        file, ["turn.hold_ms=2", "turn.hold_ms=3", "asr.sherpa.provider=cuda"]
    )
    assert config.turn == TurnConfig(hold_ms=3, pause_ms=50)
    assert config.asr.options == {"sherpa": {"threads": 1, "provider": "cuda"}}


@pytest.mark.parametrize(
    ("override", "line"),
    [
        ("turn.hold_ms", "--set turn.hold_ms: must look like section.key=value"),
        ("a b=3", "--set a b=3: must look like section.key=value"),
        ("=3", "--set =3: must look like section.key=value"),
        (
            "llm.providers=[1",
            "--set llm.providers=[1: not a TOML value: Unclosed array",
        ),
        (
            "turn.hold_ms.x=3",
            "--set turn.hold_ms.x=3: turn.hold_ms is a number, no table",
        ),
        ("turn.hold_ms=x", '--set turn.hold_ms=x: must be a number, is "x"'),
        (
            "turn.hold_ms=-5",
            "--set turn.hold_ms=-5: must be between 0 and 10000, is -5",
        ),
        (
            "turn={hold_ms=-5}",
            "--set turn={hold_ms=-5}: turn.hold_ms: must be between 0 and 10000, is -5",
        ),
        (
            "turn.hold_m=5",
            '--set turn.hold_m=5: unknown key; did you mean "hold_ms"?',
        ),
        (
            "asr.shepra.x=5",
            (
                "--set asr.shepra.x=5: asr.shepra: no asr provider has this name; "
                'did you mean "sherpa"?'
            ),
        ),
        ("turn=5", "--set turn=5: must be a table, is 5"),
        (
            "mumble.password=1234",
            "--set mumble.password=***: must be a string in quotes, is a number",
        ),
        (
            "llm.openai={api_key = 'hush'",
            "--set llm.openai=***: not a TOML value: Unclosed inline table",
        ),
    ],
)
def test_a_wrong_override_is_named_as_it_was_typed(
    file: Path, override: str, line: str
) -> None:
    file.write_text("[turn]\nhold_ms = 1")
    assert refusal(file, override) == [line]


def test_the_environment_goes_into_strings_anywhere(file: Path) -> None:
    file.write_text(
        '[mumble]\nuser = "${NAME}"\ntokens = ["a", "x${KEY}y${KEY}"]\n'
        'password = "$${KEY} $5 $$ ${EMPTY}"\n'
        '[llm.openai.extra]\nAuthorization = "Bearer ${KEY}"\n'
    )
    environ = {"NAME": "${KEY}", "KEY": "s3", "EMPTY": ""}
    config = load_config(file, ["mumble.channel=Lobby/${KEY}"], environ)
    assert config.mumble.user == "${KEY}"  # what is put in is not read again
    assert config.mumble.tokens == ("a", "xs3ys3")
    assert config.mumble.password == "${KEY} $5 $$ "
    assert config.mumble.channel == "Lobby/s3"
    assert config.llm.options == {"openai": {"extra": {"Authorization": "Bearer s3"}}}


@pytest.mark.parametrize(
    ("value", "line"),
    [
        ("${NOPE}", "the environment variable NOPE is not set"),
        ("a${", "${ must be followed by a name and }; $${ stands for a plain ${"),
        ("${A B}", "${ must be followed by a name and }; $${ stands for a plain ${"),
    ],
)
def test_a_wrong_reference_is_named(file: Path, value: str, line: str) -> None:
    file.write_text(f'[llm.openai]\nkeys = ["", "{value}"]\n')
    assert refusal(file, environ={}) == [f"config.toml: llm.openai.keys[1]: {line}"]


def test_a_message_shows_the_reference_and_not_what_it_stands_for(file: Path) -> None:
    file.write_text('[mumble]\nport = "${KEY}"\nudp = "${KEY}"')
    assert refusal(file, environ={"KEY": "hush"}) == [
        f'config.toml: mumble.{what}, is "${{KEY}}" (always a string)'
        for what in ("port: must be a whole number", "udp: must be true or false")
    ]
