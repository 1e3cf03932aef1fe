"""transformers' streaming Nemotron: our loop and theirs, and what cannot be loaded.

The model is tiny and its weights are random; its architecture, its files and the code
that loads and runs it are the real ones.
"""

from __future__ import annotations

import gc
import importlib
import importlib.util
import json
import shutil
import warnings
import weakref
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
import trio

from providers.asr import nemotron_hf
from tests.contract.asr_contract import transcribe
from tests.contract.exact_sample import speech
from tests.helpers_nemotron_hf import (
    generated,
    require_transformers,
    samples,
    the_model,
    write_model,
)
from tests.helpers_speech import silence
from trioagent.errors import ProviderError, ProviderUnavailable

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from providers.asr.nemotron_hf_model import Nemotron
    from trioagent.interfaces import Pcm

pytestmark = pytest.mark.usefixtures("transformers")
TEXT = "what is the weather like in paris tomorrow"


@pytest.fixture
def transformers() -> None:
    """Skips here: pytest-trio loses the reason of who skips in an async test."""
    require_transformers()


def _options(model: Path, **settings: Any) -> nemotron_hf.Options:
    settings = {"device": "cpu", "offline": True} | settings
    return nemotron_hf.Options(model=str(model), **settings)


def _loaded(model: Path, **settings: Any) -> Nemotron:
    from providers.asr.nemotron_hf_load import load  # noqa: PLC0415 - needs torch

    with warnings.catch_warnings(action="ignore"):
        return load(_options(model, **settings))


def _decoded(nemotron: Nemotron, pcm: Pcm, piece: int) -> str:
    stream = nemotron.start()
    whole = np.concatenate([pcm, silence(nemotron.right_pad_samples / 16_000)])
    for start in range(0, len(whole), piece):
        nemotron.accept(stream, whole[start : start + piece])
        nemotron.decode([stream])
    return nemotron.text(stream)


async def _opening_fails(options: nemotron_hf.Options) -> ProviderUnavailable:
    with pytest.raises(ProviderUnavailable, match="nemotron-hf") as caught:
        async with nemotron_hf.PROVIDER.open(options):
            pass
    return caught.value


@pytest.mark.parametrize("chunk_ms", [80, 160, 560, 1120])
def test_it_hears_what_transformers_own_loop_hears(chunk_ms: int) -> None:
    pcm = speech(TEXT)
    expected = generated(the_model(), pcm, chunk_ms)
    assert len(expected.split()) > 3
    nemotron = _loaded(the_model(), chunk_ms=chunk_ms)
    for piece in (37, 320, 16_000, 10**6):
        assert _decoded(nemotron, pcm, piece) == expected


def test_streams_that_take_turns_do_not_disturb_each_other() -> None:
    one, other = samples()
    nemotron = _loaded(the_model())
    streams = [nemotron.start(), nemotron.start()]
    pad = silence(nemotron.right_pad_samples / 16_000)
    turns = [np.concatenate([sample.pcm, pad]) for sample in (one, other)]
    for start in range(0, max(map(len, turns)), 1600):
        for stream, pcm in zip(streams, turns, strict=True):
            nemotron.accept(stream, pcm[start : start + 1600])
        nemotron.decode(streams)
    assert [nemotron.text(stream) for stream in streams] == [one.text, other.text]


def test_a_language_is_for_models_that_have_several(tmp_path: Path) -> None:
    with warnings.catch_warnings(action="ignore"):
        write_model(tmp_path, multilingual=True, blank_bias=1.5)
        pcm = speech(TEXT)
        said = {
            language: generated(tmp_path, pcm, language=language)
            for language in ("en-US", "de-DE")
        }
        assert said["en-US"] != said["de-DE"]
        for language, expected in said.items():
            nemotron = _loaded(tmp_path, language=language)
            assert _decoded(nemotron, pcm, 320) == expected
        with pytest.raises(ProviderUnavailable, match="no language 'klingon'"):
            _loaded(tmp_path, language="klingon")
    with pytest.raises(ProviderUnavailable, match="no language 'en-US'"):
        _loaded(the_model(), language="en-US")


