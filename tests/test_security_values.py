"""Secrets in values, messages and files: what shows them, and what warns of them."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from contextlib import asynccontextmanager
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

import attrs
import pytest
import trio

from providers.http_errors import HttpErrors
from providers.llm.openai import PROVIDER
from providers.llm.openai import Options as LlmOptions
from providers.redaction import redacted
from providers.rooms.mumble.login import _rejected
from providers.rooms.mumble.messages import Authenticate, CryptSetup, Reject
from providers.rooms.murmurd import MurmurdSettings
from tests.helpers_canaries import (
    CANARIES,
    HEADER,
    KEY,
    PASSWORD,
    TOKEN,
    found_in,
)
from trioagent.config import Config, MumbleConfig
from trioagent.configuration.file import load_config
from trioagent.configuration.problems import SECRET_NAME, is_secret
from trioagent.registry import provider, provider_names

if TYPE_CHECKING:
    from collections.abc import AsyncIterator


def test_a_mumble_server_that_says_the_password_back_is_not_quoted() -> None:
    config = MumbleConfig(password=PASSWORD, tokens=(TOKEN,))
    reject = Reject(kind=4, reason=f"{PASSWORD} and {TOKEN} are wrong")
    error = _rejected(reject, config)
    assert "*** and *** are wrong" in error.message
    assert not found_in(str(error))


# --- values ----------------------------------------------------------------------


def test_no_value_shows_its_secrets() -> None:
    file = {"api_key": KEY, "headers": {"x": HEADER}}
    config = Config(mumble=MumbleConfig(password=PASSWORD, tokens=(TOKEN,)))
    for kind in ("asr", "llm", "tts", "vad"):
        section = attrs.evolve(getattr(config, kind), options={"openai": file})
        config = attrs.evolve(config, **{kind: section})
    values: list[object] = [
        config,
        LlmOptions(api_key=KEY, headers={"x": HEADER}),
        HttpErrors(
            api_key=KEY, connect_timeout_s=1.0, section="llm.openai", request_keys=""
        ),
        MurmurdSettings(
            certificate_folder=Path(), password=PASSWORD, superuser_password=TOKEN
        ),
        Authenticate(username="agent", password=PASSWORD, tokens=(TOKEN,)),
        CryptSetup(key=KEY.encode(), client_nonce=b"1", server_nonce=b"2"),
    ]
    for value in values:
        assert not found_in(repr(value)), repr(value)
        assert not found_in(str(value))


def test_every_secret_of_every_provider_is_kept_out_of_reprs() -> None:
    """Whatever a provider calls a secret, and what is named like one."""
    harmless = {"max_tokens", "max_completion_tokens", "usage"}
    seen = 0
    for kind in ("asr", "llm", "tts", "vad"):
        for name in provider_names(kind):  # type: ignore[arg-type]
            for field in attrs.fields(provider(kind, name).options):  # type: ignore[arg-type]
                named = SECRET_NAME.search(field.name) and field.type in (str, "str")
                if is_secret(field) or (named and field.name not in harmless):
                    seen += 1
                    assert is_secret(field), f"{kind}.{name}: {field.name}"
                    assert field.repr is False, f"{kind}.{name}: {field.name}"
    assert seen >= 4


@pytest.mark.parametrize(
    ("mode", "password", "warns"),
    [
        (0o644, PASSWORD, True),
        (0o640, PASSWORD, True),
        (0o600, PASSWORD, False),
        (0o644, "${CANARY_PASSWORD}", False),
        (0o644, "", False),
    ],
)
def test_a_secret_in_a_file_that_others_can_read_is_warned_about(
    tmp_path: Path,
    caplog: pytest.LogCaptureFixture,
    mode: int,
    password: str,
    warns: bool,
) -> None:
    file = tmp_path / "config.toml"
    file.write_text(
        f'[mumble]\npassword = "{password}"\nkey_file = "/etc/key.pem"\n'
        f'[agent]\nhistory_tokens = 3000\n[llm.openai]\napi_key = "{password}"\n'
    )
    file.chmod(mode)
    load_config(file, ["mumble.tokens=['--set']"], CANARIES)
    assert bool(caplog.records) == warns
    assert not found_in(caplog.text)
    if warns:
        assert "mumble.password" in caplog.text
        assert "llm.openai.api_key" in caplog.text
        assert "key_file" not in caplog.text
        assert "tokens" not in caplog.text
        assert f"chmod 600 {file}" in caplog.text


def test_of_secrets_that_hold_each_other_nothing_is_left() -> None:
    assert redacted("12345678 12345678-90 1234567", "12345678", "12345678-90") == (
        "*** *** 1234567"
    )


@pytest.mark.parametrize(
    "body",
    [
        f"Bearer {KEY}",
        json.dumps({"error": {"message": f"no: {KEY}"}}),
        json.dumps({"error": {"message": f"no: {KEY}"}}).replace("/", "\\/"),
        '{"error": "' + "".join(f"\\u{ord(c):04x}" for c in KEY) + '"}',
        json.dumps({"unknown": [KEY]}),
        "x" * 290 + KEY,
    ],
)
async def test_however_a_server_spells_the_key_it_is_not_repeated(body: str) -> None:
    async with open_raw_server(body) as url:
        options = LlmOptions(base_url=url, api_key=KEY)
        async with PROVIDER.open(options) as model:
            with pytest.raises(Exception, match="401") as caught:
                await model.check()
    assert not found_in(str(caught.value))
    assert not found_in(repr(caught.value))
    assert KEY[:12] not in str(caught.value), "nor half of it"


@asynccontextmanager
async def open_raw_server(body: str) -> AsyncIterator[str]:
    """Answers 401 with these bytes, and with the key in its reason."""
    head = f"HTTP/1.1 401 no {KEY}\r\nConnection: close\r\n\r\n"

    async def serve(stream: trio.SocketStream) -> None:
        await stream.receive_some()
        await stream.send_all((head + body).encode())

    async with trio.open_nursery() as nursery:
        listeners = await nursery.start(
            partial(trio.serve_tcp, serve, 0, host="127.0.0.1")
        )
        yield f"http://127.0.0.1:{listeners[0].socket.getsockname()[1]}/v1"
        nursery.cancel_scope.cancel()


# --- what libraries tell their makers --------------------------------------------

LOAD = """\
import os, trio
from providers.vad.silero import PROVIDER

async def main():
    async with PROVIDER.open(PROVIDER.options()):
        print(os.environ["ORT_DISABLE_TELEMETRY"])

trio.run(main)
"""


def test_onnxruntime_does_not_tell_its_maker_that_it_is_used(tmp_path: Path) -> None:
    """Where it does, it first writes a session's number into the folder for that."""
    (tmp_path / "tmp").mkdir()
    # It also keeps quiet where it takes itself to be in a build.
    quiet = ("CI", "ORT_DISABLE_TELEMETRY", "ORT_RUNNING_UNIT_TESTS")
    inherited = {key: v for key, v in os.environ.items() if key not in quiet}
    done = subprocess.run(
        [sys.executable, "-c", LOAD],
        env={
            **inherited,
            "HOME": str(tmp_path),
            "TMPDIR": str(tmp_path / "tmp"),
            "XDG_CACHE_HOME": str(tmp_path / "cache"),
            "PYTHONPATH": str(Path(__file__).parents[1]),
        },
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.stdout == "1\n", done.stderr
    assert [path.name for path in tmp_path.rglob("*")] == ["tmp"]
