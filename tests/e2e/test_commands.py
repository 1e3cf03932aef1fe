"""The installed command in processes of its own: what it prints, and how it ends."""

from __future__ import annotations

import json
import os
import re
import shutil
import signal
import socket
import subprocess
import sys
import time
from contextlib import contextmanager
from pathlib import Path
from typing import IO, TYPE_CHECKING, Any

import attrs
import numpy as np
import pytest
import soundfile

from providers.rooms.murmurd import find_murmurd
from tests.e2e.agents import METRICS, free_port, overrides
from tests.helpers_speech import TINY_MODEL, say

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

PATIENCE_S = 30.0
LEAVE_S = 2.0
"""The goodbye takes one second at most; the rest is for a busy machine."""


@attrs.frozen
class Done:
    """How a command ended."""

    status: int
    out: str
    err: str

    @property
    def rows(self) -> list[dict[str, Any]]:
        return [json.loads(line) for line in self.out.splitlines()]


@attrs.frozen(eq=False)
class Command:
    """Runs `trioagent` in a folder, with a state folder and a port of its own."""

    folder: Path

    def argv(self, *words: str) -> list[str]:
        return [sys.executable, "-m", "trioagent", *words]

    def environ(self, **more: str) -> dict[str, str]:
        return {**os.environ, "XDG_STATE_HOME": str(self.folder / "state"), **more}

    def __call__(self, *words: str, **environ: str) -> Done:
        done = subprocess.run(
            self.argv(*words),
            cwd=self.folder,
            env=self.environ(**environ),
            capture_output=True,
            text=True,
            timeout=PATIENCE_S,
            check=False,
        )
        assert "Traceback" not in done.stderr, done.stderr
        return Done(done.returncode, done.stdout, done.stderr)

    @contextmanager
    def started(self, *words: str, **environ: str) -> Iterator[Agent]:
        with (
            (self.folder / "agent.err").open("w+") as err,
            subprocess.Popen(
                self.argv(*words, "--json"),
                cwd=self.folder,
                env=self.environ(**environ),
                stdout=subprocess.PIPE,
                stderr=err,
                text=True,
            ) as process,
        ):
            assert process.stdout is not None
            try:
                yield Agent(process, process.stdout, Path(err.name))
            finally:
                process.kill()


@attrs.frozen(eq=False)
class Agent:
    """An agent in a process of its own."""

    process: subprocess.Popen[str]
    out: IO[str]
    err_file: Path

    @property
    def log(self) -> str:
        return self.err_file.read_text()

    def until_ready(self) -> dict[str, Any]:
        line = self.out.readline()
        assert line, self.log
        row: dict[str, Any] = json.loads(line)
        assert row["event"] == "ready"
        return row

    def until(self, condition: Callable[[], object]) -> None:
        deadline = time.monotonic() + PATIENCE_S
        while not condition():
            assert time.monotonic() < deadline, self.log
            time.sleep(0.02)

    def leaves_well(self, number: signal.Signals) -> None:
        """Send a signal; it ends soon, with status 0, and murmurd with it."""
        servers = self.children()
        sent = time.monotonic()
        self.process.send_signal(number)
        assert self.process.wait(PATIENCE_S) == 0, self.log
        assert time.monotonic() - sent < LEAVE_S
        assert "Traceback" not in self.log, self.log
        self.until(lambda: not any(map(_alive, servers)))

    def children(self) -> list[int]:
        """Return the processes that it started and that still run."""
        task = Path(f"/proc/{self.process.pid}/task")
        found: list[int] = []
        for file in task.glob("*/children"):
            found += map(int, file.read_text().split())
        return found


def _name(pid: int) -> str:
    return Path(f"/proc/{pid}/cmdline").read_text()


def _alive(pid: int) -> bool:
    try:
        stat = Path(f"/proc/{pid}/stat").read_text()
    except FileNotFoundError:
        return False
    return stat.rpartition(")")[2].split()[0] != "Z"


def sets(*settings: str) -> list[str]:
    return [word for setting in settings for word in ("--set", setting)]


@pytest.fixture
def trioagent(tmp_path: Path) -> Command:
    _need_murmurd()
    return Command(tmp_path)


@pytest.fixture
def options(tmp_path: Path) -> list[str]:
    """An agent that works: embedded server, tiny recognizer, echo."""
    return sets(*overrides(tmp_path))