def test_half_precision_runs() -> None:
    nemotron = _loaded(the_model(), dtype="bfloat16")
    assert _decoded(nemotron, speech(TEXT), 16_000)


def _of_another_kind(folder: Path) -> None:
    (folder / "config.json").write_text(json.dumps({"model_type": "whisper"}))


def _truncated(folder: Path) -> None:
    weights = folder / "model.safetensors"
    weights.write_bytes(weights.read_bytes()[:1000])


def _without_weights(folder: Path) -> None:
    (folder / "model.safetensors").unlink()


def _without_processor(folder: Path) -> None:
    (folder / "processor_config.json").unlink()


def _with_other_chunks(folder: Path) -> None:
    file = folder / "processor_config.json"
    config = json.loads(file.read_text())
    file.write_text(json.dumps(config | {"supported_num_lookahead_tokens": [6, 0]}))


def _empty(folder: Path) -> None:
    shutil.rmtree(folder)
    folder.mkdir()


def _missing(folder: Path) -> None:
    shutil.rmtree(folder)


@pytest.mark.parametrize(
    ("spoil", "said"),
    [
        (_of_another_kind, "of the kind 'whisper'"),
        (_truncated, "cannot be loaded"),
        (_without_weights, "cannot be loaded"),
        (_without_processor, "cannot be loaded"),
        (_with_other_chunks, "no chunks of 160 ms"),
        (_empty, "cannot be loaded"),
        (_missing, "cannot be loaded"),
    ],
)
async def test_a_model_that_does_not_fit_is_refused_by_name(
    spoil: Callable[[Path], None], said: str, tmp_path: Path
) -> None:
    folder = tmp_path / "model"
    shutil.copytree(the_model(), folder)
    spoil(folder)
    error = await _opening_fails(_options(folder))
    assert said in error.message
    assert error.hint
    if said != "cannot be loaded":
        assert str(folder) in error.message


async def test_a_gpu_that_is_not_there_is_said_to_be_missing() -> None:
    if importlib.import_module("torch").cuda.is_available():
        pytest.skip("there is a GPU")
    with pytest.raises(ProviderUnavailable, match="finds no CUDA device") as caught:
        async with nemotron_hf.PROVIDER.open(_options(the_model(), device="cuda")):
            pass
    assert 'device = "cpu"' in caught.value.hint


async def test_too_little_memory_for_the_model_is_said(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    folder = the_model()
    torch = importlib.import_module("torch")

    def too_large(*_args: object) -> None:
        raise torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 2 GiB.")

    monkeypatch.setattr(torch.nn.Module, "to", too_large)
    error = await _opening_fails(_options(folder))
    assert "does not fit into the memory of cpu" in error.message
    assert "dtype" in error.hint


async def test_too_little_memory_for_an_utterance_ends_only_that(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    one, _other = samples()
    torch = importlib.import_module("torch")
    transformers = importlib.import_module("transformers")

    def too_large(*_args: object, **_kwargs: object) -> None:
        raise torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 2 GiB.")

    async with nemotron_hf.PROVIDER.open(_options(the_model())) as recognizer:
        with monkeypatch.context() as patch:
            model = transformers.NemotronAsrStreamingForRNNT
            patch.setattr(model, "get_audio_features", too_large)
            with pytest.raises(
                ProviderError, match="nemotron-hf: decoding failed: out of"
            ):
                await transcribe(recognizer, one.pcm)
        assert one.is_heard_in(await transcribe(recognizer, one.pcm))


async def test_nothing_of_an_utterance_is_left() -> None:
    from providers.asr.nemotron_hf_model import Stream  # noqa: PLC0415 - needs torch

    one, _other = samples()
    async with nemotron_hf.PROVIDER.open(_options(the_model())) as recognizer:
        gc.collect()
        before = _count(Stream)
        with trio.move_on_after(0.05):
            async with recognizer.stream() as stream:
                await stream.feed(np.tile(one.pcm, 100))
        await transcribe(recognizer, one.pcm)
        gc.collect()
        assert _count(Stream) == before


def _count(kind: type) -> int:
    alive = weakref.WeakSet(thing for thing in gc.get_objects() if type(thing) is kind)
    return len(alive)
