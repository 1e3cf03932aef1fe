"""tools/audit with the real pip-audit, against an advisory service of our own.

That the public service knows what it should is not tested here: it needs a network.
"""

from __future__ import annotations

import importlib.util
import json
import os
import socket
import subprocess
import sys
import threading
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from collections.abc import Iterator

AUDIT = Path(__file__).parents[1] / "tools" / "audit"
VICTIM = "attrs"


def advisory(*, fixed: str | None) -> dict[str, Any]:
    events: list[dict[str, str]] = [{"introduced": "0"}]
    events += [{"fixed": fixed}] if fixed else []
    return {
        "id": "PYSEC-0000-1",
        "aliases": ["CVE-0000-0001"],
        "summary": "planted",
        "modified": "2026-01-01T00:00:00Z",
        "published": "2026-01-01T00:00:00Z",
        "affected": [
            {
                "package": {"name": VICTIM, "ecosystem": "PyPI"},
                "ranges": [{"type": "ECOSYSTEM", "events": events}],
            }
        ],
    }


@contextmanager
def osv(found: dict[str, Any] | None, status: int = 200) -> Iterator[tuple[str, Any]]:
    """An OSV service that knows one advisory, or answers with an error."""
    asked: list[str] = []

    class Service(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["Content-Length"]))
            name = json.loads(body)["package"]["name"]
            asked.append(name)
            vulns = [found] if found and name == VICTIM else []
            answer = json.dumps({"vulns": vulns} if vulns else {}).encode()
            self.send_response(status)
            self.send_header("Content-Length", str(len(answer)))
            self.end_headers()
            self.wfile.write(answer)

        def log_message(self, *args: object) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Service)
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_port}/v1/query", asked
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


def audit(url: str, *words: str) -> tuple[int, str]:
    environ = {**os.environ, "TRIOAGENT_AUDIT_OSV": url, "NO_PROXY": "127.0.0.1"}
    done = subprocess.run(
        [sys.executable, AUDIT, *words],
        env=environ,
        capture_output=True,
        text=True,
        check=False,
        timeout=120,
    )
    assert "Traceback" not in done.stderr, done.stderr
    return done.returncode, done.stderr


needs_pip_audit = pytest.mark.skipif(
    importlib.util.find_spec("pip_audit") is None, reason="pip-audit is not installed"
)


@pytest.fixture
def requirements(tmp_path: Path) -> tuple[str, ...]:
    """Two packages instead of all that is installed: quicker, and the same way."""
    file = tmp_path / "requirements.txt"
    file.write_text(f"{VICTIM}==24.2.0\ntrio==0.30.0\n")
    return ("--requirement", str(file), "--no-deps", "--disable-pip")


@needs_pip_audit
def test_a_vulnerability_with_a_fix_fails(requirements: tuple[str, ...]) -> None:
    with osv(advisory(fixed="99.1")) as (url, asked):
        status, said = audit(url, *requirements)
    assert sorted(asked) == [VICTIM, "trio"]
    assert status == 1
    assert "attrs 24.2.0: PYSEC-0000-1 CVE-0000-0001: fixed in 99.1" in said
    assert "2 packages looked up; 1 vulnerabilities to fix" in said


@needs_pip_audit
def test_one_without_a_fix_is_shown(requirements: tuple[str, ...]) -> None:
    with osv(advisory(fixed=None)) as (url, _):
        status, said = audit(url, *requirements)
    assert status == 0
    assert "PYSEC-0000-1 CVE-0000-0001: no fixed version yet" in said


@needs_pip_audit
def test_nothing_known_is_said(requirements: tuple[str, ...]) -> None:
    with osv(None) as (url, _):
        assert audit(url, *requirements) == (
            0,
            "audit: 2 packages looked up; 0 vulnerabilities to fix\n",
        )


@needs_pip_audit
def test_a_service_in_trouble_is_a_skip_and_no_pass(
    requirements: tuple[str, ...],
) -> None:
    with osv(None, 503) as (url, _):
        done, said = audit(url, *requirements)
    assert done == 0
    assert "SKIPPED, nothing was audited" in said


@needs_pip_audit
def test_no_network_is_a_skip(requirements: tuple[str, ...]) -> None:
    with socket.create_server(("127.0.0.1", 0)) as probe:
        port = probe.getsockname()[1]
    status, said = audit(f"http://127.0.0.1:{port}/", *requirements)
    assert status == 0
    assert f"SKIPPED, nothing was audited: http://127.0.0.1:{port}/" in said


@needs_pip_audit
def test_what_is_installed_is_looked_up() -> None:
    """Without a file, it is this environment."""
    with osv(advisory(fixed="99.1")) as (url, asked):
        status, said = audit(url)
    assert {VICTIM, "trio", "httpx"} <= set(asked)
    assert status == 1
    assert f"{VICTIM} " in said


def test_without_pip_audit_it_says_so() -> None:
    done = subprocess.run(
        # Isolated, and without site-packages: nothing is installed.
        [sys.executable, "-I", "-S", AUDIT],
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0
    assert "SKIPPED, nothing was audited: pip-audit is not installed" in done.stderr


def test_the_check_runs_it() -> None:
    check = (AUDIT.parent / "check").read_text(encoding="utf-8")
    assert '"$bin/python" tools/audit' in check
    assert "|| true" not in check
