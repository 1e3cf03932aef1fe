"""What providers need of a card, by their options and by the names of models."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from providers.asr import nemo
from trioagent.configuration.file import load_config
from trioagent.fitting.machine import model_mib
from trioagent.fitting.needs import (
    NEEDS,
    PARTS,
    Installed,
    Need,
    named_by_server,
    need_of,
    on_this_machine,
)
from trioagent.fitting.parameters import weights_of
from trioagent.fitting.selection import selected, thread_users
from trioagent.registry import provider, provider_names

if TYPE_CHECKING:
    from pathlib import Path

    from trioagent.registry import Kind

ALL = Installed(
    card=True, torch_cuda=True, sherpa_cuda=True, model_mib=lambda name: 640
)
NOTHING = Installed(card=False, torch_cuda=False, sherpa_cuda=False)


def need(kind: Kind, name: str, installed: Installed = ALL, **options: Any) -> Need:
    return need_of(kind, name, provider(kind, name).options(**options), installed)


@pytest.mark.parametrize(
    ("name", "billions", "mib"),
    [
        ("LiquidAI/LFM2-1.2B", 1.2, 2289),
        ("nvidia/nemotron-speech-streaming-en-0.6b", 0.6, 1144),
        ("Qwen/Qwen3-30B-A3B", 30, 57220),
        ("HuggingFaceTB/SmolLM2-360M-Instruct", 0.36, 687),
        ("TheBloke/Mixtral-8x7B-Instruct-AWQ", 56, 30041),
        ("Qwen/Qwen3-8B-FP8", 8, 8106),
        ("llama-3.2-3b-instruct-q4_k_m.gguf", 3, 1609),
    ],
)
def test_a_name_tells_the_size(name: str, billions: float, mib: int) -> None:
    weights = weights_of(name)
    assert weights is not None
    assert (weights.billions, weights.mib) == (billions, mib)


@pytest.mark.parametrize("name", ["", "gpt-4o", "tts-1", "my-model-v2b", "gemma-E2B"])
def test_other_names_tell_nothing(name: str) -> None:
    assert weights_of(name) is None


def test_the_set_of_the_small_card() -> None:
    """A 1.2B model, LuxTTS and streaming Nemotron: about 3, 1 and 1.5 GB."""
    llm = need("llm", "openai", model="LiquidAI/LFM2-1.2B")
    tts = need("tts", "luxtts")
    asr = need("asr", "nemotron-hf")
    assert llm.mib == pytest.approx(3.0 * 1024, abs=50)
    assert tts.mib == 1024
    assert asr.mib == pytest.approx(1.5 * 1024, abs=50)
    assert "estimate" in llm.source
    assert "authors" in tts.source
    assert "estimate" in asr.source
    assert (llm.place, tts.place, asr.place) == ("server", "card", "card")


def test_devices_are_followed() -> None:
    assert need("asr", "nemotron-hf", device="cpu").place == "cpu"
    assert need("asr", "nemotron-hf", NOTHING).place == "cpu"
    assert need("asr", "nemotron-hf", NOTHING, device="cuda").place == "card"
    assert need("tts", "luxtts", NOTHING).place == "cpu"
    assert need("asr", "sherpa", model="m").mib == 640 + 384
    assert need("asr", "sherpa", model="m", device="cpu").place == "cpu"
    second = need_of("asr", "nemo", nemo.Options(device_id=1), ALL)
    assert (second.place, second.card) == ("card", 1)
    half = need("asr", "nemotron-hf").mib
    full = need("asr", "nemotron-hf", dtype="float32").mib
    assert half is not None
    assert full == half + 1145


def test_servers_are_here_or_elsewhere() -> None:
    there = need("llm", "openai", base_url="http://10.0.0.7:8000/v1", model="x-7B")
    assert (there.place, there.mib) == ("elsewhere", None)
    here = need("llm", "openai")
    assert (here.place, here.mib) == ("server", None)
    assert need("asr", "wyoming", uris=("tcp://127.0.0.1:1",)).place == "server"
    assert need("asr", "wyoming", uris=("tcp://hub:1",)).place == "elsewhere"


@pytest.mark.parametrize(
    ("address", "ours"),
    [
        ("http://localhost:8000/v1", True),
        ("http://[::1]:8000/v1", True),
        ("tcp://127.3.2.1:10300", True),
        ("unix:///run/asr.sock", True),
        ("https://api.example.com/v1", False),
        ("tcp://192.168.1.2:10300", False),
    ],
)
def test_addresses_of_this_machine(address: str, ours: bool) -> None:
    assert on_this_machine(address) is ours


def test_a_server_tells_its_model() -> None:
    told = named_by_server(need("llm", "openai"), "my-3B at http://127.0.0.1:8000/v1")
    assert told.model == "my-3B"
    assert told.mib is not None
    unchanged = need("llm", "echo")
    assert named_by_server(unchanged, "x-3B at y") == unchanged


@pytest.mark.parametrize("kind", PARTS)
def test_every_provider_of_ours_is_known(kind: Kind) -> None:
    for name in provider_names(kind):
        assert (kind, name) in NEEDS
        assert need(kind, name).place != "unknown"


def test_a_foreign_provider_is_not_guessed() -> None:
    found = need_of("tts", "somebodys", object(), ALL)
    assert (found.place, found.mib) == ("unknown", None)


def test_files_are_measured(tmp_path: Path) -> None:
    assert model_mib(str(tmp_path)) is None
    assert model_mib("no-such-model") is None
    (tmp_path / "encoder.onnx").write_bytes(bytes(3 << 20))
    (tmp_path / "notes.txt").write_bytes(bytes(9 << 20))
    assert model_mib(str(tmp_path)) == 3


def test_the_configured_set_is_selected() -> None:
    config = load_config(
        None,
        [
            'asr.provider="sherpa"',
            'asr.model="some/folder"',
            "asr.sherpa.threads=3",
            'tts.provider="no-such"',
        ],
    )
    parts = selected(config, NOTHING)
    assert [(p.kind, p.name) for p in parts] == [
        ("vad", "silero"),
        ("asr", "sherpa"),
        ("llm", "echo"),
    ]
    assert parts[1].options.model == "some/folder"
    (user,) = thread_users(parts)
    assert (user.key, user.configured) == ("asr.sherpa.threads", 3)
