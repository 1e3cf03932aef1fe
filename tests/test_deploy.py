"""What is in deploy/, checked by the programs that read it, where they are installed.

None of it is started here but the Mumble server: there is no Docker daemon, no systemd
and no GPU in a test.
"""

from __future__ import annotations

import getpass
import re
import shutil
import socket
import subprocess
import time
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import attrs
import pytest
import yaml

from trioagent.app import open_room
from trioagent.cli.arguments import parser
from trioagent.config import MumbleConfig
from trioagent.configuration.file import load_config
from trioagent.errors import RoomRejected

if TYPE_CHECKING:
    from collections.abc import Iterator

DEPLOY = Path(__file__).parents[1] / "deploy"
COMPOSE = [["compose.yaml"], ["compose.yaml", "compose.eager.yaml"]]
UNITS = sorted((DEPLOY / "systemd").glob("*.service"))
# Of systemd-analyze's 10: below 2 is what it calls OK, and no unit of ours is above.
MOST_EXPOSED = 20
PROGRAM = re.compile(r"^ExecStart=/opt/\S+", re.MULTILINE)
OURS = re.compile(r"^ExecStart=/opt/trioagent/bin/trioagent (.*)$", re.MULTILINE)


def needs(program: str, package: str) -> pytest.MarkDecorator:
    return pytest.mark.skipif(
        shutil.which(program) is None,
        reason=f"{program} is not installed (Debian: {package})",
    )


def run(*command: str, **environ: str) -> subprocess.CompletedProcess[str]:
    path = {"PATH": "/usr/local/bin:/usr/bin:/bin:/usr/sbin:/sbin", "HOME": "/tmp"}
    return subprocess.run(
        command, capture_output=True, text=True, check=False, env=path | environ
    )


def service(file: str, name: str) -> dict[str, Any]:
    services = yaml.safe_load((DEPLOY / file).read_text(encoding="utf-8"))["services"]
    found: dict[str, Any] = services[name]
    return found


# --- compose


@pytest.mark.parametrize("files", COMPOSE)
@needs("docker-compose", "docker-compose")
def test_compose_accepts_it(files: list[str]) -> None:
    named = [argument for file in files for argument in ("-f", str(DEPLOY / file))]
    said = run("docker-compose", *named, "config", MUMBLE_PASSWORD="secret")
    assert said.returncode == 0, said.stderr
    services = yaml.safe_load(said.stdout)["services"]
    assert set(services) == {"murmur", "vllm", "whisper", "trioagent"}
    eager = "--enforce-eager" in services["vllm"]["command"]
    assert eager is ("compose.eager.yaml" in files)


@needs("docker-compose", "docker-compose")
def test_compose_wants_a_password() -> None:
    said = run("docker-compose", "-f", str(DEPLOY / "compose.yaml"), "config")
    assert said.returncode != 0
    assert "MUMBLE_PASSWORD" in said.stderr


def test_the_eager_variant_differs_in_one_line() -> None:
    usual = service("compose.yaml", "vllm")["command"]
    eager = service("compose.eager.yaml", "vllm")["command"]
    assert eager == [*usual, "--enforce-eager"]


def test_only_the_mumble_server_is_open_to_the_world() -> None:
    services = yaml.safe_load((DEPLOY / "compose.yaml").read_text())["services"]
    assert [name for name, one in services.items() if "ports" in one] == ["murmur"]
    for name, one in services.items():
        assert one["cap_drop"] == ["ALL"], name
        assert one["security_opt"] == ["no-new-privileges:true"], name
        assert "privileged" not in one, name


def test_what_is_built_and_mounted_is_there() -> None:
    services = yaml.safe_load((DEPLOY / "compose.yaml").read_text())["services"]
    for name, one in services.items():
        build = one.get("build")
        if isinstance(build, str):
            assert (DEPLOY / build / "Dockerfile").is_file(), name
        elif build:
            assert (DEPLOY / build["context"] / build["dockerfile"]).is_file(), name
        for volume in one.get("volumes", ()):
            if volume.startswith("."):
                assert (DEPLOY / volume.split(":")[0]).is_file(), volume


@pytest.mark.parametrize("dockerfile", sorted(DEPLOY.glob("*/Dockerfile")), ids=str)
def test_what_a_dockerfile_copies_is_there(dockerfile: Path) -> None:
    text = dockerfile.read_text(encoding="utf-8")
    of_repository = "docker build -f" in text
    context = DEPLOY.parent if of_repository else dockerfile.parent
    copied = re.findall(r"^COPY (?:--\S+ )*(.+) \S+$", text, re.MULTILINE)
    for source in " ".join(copied).split():
        assert (context / source).exists(), source
    assert re.search(r"^USER (?!root)", text, re.MULTILINE), "runs as root"


def test_compose_and_the_agent_agree_on_names() -> None:
    services = yaml.safe_load((DEPLOY / "compose.yaml").read_text())["services"]
    text = (DEPLOY / "config.toml").read_text(encoding="utf-8")
    for host, port in re.findall(r'"\w+://([a-z]+):(\d+)', text):
        assert any(port in part for part in services[host]["command"]), host
    assert 'server = "murmur"' in text
    variables = set(re.findall(r"^[^#]*\$\{(\w+)\}", text, re.MULTILINE))
    assert variables <= set(services["trioagent"]["environment"])


def test_the_agents_configuration_can_be_read() -> None:
    config = load_config(DEPLOY / "config.toml", (), {"MUMBLE_PASSWORD": "secret"})
    assert config.asr.provider == "wyoming"
    assert config.mumble.password == "secret"