@attrs.frozen(eq=False)
class Shared:
    """An agent that stays in its room, and how it was started."""

    trioagent: Command
    options: list[str]
    address: str


@pytest.fixture(scope="module")
def shared(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Shared]:
    _need_murmurd()
    folder = tmp_path_factory.mktemp("shared")
    trioagent, options = Command(folder), sets(*overrides(folder))
    with trioagent.started(*options) as agent:
        address = agent.until_ready()["address"].rstrip("/")
        yield Shared(trioagent, options, address)
        agent.leaves_well(signal.SIGTERM)


def _need_murmurd() -> None:
    if find_murmurd() is None:
        pytest.skip("murmurd is not installed: apt-get install mumble-server")


# A conversation


def test_run_and_call_tell_programs_what_happened(
    trioagent: Command, options: list[str], tmp_path: Path
) -> None:
    pcm = say("good morning")
    stereo = np.stack([pcm, pcm], axis=1)[::2]
    soundfile.write(tmp_path / "stereo8k.wav", stereo, 8_000)
    with trioagent.started(*options) as agent:
        ready = agent.until_ready()
        assert ready["name"] == "trioagent"
        assert ready["address"].startswith("127.0.0.1:")
        called = trioagent(
            *("call", "stereo8k.wav", "--say", "turn on the light in the kitchen"),
            *("--interrupt-say", "stop", "--interrupt-at", "0.5"),
            *("--transcribe", "--json", "--save", "heard.wav", *options),
        )
        assert called.status == 0, called.err
        turns = [json.loads(agent.out.readline()) for _ in range(4)]
        agent.leaves_well(signal.SIGTERM)
    assert "2 channel(s) at 8000 Hz" in called.err
    recorded, spoken = [row for row in called.rows if not row["interrupts"]]
    assert recorded["said"] == "stereo8k.wav"
    assert spoken["said"] == "turn on the light in the kitchen"
    for row in (recorded, spoken):
        assert row["ttfa_ms"] > 0
        assert 0 < row["reply_s"] < 10
    assert spoken["stop_ms"] is not None
    assert 0 <= spoken["duck_ms"] <= spoken["stop_ms"]
    heard_s = soundfile.info(tmp_path / "heard.wav").duration
    assert heard_s > recorded["reply_s"]
    assert {turn["event"] for turn in turns} == {"turn"}
    assert sorted(turn["turn"] for turn in turns) == [1, 2, 3, 4]
    for turn in turns:
        assert turn.keys() >= METRICS | {"outcome", "speaker"}
    # One line of the log per turn, with what it cost, and not what was said.
    assert len(re.findall(r"TTFA=\d+ms ASR=\d+ms LLM=\d+ms TTS=\d+ms", agent.log)) >= 3
    assert "kitchen" not in agent.log


def test_a_dead_embedded_server_comes_back(
    trioagent: Command, options: list[str]
) -> None:
    with trioagent.started(*options) as agent:
        agent.until_ready()
        for pid in agent.children():
            os.kill(pid, signal.SIGKILL)
        agent.until(lambda: "back in the room" in agent.log)
        called = trioagent("call", "--say", "good morning", "--json", *options)
        assert called.status == 0, called.err + agent.log
        agent.leaves_well(signal.SIGINT)


def test_a_call_without_an_agent_fails(trioagent: Command, options: list[str]) -> None:
    done = trioagent("call", "--say", "hello", *options)
    assert done.status == 1
    assert "there is no embedded Mumble server" in done.err


def test_a_call_to_somebody_who_is_not_there_fails(shared: Shared) -> None:
    who = sets("mumble.user=nobody")
    done = shared.trioagent("call", "--say", "hi", *shared.options, *who)
    assert done.status == 1
    assert "nobody called 'nobody'" in done.err
    assert "who is there: trioagent" in done.err


def test_nobody_reading_any_more_is_no_error_of_ours(shared: Shared) -> None:
    calling = shared.trioagent.argv("call", "--say", "hello", "--json", *shared.options)
    with subprocess.Popen(
        calling,
        env=shared.trioagent.environ(),
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    ) as caller:
        assert caller.stdout is not None
        caller.stdout.close()
        assert caller.wait(PATIENCE_S) == 1
        assert caller.stderr is not None
        assert "BrokenPipe" not in caller.stderr.read()


# Leaving


