"""llama.cpp's server, the real one, with a tiny model that counts.

Its library comes from PyPI, ready built, into a virtual environment of its own in the
user's cache, which is made once and takes 10 seconds (35 MB to fetch).
"""

from __future__ import annotations

import atexit
import functools
import json
import subprocess
import sys
from pathlib import Path

import attrs
import platformdirs

VERSION = "2026.10.11549"
PACKAGES = [f"xllamacpp=={VERSION}", "gguf==0.19.0"]
INSTALL_TIMEOUT_S = 90
SERVER = Path(__file__).with_name("llama_server.py")


@attrs.frozen(eq=False)
class LlamaServer:
    """A running server. `url` is its base URL, with "/v1"."""

    url: str
    process: subprocess.Popen[str]

    def kill(self) -> None:
        self.process.kill()
        self.process.communicate()


@functools.cache
def the_server() -> LlamaServer:
    """Started when it is needed first."""
    server = start()
    atexit.register(server.kill)
    return server


def start() -> LlamaServer:
    """Start a server, which ends with us."""
    python, _ = _environment()
    process = subprocess.Popen(
        [python, SERVER, python.parent.parent],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
    )
    assert process.stdout is not None
    line = process.stdout.readline()
    assert line, f"llama.cpp does not start: run {python} {SERVER} /tmp to see why"
    return LlamaServer(json.loads(line)["url"], process)


def missing() -> str:
    """Why there is no server here; empty if there is."""
    _, reason = _environment()
    return f"pip cannot install llama.cpp (xllamacpp): {reason}" if reason else ""


@functools.cache
def _environment() -> tuple[Path, str]:
    """The interpreter that has the packages, or why there is none; tried once."""
    version = f"{sys.version_info.major}.{sys.version_info.minor}"
    name = f"llama.cpp-{VERSION}-python{version}"
    folder = platformdirs.user_cache_path("trioagent") / "tests" / name
    python = folder / "bin" / "python"
    complete = folder / "complete"
    if complete.exists():
        return python, ""
    pip = [python, "-m", "pip", "install", "--quiet", "--disable-pip-version-check"]
    try:
        subprocess.run([sys.executable, "-m", "venv", "--clear", folder], check=True)
        subprocess.run(
            [*pip, "--only-binary", ":all:", *PACKAGES],
            check=True,
            capture_output=True,
            text=True,
            timeout=INSTALL_TIMEOUT_S,
        )
    except (subprocess.SubprocessError, OSError) as error:
        said = (getattr(error, "stderr", "") or str(error)).strip().splitlines()
        return python, said[-1]
    complete.touch()
    return python, ""