# --- the Mumble server


@needs("murmurd", "mumble-server")
@pytest.mark.parametrize("password", ['a"b', "a\\b", ""])
def test_murmur_does_not_start_with_a_password_it_would_misread(
    tmp_path: Path, password: str
) -> None:
    start = str(DEPLOY / "murmur/start")
    said = run(start, MUMBLE_PASSWORD=password, MURMUR_RUN=str(tmp_path))
    assert said.returncode == 2
    assert "MUMBLE_PASSWORD" in said.stderr


@contextmanager
def murmur(folder: Path, password: str) -> Iterator[int]:
    """The server as its container starts it, on a free port."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port: int = free.getsockname()[1]
    ini = (DEPLOY / "murmur/murmur.ini").read_text(encoding="utf-8")
    ini = ini.replace("/var/lib/murmur", str(folder)).replace("64738", str(port))
    # The tests may run as root, which it would give up.
    (folder / "murmur.in").write_text(f"{ini}uname={getpass.getuser()}\n")
    environ = {"MUMBLE_PASSWORD": password, "MURMUR_INI": str(folder / "murmur.in")}
    path = {"PATH": "/usr/sbin:/usr/bin:/bin", "MURMUR_RUN": str(folder)}
    server = subprocess.Popen([DEPLOY / "murmur/start"], env=environ | path)
    try:
        _wait_for(port)
        yield port
    finally:
        server.terminate()
        server.wait(10)


def _wait_for(port: int) -> None:
    for _ in range(200):
        try:
            socket.create_connection(("127.0.0.1", port), 1).close()
        except OSError:
            time.sleep(0.05)
        else:
            return
    pytest.fail(f"nobody listens on port {port}")


@needs("murmurd", "mumble-server")
async def test_only_who_knows_the_password_joins(tmp_path: Path) -> None:
    with murmur(tmp_path, "open sesame") as port:
        assert (tmp_path / "murmur.ini").stat().st_mode & 0o077 == 0
        right = MumbleConfig(
            server="127.0.0.1",
            port=port,
            password="open sesame",
            pin_file=str(tmp_path / "pins"),
        )
        async with open_room(right) as room:
            assert room.name == right.user
        with pytest.raises(RoomRejected, match="password"):
            async with open_room(attrs.evolve(right, password="sesame")):
                pytest.fail("it let us in")


# --- systemd


@pytest.fixture
def units(tmp_path: Path) -> Path:
    """The units, with programs that are there: systemd looks for them."""
    shutil.copytree(DEPLOY / "systemd", tmp_path / "units")
    for unit in (tmp_path / "units").glob("*.service"):
        text = unit.read_text(encoding="utf-8")
        there, count = re.subn(
            r"^ExecStart=/opt/\S+", "ExecStart=/bin/true", text, flags=re.MULTILINE
        )
        assert count == 1
        unit.write_text(there, encoding="utf-8")
    return tmp_path / "units"


@needs("systemd-analyze", "systemd")
@pytest.mark.parametrize("unit", [unit.name for unit in UNITS])
def test_systemd_accepts_it(units: Path, unit: str) -> None:
    said = run("systemd-analyze", "verify", str(units / unit))
    assert said.returncode == 0, said.stderr
    ours = [line for line in said.stderr.splitlines() if "trioagent" in line]
    assert ours == []


@needs("systemd-analyze", "systemd")
@pytest.mark.parametrize("unit", [unit.name for unit in UNITS])
def test_it_may_not_do_much(units: Path, unit: str) -> None:
    said = run(
        "systemd-analyze",
        "security",
        "--offline=true",
        f"--threshold={MOST_EXPOSED}",
        str(units / unit),
    )
    if "unrecognized option" in said.stderr:
        pytest.skip("systemd is older than 250")
    assert said.returncode == 0, said.stdout[-300:]


@pytest.mark.parametrize("unit", [unit.name for unit in UNITS])
def test_the_command_of_a_unit_is_one_that_we_have(unit: str) -> None:
    text = (DEPLOY / "systemd" / unit).read_text(encoding="utf-8")
    found = re.search(
        r"^ExecStart=/opt/trioagent/bin/trioagent (.*)$", text, re.MULTILINE
    )
    if not found:
        assert unit in {"trioagent-vllm.service", "trioagent-whisper.service"}
        return
    for kind in ("asr", "tts"):
        arguments = found[1].replace("%i", kind).replace(" $SERVE_OPTIONS", "").split()
        assert parser().parse_args(arguments).config


def test_all_ways_serve_the_model_alike() -> None:
    """Compose, systemd and NixOS have the same settings for vLLM."""
    wanted = service("compose.yaml", "vllm")["command"]
    unit = (DEPLOY / "systemd/trioagent-vllm.service").read_text().replace("\\\n", "")
    module = (DEPLOY / "nixos/module.nix").read_text()
    for flag in wanted:
        name, _, value = flag.partition("=")
        if name in {"--model", "--host", "--gpu-memory-utilization"}:
            continue
        assert re.search(rf"{name}\s+{value}" if value else name, unit), flag
        assert f'"{flag}"' in module, flag


# --- NixOS


@needs("nix-instantiate", "nix-bin")
def test_nix_can_parse_the_module(tmp_path: Path) -> None:
    module = str(DEPLOY / "nixos/module.nix")
    said = run("nix-instantiate", "--parse", module, HOME=str(tmp_path))
    assert said.returncode == 0, said.stderr