def _loading(agent: Agent) -> None:
    agent.until(lambda: "recognizer: sherpa" in agent.log)


def _server_starting(agent: Agent) -> None:
    agent.until(lambda: "synthesizer: espeak" in agent.log and agent.children())


def _idle(agent: Agent) -> None:
    agent.until_ready()


@pytest.mark.parametrize(
    ("moment", "number"),
    [
        (_loading, signal.SIGTERM),
        (_server_starting, signal.SIGINT),
        (_idle, signal.SIGINT),
        (_idle, signal.SIGTERM),
    ],
)
def test_a_signal_ends_it_at_any_moment(
    moment: Callable[[Agent], None],
    number: signal.Signals,
    trioagent: Command,
    options: list[str],
) -> None:
    with trioagent.started(*options) as agent:
        moment(agent)
        agent.leaves_well(number)


def test_a_signal_ends_it_while_it_speaks(
    trioagent: Command, options: list[str]
) -> None:
    # Three seconds of words, half a second of silence, three of the reply.
    text = "turn on the light in the kitchen and tell me a story about alice"
    with trioagent.started(*options) as agent:
        agent.until_ready()
        with subprocess.Popen(
            trioagent.argv("call", "--say", text, *options),
            cwd=trioagent.folder,
            env=trioagent.environ(),
            stderr=subprocess.PIPE,
            text=True,
        ) as caller:
            assert caller.stderr is not None
            while "Voice goes over UDP" not in caller.stderr.readline():
                assert caller.poll() is None
            time.sleep(5)
            assert caller.poll() is None
            agent.leaves_well(signal.SIGINT)
            _, err = caller.communicate(timeout=PATIENCE_S)
            assert caller.returncode == 1
    assert "left" in err or "lost" in err
    assert "Traceback" not in err


# The doctor


def test_doctor_is_content(trioagent: Command, options: list[str]) -> None:
    secrets = sets('mumble.password="open sesame"', 'mumble.tokens=["friend"]')
    found = trioagent("doctor", *options, *secrets)
    assert found.status == 0, found.out
    assert "FAIL" not in found.out
    assert found.out.count("ok  ") == 5
    assert 'provider = "sherpa"' in found.out
    assert "open sesame" not in found.out + found.err
    assert "friend" not in found.out + found.err


def test_doctor_names_what_is_missing_and_what_to_do(
    trioagent: Command, options: list[str], tmp_path: Path
) -> None:
    port = free_port()
    found = trioagent(
        *("doctor", "--json", *options),
        *sets(
            f'asr.model="{tmp_path}/nowhere"',
            'llm.providers=["openai"]',
            f'llm.openai.base_url="http://127.0.0.1:{port}/v1"',
            'llm.openai.api_key="very-secret"',
        ),
    )
    assert found.status == 1
    rows = {row["part"]: row for row in found.rows}
    bad = {part for part, row in rows.items() if not row["ok"]}
    assert bad == {"recognizer", "language model"}
    assert f"{tmp_path}/nowhere" in rows["recognizer"]["detail"]
    assert f"127.0.0.1:{port}" in rows["language model"]["detail"]
    assert all(rows[part]["hint"] for part in bad)
    assert "very-secret" not in found.out + found.err


# Wrong configuration: status 2, and a word about each mistake


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("[turn\n", ["agent.toml", "line 1"]),
        ("[turn]\nhold = 3\n", ["agent.toml", "turn.hold", "hold_ms"]),
        ("[trun]\n", ["agent.toml", "trun", "turn"]),
        ("[turn]\nhold_ms = 'long'\n", ["agent.toml", "turn.hold_ms"]),
        ("[turn]\nhold_ms = -1\n", ["agent.toml", "turn.hold_ms", "-1"]),
        ("[mumble]\nport = 70000\n", ["mumble.port", "70000"]),
        ("[llm]\nproviders = ['opnai']\n", ["opnai", "openai"]),
        (
            "[mumble]\npassword = '${NO_SUCH_NAME}'\n",
            ["mumble.password", "NO_SUCH_NAME"],
        ),
    ],
)
def test_a_wrong_file_is_refused(
    text: str, told: list[str], trioagent: Command, tmp_path: Path
) -> None:
    (tmp_path / "agent.toml").write_text(text)
    done = trioagent("--config", "agent.toml")
    assert done.status == 2, done.err
    assert [word for word in told if word not in done.err] == [], done.err


