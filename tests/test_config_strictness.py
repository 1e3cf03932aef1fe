"""What the schema refuses, and in which words."""

from __future__ import annotations

import re
from pathlib import Path

import attrs
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
    ("text", "line"),
    [
        ("[turn]\nhold_ms = -5", "turn.hold_ms: must be between 0 and 10000, is -5"),
        ("[turn]\nhold_ms = nan", "turn.hold_ms: must be between 0 and 10000, is nan"),
        ('[turn]\nhold_ms = "5"', 'turn.hold_ms: must be a number, is "5"'),
        ("[turn]\nhold_ms = true", "turn.hold_ms: must be a number, is true"),
        ("[turn]\nhold_ms = 2026-01-01", "turn.hold_ms: must be a number, is a date"),
        ("[turn]\nhold_ms = []", "turn.hold_ms: must be a number, is an array"),
        ("[turn.hold_ms]", "turn.hold_ms: must be a number, is a table"),
        ("[mumble]\nport = 1.5", "mumble.port: must be a whole number, is 1.5"),
        ("[mumble]\nport = true", "mumble.port: must be a whole number, is true"),
        (
            "[mumble]\nport = 70000",
            "mumble.port: must be between 1 and 65535, is 70000",
        ),
        ("[mumble]\nudp = 1", "mumble.udp: must be true or false, is 1"),
        ("[mumble]\nserver = 5", "mumble.server: must be a string in quotes, is 5"),
        ('[mumble]\nuser = ""', "mumble.user: must not be empty"),
        (
            '[mumble]\ntrust = "pim"',
            'mumble.trust: must be "system", "ca" or "pin", is "pim"',
        ),
        ('[llm]\nproviders = "echo"', 'llm.providers: must be an array, is "echo"'),
        (
            '[llm]\nproviders = ["echo", 5]',
            "llm.providers[1]: must be a string in quotes, is 5",
        ),
        ("[llm]\nproviders = []", "llm.providers: must not be empty"),
        (
            '[mumble]\ntokens = ["a", 5]',
            "mumble.tokens[1]: must be a string in quotes, is a number",
        ),
        ("[trun]\nhold_ms = 5", 'trun: unknown key; did you mean "turn"?'),
        ("[Turn]\nhold_ms = 5", 'Turn: unknown key; did you mean "turn"?'),
        ("turn = 5", "turn: must be a table, is 5"),
        ("asr = 5", "asr: must be a table, is 5"),
        ("[[turn]]\nhold_ms = 5", "turn: must be a table, is an array"),
        (
            "hold_ms = 5",
            'hold_ms: unknown key; it belongs into a section: "turn.hold_ms"',
        ),
        ("[tts]\nq = 5", "tts.q: unknown key; known: provider, timeout_s"),
        (
            "[tts.options]",
            "tts.options: is no key: a provider's keys stand in [tts.<provider>]",
        ),
        ("[asr]\nsherpa = 5", "asr.sherpa: must be a table, [asr.sherpa], is 5"),
        (
            "[asr.shepra]",
            'asr.shepra: no asr provider has this name; did you mean "sherpa"?',
        ),
        (
            "[turn.sherpa]\nx = 1",
            "turn.sherpa: unknown key; known: "
            + ", ".join(field.name for field in attrs.fields(TurnConfig)),
        ),
    ],
)
def test_what_is_wrong_is_said_with_file_and_key(
    file: Path, text: str, line: str
) -> None:
    file.write_text(text)
    assert refusal(file, environ={}) == [f"config.toml: {line}"]


def test_everything_wrong_is_said_at_once(file: Path) -> None:
    file.write_text(
        "[turn]\nhold_ms = -5\npause_ms = 1\nnope = 1\n"
        '[mumble]\nport = "x"\nchannel = "${NOPE}"\n[asr.shepra]\n'
    )
    lines = refusal(file, "llm.retry_s=0", "foo", environ={})
    starts = [re.split(": (must|unknown|no|the) ", line)[0] for line in lines]
    assert sorted(starts) == [
        "--set foo",
        "--set llm.retry_s=0",
        "config.toml: asr.shepra",
        "config.toml: mumble.channel",
        "config.toml: mumble.port",
        "config.toml: turn.hold_ms",
        "config.toml: turn.nope",
        "config.toml: turn.pause_ms",
    ]


def test_a_whole_number_is_a_float_where_one_is_wanted(file: Path) -> None:
    file.write_text("[turn]\nhold_ms = 300\n")
    assert type(load_config(file).turn.hold_ms) is float
