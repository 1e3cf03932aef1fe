"""Canaries: secrets go in by every door, and everything that comes out is searched.

Real parts: the agent's own process, murmurd with a password, and a language model that
refuses the key and says it back wherever a server can say something.
"""

from __future__ import annotations

import json
import subprocess
import sys
from typing import TYPE_CHECKING

import pytest
import trio

from providers.rooms.murmurd import find_murmurd
from tests.e2e.agents import free_port
from tests.helpers_canaries import (
    HEADER,
    KEY,
    START_S,
    agent_process,
    commands,
    config_text,
    environ,
    environment_of,
    exposed,
    family,
    files,
    found_in,
    found_in_files,
    say_hello,
    servers,
)
from tests.helpers_speech import TINY_MODEL

if TYPE_CHECKING:
    from pathlib import Path

INI = b"-ini"
OURS = {"config.toml", "tmp", "run"}


async def test_no_secret_comes_out_of_a_running_agent(tmp_path: Path) -> None:
    async with servers(tmp_path) as (file, config, llm):
        async with agent_process(tmp_path, "--config", str(file), "--json") as agent:
            await agent.until(b"listens in")
            await say_hello(config)
            await agent.until(b"401")
            status = await trio.run_process(
                [sys.executable, "-m", "trioagent", "status", "--config", str(file)],
                env=environ(tmp_path),
                capture_stdout=True,
                stderr=subprocess.STDOUT,
                check=False,
            )
            shown = commands(family(agent.process.pid))
        assert llm.requests, "the key was used"
        assert llm.requests[0].headers["authorization"] == f"Bearer {KEY}"
        assert llm.requests[0].headers["x-secret"] == f"Token {HEADER}"
    assert b"is no key of ours" in agent.err, "what the server said is shown"
    assert agent.process.returncode == 0, agent.err.decode()
    assert len(shown) > 1, "the recognizer runs in a process of its own"
    assert not any(found_in(command) for command in shown)
    assert b"turn" in status.stdout
    assert not found_in(status.stdout), status.stdout.decode()
    assert not found_in(agent.err), agent.err.decode()
    assert not found_in(agent.out)
    assert files(tmp_path, "recordings/*/turn.jsonl")
    assert (tmp_path / "latency.jsonl").stat().st_size
    assert found_in_files(tmp_path) == {}
    assert exposed(tmp_path, made_by_us=OURS) == []


async def test_no_secret_comes_out_of_the_doctor(tmp_path: Path) -> None:
    async with servers(tmp_path) as (file, _, _llm), trio.open_nursery() as nursery:
        for words in (("--json",), ()):
            nursery.start_soon(check_doctor, tmp_path, file, words)
    assert found_in_files(tmp_path) == {}


async def check_doctor(folder: Path, file: Path, words: tuple[str, ...]) -> None:
    argv = [sys.executable, "-m", "trioagent", "--log-level", "debug", "doctor"]
    # Two visitors of one server need two names.
    name = f"mumble.user=visitor{len(words)}"
    with trio.fail_after(START_S):
        done = await trio.run_process(
            [*argv, *words, "--config", str(file), "--set", name],
            env=environ(folder),
            capture_stdout=True,
            capture_stderr=True,
            check=False,
        )
    assert b"401" in done.stdout, "it asked for a reply"
    if words:
        assert all(json.loads(line)["part"] for line in done.stdout.splitlines())
    else:
        assert b'password = "***"' in done.stdout
        assert b'api_key = "***"' in done.stdout
    assert not found_in(done.stdout), done.stdout.decode()
    assert not found_in(done.stderr), done.stderr.decode()


CRASH = """\
import sys
import trioagent.app as app

async def crash(*parts):
    config = parts[0].members[0].config
    raise RuntimeError(f"planted: {config!r}")

app.Fleet.run = crash
from trioagent.cli import main
sys.exit(main(sys.argv[1:]))
"""


async def test_no_secret_comes_out_of_a_traceback(tmp_path: Path) -> None:
    """A bug that shows the whole configuration, in the worst place."""
    file = tmp_path / "config.toml"
    file.write_text(config_text(tmp_path, free_port(), "http://127.0.0.1:1/v1"))
    done = await trio.run_process(
        [sys.executable, "-c", CRASH, "--log-level", "debug", "--config", str(file)],
        env=environ(tmp_path),
        capture_stdout=True,
        capture_stderr=True,
        check=False,
    )
    assert b"RuntimeError: planted: Config(" in done.stderr
    assert b"MumbleConfig(server='127.0.0.1'" in done.stderr
    assert not found_in(done.stderr), done.stderr.decode()
    assert not found_in(done.stdout)


async def test_the_embedded_server_keeps_its_password(tmp_path: Path) -> None:
    if find_murmurd() is None:
        pytest.skip("murmurd is not installed: apt-get install mumble-server")
    file = tmp_path / "config.toml"
    file.write_text(
        f'[mumble]\nport = {free_port()}\npassword = "${{CANARY_PASSWORD}}"\n'
        f'[asr]\nprovider = "sherpa"\nmodel = "{TINY_MODEL}"\n'
        '[journal]\nlatency_file = ""\n'
    )
    async with agent_process(tmp_path, "--config", str(file)) as agent:
        await agent.until(b"listens in")
        pids = family(agent.process.pid)
        shown = commands(pids)
        (server,) = (p for p, words in zip(pids, shown, strict=True) if INI in words)
        environment = environment_of(server)
        assert exposed(tmp_path, made_by_us={*OURS, "cert.pem"}) == []
        (ini,) = files(tmp_path, "tmp/*/murmur.ini")
        assert found_in(ini.read_bytes()) == {"CANARY_PASSWORD"}
        assert files(tmp_path, "tmp/*/murmur.sqlite")
    assert not any(found_in(command) for command in shown)
    assert b"PATH=" in environment
    assert not found_in(environment), "keys of others are none of murmurd's business"
    assert not found_in(agent.err), agent.err.decode()
    assert found_in_files(tmp_path) == {}, "and it ends with the server"
