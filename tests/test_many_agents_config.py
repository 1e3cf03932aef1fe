"""Several agents in one file: what each has of its own, and what is refused."""

from __future__ import annotations

import tomllib
from typing import TYPE_CHECKING

import attrs
import pytest

from tests.helpers_config import refusal
from trioagent.cli.arguments import parser
from trioagent.cli.call import config_of_called
from trioagent.config import Config
from trioagent.configuration.file import load_agents, load_config, load_file
from trioagent.configuration.render import render_agents
from trioagent.errors import ConfigError
from trioagent.members import Member, members_of, names_of, naming

if TYPE_CHECKING:
    from pathlib import Path

TWO = """
[mumble]
server = "voice.example.org"
[agent]
history_turns = 5
[tts.espeak]
pitch = 40

[[agents]]
mumble = { user = "Robo", channel = "Games" }
tts = { espeak = { voice = "gmw/en" } }

[[agents]]
[agents.mumble]
user = "Miss Moneypenny"
[agents.agent]
system_prompt = "You are a secretary."
history_turns = 7
"""


@pytest.fixture
def file(tmp_path: Path) -> Path:
    return tmp_path / "config.toml"


def test_each_table_goes_over_what_all_share(file: Path) -> None:
    file.write_text(TWO)
    robo, secretary = load_agents(file)
    assert (robo.mumble.server, robo.mumble.user) == ("voice.example.org", "Robo")
    assert robo.mumble.channel == "Games"
    assert robo.tts.options == {"espeak": {"pitch": 40, "voice": "gmw/en"}}
    assert robo.agent.history_turns == 5
    assert secretary.mumble == attrs.evolve(
        load_config(file).mumble, user="Miss Moneypenny"
    )
    assert secretary.tts.options == {"espeak": {"pitch": 40}}
    assert secretary.agent.history_turns == 7
    assert secretary.agent.system_prompt == "You are a secretary."


def test_what_all_share_stands_alone(file: Path) -> None:
    file.write_text(TWO)
    shared = load_config(file)
    assert (shared.mumble.user, shared.agent.history_turns) == ("trioagent", 5)


def test_without_such_tables_there_is_one_agent(file: Path) -> None:
    file.write_text("[mumble]\nuser = 'Robo'\n")
    assert load_agents(file) == (load_config(file),)
    assert load_agents(None) == (Config(),)
    (alone,) = members_of(load_agents(file))
    assert alone.name == ""


def test_a_list_is_replaced_and_not_added_to(file: Path) -> None:
    file.write_text(
        'agents = [{llm = {providers = ["echo"]}}]\n[llm]\nproviders = ["openai"]\n'
    )
    assert load_agents(file)[0].llm.providers == ("echo",)


def test_overrides_go_to_what_all_share(file: Path) -> None:
    file.write_text(TWO)
    given = ["agent.history_turns=9", "mumble.port=5000"]
    robo, secretary = load_agents(file, given)
    assert (robo.agent.history_turns, secretary.agent.history_turns) == (9, 7)
    assert robo.mumble.port == secretary.mumble.port == 5000


def test_all_agents_at_once_can_be_given_as_an_override() -> None:
    made = load_agents(None, ['agents=[{mumble={user="a"}}, {mumble={user="b"}}]'])
    assert [config.mumble.user for config in made] == ["a", "b"]


@pytest.mark.parametrize("key", ["agents.0.mumble.user=x", "agents.mumble.user=x"])
def test_a_key_of_one_agent_is_no_override(file: Path, key: str) -> None:
    file.write_text(TWO)
    (line,) = refusal(file, key)
    assert line == (
        f"--set {key}: a key of one agent stands in its [[agents]] table of the file; "
        "--set sets what all share"
    )


@pytest.mark.parametrize(
    ("entry", "line"),
    [
        (
            "mumble = {usr = 'x'}",
            'agents[1].mumble.usr: unknown key; did you mean "user"?',
        ),
        (
            "mumble = {user = 5}",
            "agents[1].mumble.user: must be a string in quotes, is 5",
        ),
        (
            "mumbel = {user = 'x'}",
            'agents[1].mumbel: unknown key; did you mean "mumble"?',
        ),
        (
            "turn = {hold_ms = -5}",
            "agents[1].turn.hold_ms: must be between 0 and 10000, is -5",
        ),
        (
            "tts = {espeek = {pitch = 5}}",
            (
                "agents[1].tts.espeek: no tts provider has this name; did you mean "
                '"espeak"?'
            ),
        ),
        (
            "agent = {system_prompt = '${NOT_SET}'}",
            (
                "agents[1].agent.system_prompt: the environment variable NOT_SET "
                "is not set"
            ),
        ),
        (
            "status = {socket = 'x'}",
            (
                "agents[1].status: is the same for all agents: it stands in "
                "[status] of the file"
            ),
        ),
        (
            "journal = {log_format = 'json'}",
            (
                "agents[1].journal.log_format: is the same for all agents: it stands "
                "in [journal] of the file"
            ),
        ),
        ("mumble = 5", "agents[1].mumble: must be a table, is 5"),
    ],
)
def test_what_is_wrong_is_said_with_the_agents_number(
    file: Path, entry: str, line: str
) -> None:
    file.write_text(f"[[agents]]\nmumble = {{user = 'a'}}\n[[agents]]\n{entry}\n")
    assert refusal(file) == [f"{file}: {line}"]


