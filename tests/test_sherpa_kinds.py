"""sherpa-onnx's kinds of models: other chunks, many languages, CTC; and CUDA."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pytest

from providers.asr import sherpa, sherpa_device
from providers.asr.sherpa_metadata import languages_of
from providers.asr.sherpa_model import examine
from tests.contract.asr_contract import transcribe
from tests.helpers_sherpa import tiny_ctc, tiny_multilingual, tiny_nemotron
from tests.helpers_speech import TINY_MODEL, say, word_errors, words
from tests.helpers_tones import tone_ctc, tone_transducer, tones
from tests.test_sherpa import SENTENCES
from trioagent.errors import ProviderUnavailable
from trioagent.offload import ThreadOffload

if TYPE_CHECKING:
    from pathlib import Path

    from trioagent.interfaces import Pcm


def opened(model: Path, **options: object) -> sherpa.SherpaRecognizer:
    engine = sherpa.Engine(sherpa.Options(model=str(model), **options))
    return sherpa.SherpaRecognizer(engine, ThreadOffload())


def sharply_cut(pcm: Pcm) -> Pcm:
    """Without the silence around it."""
    loud = np.flatnonzero(np.abs(pcm) > 100)
    return pcm[loud[0] : loud[-1]]


async def refusal(model: Path, **options: object) -> ProviderUnavailable:
    """Why the model cannot be opened so."""
    with pytest.raises(ProviderUnavailable) as caught:
        async with sherpa.PROVIDER.open(sherpa.Options(model=str(model), **options)):
            pass
    return caught.value


@pytest.mark.parametrize("chunk_ms", [80, 160, 560, 1120])
async def test_every_export_understands_every_word(
    tmp_path: Path, chunk_ms: int
) -> None:
    recognizer = opened(tiny_nemotron(tmp_path / "model", chunk_ms))
    for sentence in SENTENCES:
        assert await transcribe(recognizer, sharply_cut(say(sentence))) == sentence


@pytest.mark.parametrize("chunk_ms", [560, 1120])
async def test_the_padding_at_the_end_is_what_the_chunk_needs(
    tmp_path: Path, chunk_ms: int
) -> None:
    model = tiny_nemotron(tmp_path / "model", chunk_ms)
    assert sherpa.right_pad_ms(examine(model)) == max(200, chunk_ms + 150)
    cut_short = opened(model, right_pad_ms=20)
    heard = [await transcribe(cut_short, sharply_cut(say(s))) for s in SENTENCES]
    assert heard != SENTENCES
    assert all(s.startswith(h) for s, h in zip(SENTENCES, heard, strict=True))


async def test_ctc_understands_what_the_transducer_does(tmp_path: Path) -> None:
    recognizer = opened(tiny_ctc(tmp_path / "model"))
    heard = [await transcribe(recognizer, sharply_cut(say(s))) for s in SENTENCES]
    errors = sum(map(word_errors, SENTENCES, heard))
    assert errors <= 0.1 * sum(len(words(s)) for s in SENTENCES), heard


@pytest.mark.parametrize("family", ["zipformer2", "lstm", "ctc"])
async def test_models_of_icefall(tmp_path: Path, family: str) -> None:
    model = tmp_path / "model"
    model = tone_ctc(model) if family == "ctc" else tone_transducer(model, family)
    recognizer = opened(model)
    for said in ("low high low mid top deep", "deep top mid"):
        assert await transcribe(recognizer, tones(said)) == said


# --- languages ---------------------------------------------------------------------


@pytest.mark.parametrize("language", ["", "auto", "en-US", "en_us", "EN"])
async def test_a_language_that_the_model_knows(tmp_path: Path, language: str) -> None:
    recognizer = opened(tiny_multilingual(tmp_path / "model"), language=language)
    assert await transcribe(recognizer, say(SENTENCES[0])) == SENTENCES[0]


async def test_the_language_reaches_the_model(tmp_path: Path) -> None:
    """This one is deaf to German."""
    recognizer = opened(tiny_multilingual(tmp_path / "model"), language="de-DE")
    assert await transcribe(recognizer, say(SENTENCES[0])) == ""


@pytest.mark.parametrize("language", ["fr-FR", "en-US,de-DE", "english"])
async def test_a_language_that_the_model_does_not_know(
    tmp_path: Path, language: str
) -> None:
    error = await refusal(tiny_multilingual(tmp_path / "model"), language=language)
    assert f'knows no language "{language}"' in error.message
    assert "Give one of auto, de, de-de, en, en-us, or none" in error.hint


async def test_a_model_of_one_language_takes_no_other() -> None:
    error = await refusal(TINY_MODEL, language="en-US")
    assert "one language" in error.hint


async def test_a_model_of_many_languages_that_does_not_say_which(
    tmp_path: Path,
) -> None:
    model = tiny_multilingual(
        tmp_path / "model", prompt_dictionary="", auto_prompt_id="2"
    )
    recognizer = opened(model)
    assert await transcribe(recognizer, say(SENTENCES[0])) == SENTENCES[0]
    assert "one language" in (await refusal(model, language="en-US")).hint


@pytest.mark.parametrize(
    ("written", "known"),
    [
        ('{"en-US": 0, "de": 12}', {"en-us", "en", "de"}),
        ("{'<fr_FR>': 3}", {"fr-fr", "fr"}),
        ("en-GB=1; ja = 2\nauto:101", {"en-gb", "en", "ja", "auto"}),
        ("", set()),
        ("nonsense", set()),
    ],
)
def test_dictionaries_as_sherpa_onnx_reads_them(written: str, known: set[str]) -> None:
    assert languages_of(written) == known


# --- devices -----------------------------------------------------------------------


async def test_cuda_that_is_missing_is_named() -> None:
    if sherpa_device.missing_for_cuda() is None:
        pytest.skip("CUDA can be used here")
    error = await refusal(TINY_MODEL, device="cuda")
    assert error.message.startswith("sherpa: no CUDA: ")
    assert 'device = "cpu"' in error.hint


def test_auto_takes_what_there_is() -> None:
    there_is = "cpu" if sherpa_device.missing_for_cuda() else "cuda"
    assert opened(TINY_MODEL, device="auto").about.endswith(f"on {there_is}")


@pytest.mark.parametrize(
    ("missing", "chosen"), [(None, "cuda"), ("there is no driver", "cpu")]
)
def test_auto_prefers_cuda(
    monkeypatch: pytest.MonkeyPatch, missing: str | None, chosen: str
) -> None:
    monkeypatch.setattr(sherpa_device, "missing_for_cuda", lambda: missing)
    assert sherpa_device.choose_device("auto") == chosen
    assert sherpa_device.choose_device("cpu") == "cpu"


def test_a_driver_without_a_gpu(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A sherpa-onnx built for CUDA, on a machine without."""

    class Spec:
        submodule_search_locations = (str(tmp_path),)

    (tmp_path / "libonnxruntime_providers_cuda.so").touch()
    monkeypatch.setattr("importlib.util.find_spec", lambda _name: Spec)
    monkeypatch.setattr(sherpa_device, "DRIVERS", ("libnothing.so.1",))
    assert "no NVIDIA driver" in str(sherpa_device.missing_for_cuda())
