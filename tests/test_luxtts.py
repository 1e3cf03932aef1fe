"""LuxTTS: our side of it. The package's weights cannot be had here: see docs/voices.md.

A stand-in of the package has its classes and its calling structure.
"""

from __future__ import annotations

import sys
from contextlib import asynccontextmanager
from importlib.util import find_spec
from typing import TYPE_CHECKING, Any

import attrs
import numpy as np
import pytest
import soundfile
import trio

from providers.tts.luxtts import PROVIDER, Options
from providers.tts.luxtts_prompts import PromptCache
from tests.contract.cases_tts_luxtts import options, stand_in, write_reference
from tests.contract.tts_contract import speak
from trioagent.errors import ProviderError, ProviderUnavailable
from trioagent.interfaces import Speech

if TYPE_CHECKING:
    from collections.abc import AsyncIterator
    from pathlib import Path

    from trioagent.interfaces import Synthesizer

PHRASE = "Good morning."
TORCH = pytest.mark.skipif(find_spec("torch") is None, reason="torch is not installed")


class OutOfMemoryError(RuntimeError):
    """Named as torch's."""


@asynccontextmanager
async def opened(
    folder: Path, *, given: dict[str, Any] | None = None, **behaviour: Any
) -> AsyncIterator[tuple[Synthesizer, Any]]:
    with stand_in(**behaviour) as lux:
        async with PROVIDER.open(attrs.evolve(options(folder), **(given or {}))) as tts:
            yield tts, lux


async def refusal(folder: Path, **kwargs: Any) -> ProviderUnavailable:
    with pytest.raises(ProviderUnavailable) as caught:
        async with opened(folder, **kwargs):
            pass
    assert caught.value.hint
    return caught.value


async def test_it_speaks_at_48_khz_and_is_warm(tmp_path: Path) -> None:
    async with opened(tmp_path) as (tts, lux):
        assert tts.rate_hz == 48_000
        assert lux.sentences == ["Hello."]
        assert lux.prompts == [str(tmp_path / "voice.wav")]
        spoken = await speak(tts, PHRASE)
    assert len(spoken.pcm) == len(PHRASE) * 960
    assert lux.loaded == [{"model_path": "YatharthS/LuxTTS", "device": "cpu"}]


