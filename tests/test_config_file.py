"""Reading the configuration: the file itself, and the example that is shipped."""

from __future__ import annotations

import re
import tomllib
from pathlib import Path
from typing import TYPE_CHECKING, Any, get_args

import attrs
import pytest

from tests.helpers_config import refusal
from trioagent.config import Config
from trioagent.configuration.file import load_config, structure_options
from trioagent.errors import ConfigError
from trioagent.registry import Kind, provider

if TYPE_CHECKING:
    from collections.abc import Mapping

EXAMPLE = Path(__file__).parent.parent / "config.toml"


@pytest.fixture
def file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """`config.toml` in the working directory, so that messages are short."""
    monkeypatch.chdir(tmp_path)
    return Path("config.toml")


def leaves(table: Mapping[str, Any], path: str = "") -> set[str]:
    found: set[str] = set()
    for key, value in table.items():
        inner = f"{path}.{key}" if path else key
        found |= leaves(value, inner) if isinstance(value, dict) else {inner}
    return found


def test_the_example_is_the_defaults() -> None:
    loaded = attrs.asdict(load_config(EXAMPLE, environ={}))
    wanted = attrs.asdict(Config())
    changed = [
        f"{section}.{key}"
        for section, values in wanted.items()
        for key, value in values.items()
        if loaded[section][key] != value
    ]
    assert not changed, f"config.toml: not the default: {', '.join(changed)}"


def test_the_example_has_every_key() -> None:
    schema = leaves(attrs.asdict(Config()))  # an empty `options` has no leaves
    missing = schema - leaves(tomllib.loads(EXAMPLE.read_text()))
    assert not missing, f"config.toml lacks {', '.join(sorted(missing))}"


def test_the_providers_read_their_tables_of_the_example(tmp_path: Path) -> None:
    # `# key = value` and `# [table]` are what a reader takes the # away from.
    line = re.compile(r"^# (?=\[\w+\.[\w-]+\]$|\w+ = )", re.MULTILINE)
    text = line.sub("", EXAMPLE.read_text())
    file = tmp_path / "config.toml"
    file.write_text(text)
    config = load_config(file, environ={"OPENAI_API_KEY": ""})
    read = set()
    for kind in get_args(Kind):
        for name, table in getattr(getattr(config, kind, None), "options", {}).items():
            options = provider(kind, name).options
            where = f"config.toml: {kind}.{name}"
            assert structure_options(options, table, where) == options(), where
            read.add(f"[{kind}.{name}]")
    assert read == set(re.findall(r"^\[\w+\.[\w-]+\]$", text, re.MULTILINE)) != set()


def test_no_file_is_the_defaults() -> None:
    assert load_config(None) == Config()


def test_a_missing_file_says_how_to_get_one(file: Path) -> None:
    with pytest.raises(ConfigError, match=r"config.toml: no such") as caught:
        load_config(file)
    assert "trioagent --config PATH" in caught.value.hint


def test_a_folder_is_no_file(tmp_path: Path) -> None:
    assert refusal(tmp_path) == [f"{tmp_path}: cannot be read: Is a directory"]


def test_bytes_that_are_not_utf_8(file: Path) -> None:
    file.write_bytes(b'[agent]\nsystem_prompt = "\xe4"\n')
    assert refusal(file) == ["config.toml: line 2: not UTF-8 text (byte 0xe4)"]


def test_a_byte_order_mark_and_windows_line_ends_are_fine(file: Path) -> None:
    file.write_bytes("\ufeff[turn]\r\nhold_ms = 300\r\n".encode())
    assert load_config(file).turn.hold_ms == 300


@pytest.mark.parametrize(
    ("text", "line", "shown"),
    [
        (
            "[turn]\n  hold_ms = fast\n",
            "line 2, column 13: Invalid value",
            "hold_ms = fast",
        ),
        ("[turn]\nhold_ms = [1,", "line 2, column 14: Invalid value", "hold_ms = [1,"),
        (
            "[turn]\nhold_ms = 1\nhold_ms = 2\n",
            "line 3, column 12: Cannot overwrite a value",
            "hold_ms = 2",
        ),
        (
            "[mumble]\npassword = hush\n",
            "line 2, column 12: Invalid value",
            "password = ***",
        ),
        (
            '[mumble]\ntokens = [\n  "hush" "x"\n]',
            "line 3, column 10: Unclosed array",
            "***",
        ),
    ],
)
def test_broken_toml_is_shown(file: Path, text: str, line: str, shown: str) -> None:
    file.write_text(text)
    assert refusal(file) == [f"config.toml: {line}", f"    {shown}"]


@pytest.mark.parametrize("text", ["x = " + "1" * 5000, "x = " + "[" * 100_000])
def test_absurd_toml_is_refused_and_not_a_crash(file: Path, text: str) -> None:
    file.write_text(text)
    assert refusal(file)[0].startswith("config.toml: ")