@pytest.mark.parametrize(
    ("text", "line"),
    [
        ("agents = 5", "agents: must be tables, [[agents]], is a number"),
        ("[agents]\nmumble = {}", "agents: must be tables, [[agents]], is a table"),
        ("agents = [5]", "agents[0]: must be a table, is a number"),
    ],
)
def test_what_is_no_array_of_tables(file: Path, text: str, line: str) -> None:
    file.write_text(text)
    assert refusal(file) == [f"{file}: {line}"]


def test_what_is_wrong_in_what_all_share_is_said_once(file: Path) -> None:
    file.write_text("[turn]\nhold_ms = -1\n[[agents]]\n[[agents]]\nmumble = {port = 0}")
    assert refusal(file) == [
        f"{file}: turn.hold_ms: must be between 0 and 10000, is -1",
        f"{file}: agents[1].mumble.port: must be between 1 and 65535, is 0",
    ]


def together(*tables: str) -> str:
    """What is said of such agents."""
    with pytest.raises(ConfigError) as caught:
        load_agents(None, [f"agents=[{', '.join(tables)}]"])
    return caught.value.message


def test_two_of_one_name_on_one_server_are_refused() -> None:
    said = together('{mumble={server="A"}}', "{}", '{mumble={server="a"}}')
    assert said == (
        "agents[0] and agents[2] have the same name on the same server: "
        'mumble.user = "trioagent" on A:64738'
    )


def test_an_embedded_server_has_one_password() -> None:
    said = together("{}", '{mumble={user="b", password="secret"}}')
    assert said.startswith("agents[0] and agents[1] have different passwords")
    assert "secret" not in said


def test_a_latency_file_has_one_limit() -> None:
    said = together("{}", '{mumble={user="b"}, journal={max_mb=1}}')
    assert "journal.max_mb" in said
    assert "latency.jsonl" in said


def test_the_same_name_on_another_server_is_told_apart() -> None:
    configs = load_agents(
        None,
        ['agents=[{}, {mumble={server="b.example"}}, {mumble={user="c"}}]'],
    )
    assert names_of(configs) == [
        "trioagent@embedded:64738",
        "trioagent@b.example:64738",
        "c",
    ]


def test_those_that_record_into_one_folder_get_one_each(tmp_path: Path) -> None:
    configs = load_agents(
        None,
        [
            f'recording.folder="{tmp_path}"',
            (
                'agents=[{mumble={user="a/b"}}, {mumble={user="a:b"}}, '
                '{mumble={user="c"}, recording={folder="elsewhere"}}]'
            ),
        ],
    )
    folders = [member.config.recording.folder for member in members_of(configs)]
    assert folders == [str(tmp_path / "a-b"), str(tmp_path / "a-b-2"), "elsewhere"]


def test_what_is_rendered_loads_as_the_same(file: Path, tmp_path: Path) -> None:
    file.write_text(TWO)
    loaded = load_file(file)
    again = tmp_path / "again.toml"
    again.write_text(render_agents(loaded.common, loaded.agents))
    assert load_file(again) == loaded
    own = tomllib.loads(again.read_text())["agents"]
    assert own[1]["mumble"] == {"user": "Miss Moneypenny"}


def test_a_readable_secret_of_one_agent_is_warned_about(
    file: Path, caplog: pytest.LogCaptureFixture
) -> None:
    file.write_text('[[agents]]\nmumble = {password = "1234"}\n')
    file.chmod(0o644)
    load_agents(file)
    assert "agents" in caplog.text
    assert "1234" not in caplog.text


def test_a_call_goes_to_the_first_or_to_whom_it_names(file: Path) -> None:
    file.write_text(TWO)

    def called(*words: str) -> str:
        given = parser().parse_args(["call", "--config", str(file), *words])
        return config_of_called(given).mumble.user

    assert called("--say", "hello") == "Robo"
    assert called("--agent", "Miss Moneypenny") == "Miss Moneypenny"
    with pytest.raises(ConfigError, match="--agent Rob: no agent has this name"):
        called("--agent", "Rob")


@pytest.mark.parametrize(("name", "said"), [("", "no"), ("Robo", "Robo: no")])
def test_errors_begin_with_the_name_of_the_agent_if_it_has_one(
    name: str, said: str
) -> None:
    with pytest.raises(ConfigError) as caught, naming(Member(name, Config())):
        raise ConfigError("no")
    assert caught.value.message == said