async def test_a_pulled_model_is_known_by_its_name(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("TRIOAGENT_MODELS", str(tmp_path / "models"))
    given = {"model": "luxtts"}
    assert "models pull luxtts" in (await refusal(tmp_path, given=given)).hint
    (tmp_path / "models/luxtts").mkdir(parents=True)
    async with opened(tmp_path, given=given) as (_, lux):
        assert lux.loaded[-1]["model_path"] == str(tmp_path / "models/luxtts")


@pytest.mark.parametrize("module", [False, True])
async def test_each_sentence_takes_so_many_steps(tmp_path: Path, module: bool) -> None:
    async with opened(tmp_path, given={"num_steps": 7}, module=module) as (tts, lux):
        before = lux.steps
        await speak(tts, PHRASE)
        assert lux.steps - before == 7


@pytest.mark.parametrize("module", [False, True])
async def test_cancelled_between_steps(tmp_path: Path, module: bool) -> None:
    given = {"num_steps": 30}
    async with opened(tmp_path, given=given, module=module) as (tts, lux):
        lux.step_s = 0.03
        before = lux.steps
        send, receive = trio.open_memory_channel[Speech](10)
        async with trio.open_nursery() as nursery:
            nursery.start_soon(tts.synthesize, PHRASE, send)
            with trio.fail_after(5):
                while lux.steps < before + 3:  # noqa: ASYNC110 - a thread has no event
                    await trio.sleep(0.001)
            nursery.cancel_scope.cancel()
        at_cancel = lux.steps
        lux.step_s = 0
        # The next phrase waits for the step in the making, and for no other.
        spoken = await speak(tts, PHRASE)
        assert lux.steps <= at_cancel + 1 + 30
    assert len(spoken.pcm) == len(PHRASE) * 960
    assert receive.statistics().current_buffer_used == 0


async def test_what_it_prints_is_not_on_stdout(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    async with opened(tmp_path):
        pass
    shown = capsys.readouterr()
    assert shown.out == ""
    assert "what was said" in shown.err


async def test_an_unknown_version_speaks_all_the_same(
    tmp_path: Path, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    with stand_in() as _:
        lux_tts = sys.modules["zipvoice.luxvoice"]

        class Opaque:
            def step(self, **_conditions: object) -> None:
                return None

        monkeypatch.setattr(lux_tts, "OnnxModel", Opaque)
        monkeypatch.setattr(
            lux_tts.LuxTTS,
            "generate_speech",
            lambda *_args, **_more: lux_tts.Wave(np.ones((1, 100), np.float32)),
        )
        async with PROVIDER.open(options(tmp_path)) as tts:
            assert len((await speak(tts, PHRASE)).pcm) == 100
    assert "a cancelled clause is made to its end" in caplog.text


# --- what it refuses -----------------------------------------------------------------


@pytest.mark.skipif(find_spec("zipvoice") is not None, reason="zipvoice is installed")
async def test_it_is_not_installed() -> None:
    assert PROVIDER.unavailable(Options()) == "LuxTTS is not installed"
    with pytest.raises(ProviderUnavailable, match="not installed") as caught:
        async with PROVIDER.open(Options(reference_wav="voice.wav")):
            pass
    assert "environment of its own" in caught.value.hint
    assert "trioagent serve tts --provider luxtts" in caught.value.hint


def test_the_stub_of_the_registry_is_another_package(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "zipvoice").mkdir()
    (tmp_path / "zipvoice/__init__.py").touch()
    monkeypatch.syspath_prepend(str(tmp_path))
    try:
        assert PROVIDER.unavailable(Options()) == "LuxTTS is not installed"
    finally:
        sys.modules.pop("zipvoice", None)


async def test_a_package_that_is_broken(tmp_path: Path) -> None:
    """Its dependencies are many, and may lack one."""
    with stand_in() as _:
        del sys.modules["zipvoice.luxvoice"].LuxTTS
        with pytest.raises(ProviderUnavailable, match="cannot be imported") as caught:
            async with PROVIDER.open(options(tmp_path)):
                pass
    assert "environment of its own" in caught.value.hint


async def test_no_recording_is_configured() -> None:
    with (
        stand_in(),
        pytest.raises(ProviderUnavailable, match="reference_wav") as caught,
    ):
        async with PROVIDER.open(Options()):
            pass
    assert "[tts.luxtts]" in caught.value.hint


@pytest.mark.parametrize(
    ("seconds", "level", "message"),
    [(0.9, 0.2, "too short, 0.9 s"), (30.5, 0.2, "too long"), (3, 0.0005, "silent")],
)
async def test_an_unfit_recording(
    tmp_path: Path, seconds: float, level: float, message: str
) -> None:
    wav = write_reference(tmp_path / "bad", seconds=seconds, level=level)
    error = await refusal(tmp_path, given={"reference_wav": str(wav)})
    assert message in error.message
    assert str(wav) in error.message
    assert "1 to 30 s" in error.hint


async def test_a_recording_that_is_none(tmp_path: Path) -> None:
    missing = tmp_path / "nowhere.wav"
    error = await refusal(tmp_path, given={"reference_wav": str(missing)})
    assert "No such file" in error.message
    text = tmp_path / "text.wav"
    text.write_text("this is no sound")
    error = await refusal(tmp_path, given={"reference_wav": str(text)})
    assert "is no audio file" in error.message
    error = await refusal(tmp_path, given={"reference_wav": str(tmp_path)})
    assert "directory" in error.message


async def test_a_recording_cut_short(tmp_path: Path) -> None:
    whole = write_reference(tmp_path / "whole")
    cut = tmp_path / "cut.wav"
    cut.write_bytes(whole.read_bytes()[:30])
    error = await refusal(tmp_path, given={"reference_wav": str(cut)})
    assert "cut.wav" in error.message


async def test_samples_that_are_no_numbers(tmp_path: Path) -> None:
    wav = tmp_path / "nan.wav"
    soundfile.write(wav, np.full(48_000, np.nan), 24_000, subtype="FLOAT")
    error = await refusal(tmp_path, given={"reference_wav": str(wav)})
    assert "no numbers" in error.message


async def test_stereo_of_another_rate_fits(tmp_path: Path) -> None:
    wav = tmp_path / "stereo.flac"
    hum = 0.2 * np.sin(np.arange(96_000) * 0.02)
    soundfile.write(wav, np.stack([hum, hum], axis=1), 48_000)
    async with opened(tmp_path, given={"reference_wav": str(wav)}) as (tts, _):
        assert len((await speak(tts, PHRASE)).pcm)


# --- what fails ----------------------------------------------------------------------


@pytest.mark.parametrize("where", ["load_error", "prompt_error"])
@pytest.mark.parametrize(
    ("error", "message", "hint"),
    [
        (OutOfMemoryError("tried to allocate"), "GPU is out of memory", "nvidia-smi"),
        (RuntimeError("CUDA out of memory."), "GPU is out of memory", '"cpu"'),
        (OSError("no network"), "no network", "docs/voices.md"),
        (KeyError(), "KeyError", "docs/voices.md"),
    ],
)
async def test_loading_fails(
    tmp_path: Path, where: str, error: Exception, message: str, hint: str
) -> None:
    found = await refusal(tmp_path, **{where: error})
    assert message in found.message
    assert hint in found.hint


async def test_the_memory_ends_in_a_sentence(tmp_path: Path) -> None:
    async with opened(tmp_path) as (tts, lux):
        lux.step_error = OutOfMemoryError("tried to allocate")
        with pytest.raises(ProviderError, match="out of memory") as caught:
            await speak(tts, PHRASE)
        assert "nvidia-smi" in caught.value.hint
        lux.step_error = None
        assert len((await speak(tts, PHRASE)).pcm)


async def test_cuda_that_is_not_there(tmp_path: Path) -> None:
    torch = sys.modules.get("torch")
    if torch is not None and torch.cuda.is_available():
        pytest.skip("this machine has CUDA")
    error = await refusal(tmp_path, given={"device": "cuda"})
    assert "no CUDA device" in error.message
    assert '"cpu"' in error.hint


# --- the cache -----------------------------------------------------------------------


def test_without_torch_nothing_is_kept(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "torch", None)
    cache = PromptCache(str(tmp_path / "cache"))
    cache.put("name", {"prompt_rms": 1.0})
    assert cache.get("name", "cpu") is None
    assert not (tmp_path / "cache").exists()


@TORCH
async def test_a_recording_is_encoded_once(tmp_path: Path) -> None:
    async with opened(tmp_path) as (_, lux):
        assert len(lux.prompts) == 1
    async with opened(tmp_path) as (tts, lux):
        assert lux.prompts == []
        assert len((await speak(tts, PHRASE)).pcm)
    # By content: another voice of the same name is another, and so is more of it.
    other = write_reference(tmp_path / "other", level=0.3)
    other.replace(tmp_path / "voice.wav")
    given = Options(
        reference_wav=str(tmp_path / "voice.wav"), cache_folder=str(tmp_path / "cache")
    )
    with stand_in() as lux:
        async with PROVIDER.open(given):
            assert len(lux.prompts) == 1
        async with PROVIDER.open(attrs.evolve(given, reference_s=8)):
            assert len(lux.prompts) == 2


@TORCH
async def test_a_broken_cache_is_made_anew(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    async with opened(tmp_path):
        pass
    (kept,) = (tmp_path / "cache").iterdir()
    kept.write_bytes(kept.read_bytes()[:100])
    async with opened(tmp_path) as (_, lux):
        assert len(lux.prompts) == 1
    assert "is broken, and made anew" in caplog.text


@TORCH
async def test_a_cache_that_cannot_be_written(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    (tmp_path / "file").write_text("in the way")
    async with opened(tmp_path, given={"cache_folder": str(tmp_path / "file/x")}):
        pass
    assert "cannot be written" in caplog.text
