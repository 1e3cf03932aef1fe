"""Which HTTP servers we talk to, and what of our keys others could read on the way."""

from __future__ import annotations

import ssl
from typing import TYPE_CHECKING, Any

import httpx
import pytest
import trustme

from providers.http_keys import is_local
from providers.llm.openai import PROVIDER as LLM
from providers.tts.openai import PROVIDER as TTS
from tests.helpers_tls import YESTERDAY, tls_server
from trioagent.errors import ProviderUnavailable

if TYPE_CHECKING:
    from pathlib import Path

KEY = "sk-canary-0123456789"


@pytest.mark.parametrize("wrong", ["authority", "host", "expired"])
async def test_https_of_a_provider_is_verified(
    wrong: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    ca = trustme.CA()
    ca.cert_pem.write_to_path(tmp_path / "ca.pem")
    if wrong != "authority":
        monkeypatch.setenv("SSL_CERT_FILE", str(tmp_path / "ca.pem"))
    name = "elsewhere.example" if wrong == "host" else "127.0.0.1"
    until = YESTERDAY if wrong == "expired" else None
    certificate = ca.issue_cert(name, not_after=until)
    async with tls_server(certificate) as port:
        options = LLM.options(base_url=f"https://127.0.0.1:{port}/v1", api_key=KEY)
        async with LLM.open(options) as model:
            with pytest.raises(ProviderUnavailable) as caught:
                await model.check()
    assert "CERTIFICATE_VERIFY_FAILED" in caught.value.message
    assert KEY not in str(caught.value)


def test_httpx_verifies_unless_told_otherwise() -> None:
    """That nobody tells it, says tests/test_security_source.py."""
    assert httpx.create_ssl_context().verify_mode is ssl.CERT_REQUIRED


@pytest.mark.parametrize(
    ("base_url", "options", "warns"),
    [
        ("http://llm.example/v1", {"api_key": KEY}, True),
        ("http://192.168.1.5:8000/v1", {"headers": {"x-key": KEY}}, True),
        ("https://llm.example/v1", {"api_key": KEY}, False),
        ("http://127.0.0.1:8000/v1", {"api_key": KEY}, False),
        ("http://[::1]:8000/v1", {"api_key": KEY}, False),
        ("http://localhost:8000/v1", {"api_key": KEY}, False),
        ("http://llm.example/v1", {}, False),
    ],
)
async def test_a_key_without_encryption_is_warned_about_once(
    base_url: str,
    options: dict[str, Any],
    warns: bool,
    caplog: pytest.LogCaptureFixture,
) -> None:
    async with LLM.open(LLM.options(base_url=base_url, **options)):
        pass
    assert len(caplog.records) == warns
    assert KEY not in caplog.text
    if warns:
        assert "without encryption" in caplog.text
        assert "[llm.openai]" in caplog.text


async def test_a_key_for_a_voice_is_warned_about_too(
    caplog: pytest.LogCaptureFixture,
) -> None:
    options = TTS.options(base_url="http://tts.example/v1", api_key=KEY)
    async with TTS.open(options):
        pass
    assert "[tts.openai]" in caplog.text


@pytest.mark.parametrize(
    ("host", "local"),
    [
        *(("127.0.0.1", True), ("127.8.8.8", True), ("::1", True)),
        *(("localhost", True), ("a.localhost", True), ("0.0.0.0", False)),
        *(("localhost.example", False), ("127.0.0.1.example", False)),
        *(("", False), ("notlocalhost", False)),
    ],
)
def test_what_is_this_machine(host: str, local: bool) -> None:
    assert is_local(host) is local
