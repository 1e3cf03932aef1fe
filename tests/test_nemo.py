"""NeMo's live pipeline: ours and NeMo's own way through it, and what cannot be loaded.

The model is tiny and its weights are random; the pipeline, the file and the code that
loads and runs it are the real ones.
"""

from __future__ import annotations

import gc
import importlib
from typing import TYPE_CHECKING

import numpy as np
import pytest
import soundfile
import trio

from providers.asr import nemo, wyoming
from tests.contract.asr_contract import transcribe
from tests.helpers_nemo import options, quiet, require_nemo, samples, the_pipeline
from tests.helpers_speech import TINY_MODEL
from tests.helpers_wyoming import recognizer_server, running
from trioagent.errors import ProviderError, ProviderUnavailable

if TYPE_CHECKING:
    from pathlib import Path

    from providers.asr.nemo_pipeline import Pipeline

pytestmark = pytest.mark.usefixtures("toolkit")


@pytest.fixture
def toolkit() -> None:
    """Skips here: pytest-trio loses the reason of who skips in an async test."""
    require_nemo()


async def _opening_fails(wanted: nemo.Options) -> ProviderUnavailable:
    with quiet(), pytest.raises(ProviderUnavailable, match="nemo") as caught:
        async with nemo.PROVIDER.open(wanted):
            pass
    return caught.value


def test_it_hears_what_nemo_hears_in_a_file(tmp_path: Path) -> None:
    one, other = samples()
    ours = the_pipeline()
    # NeMo's own way takes files; it treats a stream's last frame in another way.
    theirs = ours._pipeline
    files = []
    for number, sample in enumerate((one, other)):
        files.append(str(tmp_path / f"{number}.wav"))
        pad = np.zeros(ours.right_pad_samples, np.int16)
        soundfile.write(files[-1], np.concatenate([sample.pcm, pad]), 16_000)
    _free(ours)
    with quiet():
        found = theirs.run(files)
    texts = [" ".join(found[number]["text"].split()) for number in range(2)]
    for text, sample in zip(texts, (one, other), strict=True):
        assert len(sample.text.split()) > 5
        assert text.startswith(sample.text)


def _free(pipeline: Pipeline) -> None:
    gc.collect()
    pipeline.decode([])


def test_streams_in_one_batch_do_not_disturb_each_other() -> None:
    one, other = samples()
    pipeline = the_pipeline()
    streams = [pipeline.start(), pipeline.start()]
    pad = np.zeros(pipeline.right_pad_samples, np.int16)
    turns = [np.concatenate([sample.pcm, pad]) for sample in (one, other)]
    for start in range(0, max(map(len, turns)), 1600):
        for stream, pcm in zip(streams, turns, strict=True):
            pipeline.accept(stream, pcm[start : start + 1600])
        pipeline.decode(streams)
    assert [pipeline.text(stream) for stream in streams] == [one.text, other.text]


def test_slots_are_free_again_when_nobody_holds_the_stream() -> None:
    pipeline = the_pipeline()
    pcm = np.zeros(pipeline.chunk_samples, np.int16)
    for _ in range(3 * pipeline._pipeline.num_slots):
        stream = pipeline.start()
        pipeline.accept(stream, pcm)
        pipeline.decode([stream])
        del stream
    _free(pipeline)
    assert not pipeline._slots
    assert not pipeline._pipeline._state_pool
    assert not pipeline._pipeline.bufferer.streamidx2slotidx
    assert not pipeline._pipeline.context_manager.streamidx2slotidx


async def test_more_utterances_than_there_are_slots_are_an_error_of_one() -> None:
    one, _other = samples()
    with quiet():
        async with nemo.PROVIDER.open(options(streams=1)) as recognizer:
            async with (
                recognizer.stream() as first,
                recognizer.stream() as second,
                recognizer.stream() as third,
            ):
                await first.feed(one.pcm)
                await second.feed(one.pcm)
                with pytest.raises(ProviderError, match="utterances at a time"):
                    await third.feed(one.pcm)
            with trio.fail_after(20):
                assert one.is_heard_in(await transcribe(recognizer, one.pcm))


async def test_it_is_served_to_an_agent_elsewhere() -> None:
    one, _other = samples()
    with quiet():
        async with (
            nemo.PROVIDER.open(options(streams=4)) as recognizer,
            running(recognizer_server(recognizer)) as uri,
            wyoming.PROVIDER.open(
                wyoming.Options(uris=(uri,), left_pad_ms=0)
            ) as at_a_distance,
        ):
            assert one.is_heard_in(await transcribe(at_a_distance, one.pcm))


@pytest.mark.parametrize("chunk_ms", [80, 560, 1120])
def test_chunks_of_each_size_are_decoded(chunk_ms: int) -> None:
    from providers.asr.nemo_pipeline import load  # noqa: PLC0415 - needs torch

    one, _other = samples()
    with quiet():
        pipeline = load(options(chunk_ms=chunk_ms))
    assert pipeline.chunk_samples == chunk_ms * 16
    stream = pipeline.start()
    pipeline.accept(stream, np.tile(one.pcm, 2))
    pipeline.decode([stream])
    assert len(stream.audio) < pipeline.chunk_samples
    assert pipeline.text(stream)


async def test_what_is_no_model_is_refused_by_name(tmp_path: Path) -> None:
    broken = tmp_path / "broken.nemo"
    broken.write_bytes(b"no archive")
    for model in (tmp_path / "missing.nemo", broken, TINY_MODEL / "encoder.onnx"):
        error = await _opening_fails(nemo.Options(model=str(model), device="cpu"))
        assert str(model) in error.message
        assert ".nemo" in error.hint


async def test_too_little_memory_is_said(monkeypatch: pytest.MonkeyPatch) -> None:
    one, _other = samples()
    torch = importlib.import_module("torch")
    pipelines = importlib.import_module("nemo.collections.asr.inference.pipelines")
    base = importlib.import_module(f"{pipelines.__name__}.base_pipeline").BasePipeline

    def too_large(*_args: object, **_kwargs: object) -> None:
        raise torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 2 GiB.")

    with quiet():
        with monkeypatch.context() as patch:
            patch.setattr(base, "transcribe_step", too_large)
            error = await _opening_fails(options())
            assert "does not fit into the memory of cpu" in error.message
        async with nemo.PROVIDER.open(options()) as recognizer:
            with monkeypatch.context() as patch:
                patch.setattr(base, "transcribe_step", too_large)
                with pytest.raises(
                    ProviderError, match="nemo: decoding failed: out of"
                ):
                    await transcribe(recognizer, one.pcm)
            assert one.is_heard_in(await transcribe(recognizer, one.pcm))