def test_a_missing_file_is_named(trioagent: Command) -> None:
    done = trioagent("--config", "nowhere.toml")
    assert done.status == 2
    assert "nowhere.toml" in done.err


@pytest.mark.parametrize(
    ("words", "told"),
    [
        (["--set", "turn.hold_mss=3"], ["turn.hold_mss", "hold_ms"]),
        (["--set", "turn.hold_ms"], ["turn.hold_ms"]),
        (["--set", "turn.hold_ms=soon"], ["turn.hold_ms", "soon"]),
        (["--set", 'asr.model="nowhere"'], ["nowhere", "models list"]),
        (["call"], ["nothing to say"]),
        (["dance"], ["dance"]),
        (["call", "--say", "hi", "--save", "nowhere/hi.wav"], ["nowhere/hi.wav"]),
        (["call", "nowhere.wav"], ["nowhere.wav"]),
        (["call", "text.wav"], ["text.wav", "not a sound file"]),
        (["call", "empty.wav"], ["empty.wav"]),
    ],
)
def test_wrong_words_are_refused(
    words: list[str], told: list[str], trioagent: Command, tmp_path: Path
) -> None:
    (tmp_path / "text.wav").write_text("this is no sound at all\n" * 100)
    soundfile.write(tmp_path / "empty.wav", np.zeros(0, np.int16), 16_000)
    done = trioagent(*words)
    assert done.status == 2, done.err
    assert [word for word in told if word not in done.err] == [], done.err


def test_a_recording_of_silence_is_refused(shared: Shared) -> None:
    quiet = shared.trioagent.folder / "quiet.wav"
    soundfile.write(quiet, np.zeros(16_000, np.int16), 16_000)
    done = shared.trioagent("call", "quiet.wav", *shared.options)
    assert done.status == 2, done.err
    assert "quiet.wav: there is only silence in it" in done.err


# What is not there: status 1


@pytest.mark.parametrize(
    ("setting", "told"),
    [
        ('mumble.server="no-such-host.invalid"', "no-such-host.invalid"),
        ('mumble.server="127.0.0.1"', "127.0.0.1"),
        ('asr.model="./nowhere"', "nowhere"),
        ('asr.model="half"', "joiner"),
    ],
)
def test_what_cannot_be_used_is_named(
    setting: str, told: str, trioagent: Command, options: list[str], tmp_path: Path
) -> None:
    half = tmp_path / "half"
    half.mkdir()
    for file in TINY_MODEL.glob("*"):
        if "joiner" not in file.name:
            shutil.copy(file, half)
    done = trioagent(*options, *sets(setting))
    assert done.status == 1, done.err
    assert told in done.err


def test_a_taken_port_is_named(shared: Shared) -> None:
    done = shared.trioagent(*shared.options)
    assert done.status == 1, done.err
    assert f"{shared.address} is taken" in done.err
    # The one that has it was not disturbed.
    called = shared.trioagent("call", "--say", "hello", *shared.options)
    assert called.status == 0, called.err


def test_something_else_on_the_port_is_named(
    trioagent: Command, tmp_path: Path
) -> None:
    with socket.create_server(("127.0.0.1", 0)) as other:
        port = other.getsockname()[1]
        done = trioagent(*sets(*overrides(tmp_path, mumble__port=port)))
    assert done.status == 1, done.err
    assert f"127.0.0.1:{port} is taken" in done.err


def test_a_missing_murmurd_is_named_with_its_package(
    trioagent: Command, options: list[str], tmp_path: Path
) -> None:
    # What a machine without the package has: it is on no path.
    code = (
        "import sys, providers.rooms.murmurd as m; m.PROGRAM_PATH = '';"
        "from trioagent.cli import main; sys.exit(main(sys.argv[1:]))"
    )
    done = subprocess.run(
        [sys.executable, "-c", code, *options],
        cwd=tmp_path,
        env={
            **trioagent.environ(),
            "PATH": str(tmp_path),
            "PYTHONPATH": str(Path.cwd()),
        },
        capture_output=True,
        text=True,
        timeout=PATIENCE_S,
        check=False,
    )
    assert done.returncode == 1, done.stderr
    assert "murmurd" in done.stderr
    assert "apt-get install mumble-server" in done.stderr
    assert "Traceback" not in done.stderr
