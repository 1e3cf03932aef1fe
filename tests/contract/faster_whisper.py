"""The real wyoming-faster-whisper server, with the tiny model, offline.

It needs half a gigabyte of packages that nothing else here needs. So it gets a virtual
environment of its own in the user's cache, which is made once and takes a minute.
"""

from __future__ import annotations

import atexit
import functools
import shutil
import socket
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import platformdirs
import pytest

from tests.helpers_speech import TINY_MODEL

VERSION = "3.8.1"
PACKAGES = [f"wyoming-faster-whisper=={VERSION}", "sherpa-onnx>=2.0"]
INSTALL_TIMEOUT_S = 300
START_TIMEOUT_S = 30


@functools.cache
def the_server() -> str:
    """Its address; it is started when it is needed first. Skips what needs it."""
    python = _environment()
    folder = Path(tempfile.mkdtemp(prefix="faster-whisper-"))
    (folder / "tiny").symlink_to(TINY_MODEL)
    with socket.create_server(("127.0.0.1", 0)) as probe:
        port = probe.getsockname()[1]
    with (folder / "log").open("wb") as log:
        process = subprocess.Popen(
            [
                *(python, "-m", "wyoming_faster_whisper"),
                *("--uri", f"tcp://127.0.0.1:{port}", "--data-dir", folder),
                *("--stt-library", "sherpa", "--sherpa-streaming", "--model", "tiny"),
                *("--local-files-only", "--language", "en", "--cpu-threads", "1"),
            ],
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )
    atexit.register(_stop, process, folder)
    deadline = time.monotonic() + START_TIMEOUT_S
    while time.monotonic() < deadline and process.poll() is None:
        try:
            socket.create_connection(("127.0.0.1", port)).close()
        except OSError:
            time.sleep(0.05)
        else:
            return f"tcp://127.0.0.1:{port}"
    raise AssertionError((folder / "log").read_text())


def _stop(process: subprocess.Popen[bytes], folder: Path) -> None:
    process.kill()
    process.wait()
    shutil.rmtree(folder)


def _environment() -> Path:
    """The interpreter that has the packages."""
    version = f"{sys.version_info.major}.{sys.version_info.minor}"
    name = f"wyoming-faster-whisper-{VERSION}-python{version}"
    folder = platformdirs.user_cache_path("trioagent") / "tests" / name
    python = folder / "bin" / "python"
    complete = folder / "complete"
    if complete.exists():
        return python
    pip = [python, "-m", "pip", "install", "--quiet", "--disable-pip-version-check"]
    try:
        subprocess.run([sys.executable, "-m", "venv", "--clear", folder], check=True)
        subprocess.run(
            [*pip, *PACKAGES],
            check=True,
            capture_output=True,
            text=True,
            timeout=INSTALL_TIMEOUT_S,
        )
    except (subprocess.SubprocessError, OSError) as error:
        said = (getattr(error, "stderr", "") or str(error)).strip().splitlines()
        pytest.skip(f"pip cannot install wyoming-faster-whisper: {said[-1]}")
    complete.touch()
    return python
