"""A tiny model of Nemotron's own architecture for transformers, with random weights.

It says nonsense, but always the same nonsense of the same audio, and it is saved and
loaded as the real one is. Its words are "w0" to "w63".
"""

from __future__ import annotations

import atexit
import functools
import importlib.util
import shutil
import tempfile
import warnings
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest

from tests.contract.exact_sample import ExactSample, speech

if TYPE_CHECKING:
    from collections.abc import Iterator

    from trioagent.interfaces import Pcm


WORDS = 64
SEED = 0
BLANK_BIAS = 8.0
"""Silence has no words with this, and speech has different ones."""
CHUNK_MS = 160
PAD_SAMPLES = 3200


def require_transformers() -> None:
    """Skip the test where the packages are not."""
    for package in ("torch", "transformers"):
        if importlib.util.find_spec(package) is None:
            pytest.skip(f"{package} is not installed")


@functools.cache
def the_model() -> Path:
    """The folder of a model of one language; skips the test without transformers."""
    require_transformers()
    folder = Path(tempfile.mkdtemp(prefix="tiny-nemotron-hf-"))
    atexit.register(shutil.rmtree, folder)
    write_model(folder)
    return folder


@functools.cache
def samples() -> tuple[ExactSample, ExactSample]:
    """What two speakers say, and what `generate` makes of it."""
    one, other = (
        _sample(text)
        for text in ("turn off the fan in the kitchen", "what is the weather like")
    )
    assert one.text != other.text
    return one, other


def _sample(text: str) -> ExactSample:
    pcm = speech(text)
    return ExactSample(pcm, frozenset(), generated(the_model(), pcm))


def generated(folder: Path, pcm: Pcm, chunk_ms: int = CHUNK_MS, **inputs: Any) -> str:
    """What transformers' own streaming loop makes of `pcm` and the silence after it."""
    import torch  # noqa: PLC0415
    from transformers import AutoModelForRNNT, AutoProcessor  # noqa: PLC0415

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        processor = AutoProcessor.from_pretrained(folder)
        model = AutoModelForRNNT.from_pretrained(folder).eval()
        lookahead = chunk_ms // 80 - 1
        processor.set_num_lookahead_tokens(lookahead)
        pad = processor.num_samples_per_audio_chunk + PAD_SAMPLES
        audio = np.concatenate([pcm, np.zeros(pad, np.int16)]).astype(np.float32)
        chunks = _chunks(processor, audio / 32768, inputs)
        prompt = processor(audio, sampling_rate=16_000, **inputs).get("prompt_ids")
        with torch.inference_mode():
            output = model.generate(
                input_features=chunks,
                num_lookahead_tokens=lookahead,
                **({} if prompt is None else {"prompt_ids": prompt}),
            )
    said = processor.decode(output.sequences[0], skip_special_tokens=True)
    return str(said).replace("<blank>", "").strip()


def _chunks(processor: Any, audio: Any, inputs: dict[str, Any]) -> Iterator[Any]:
    first = processor.num_samples_first_audio_chunk
    frames = processor.num_mel_frames_first_audio_chunk
    settings = {"sampling_rate": 16_000, "is_streaming": True, **inputs}
    features = processor(audio[:first], is_first_audio_chunk=True, **settings)
    yield features.input_features[:, :frames]
    hop, margin, size = 160, 256, processor.num_samples_per_audio_chunk
    audio = np.concatenate([np.zeros(margin, np.float32), audio])
    start = frames * hop
    while start + size <= len(audio):
        piece = audio[start : start + size]
        yield processor(piece, is_first_audio_chunk=False, **settings).input_features
        start += processor.num_mel_frames_per_audio_chunk * hop


def write_model(
    folder: Path, *, multilingual: bool = False, blank_bias: float = BLANK_BIAS
) -> None:
    """Save a model, its tokenizer and its processor as `save_pretrained` does."""
    import torch  # noqa: PLC0415 - few environments have it

    processor, model = _multilingual() if multilingual else _english()
    torch.manual_seed(SEED)
    with torch.no_grad():
        for parameter in model.parameters():
            if parameter.dim() > 1:
                torch.nn.init.xavier_normal_(parameter, gain=1.6)
        # Else all frames are words, or none is.
        model.joint.head.weight *= 3
        model.joint.head.bias.zero_()
        model.joint.head.bias[model.config.blank_token_id] = blank_bias
    model.generation_config.decoder_start_token_id = model.config.blank_token_id
    processor.save_pretrained(folder)
    model.save_pretrained(folder)


def _encoder() -> dict[str, Any]:
    return {
        "hidden_size": 32,
        "num_hidden_layers": 2,
        "num_attention_heads": 2,
        "num_key_value_heads": 2,
        "intermediate_size": 64,
        "num_mel_bins": 128,
        "subsampling_conv_channels": 8,
    }


def _tokenizer() -> Any:
    from tokenizers import Tokenizer, decoders, models  # noqa: PLC0415
    from transformers import ParakeetTokenizer  # noqa: PLC0415

    names = ["<pad>", *(f"\u2581w{number}" for number in range(WORDS)), "<blank>"]
    vocabulary = {name: number for number, name in enumerate(names)}
    tokens = Tokenizer(models.WordLevel(vocabulary, unk_token="<pad>"))
    tokens.decoder = decoders.Metaspace()
    return ParakeetTokenizer(
        tokenizer_object=tokens, pad_token="<pad>", unk_token="<pad>"
    )


def _english() -> tuple[Any, Any]:
    from transformers import (  # noqa: PLC0415
        NemotronAsrStreamingConfig,
        NemotronAsrStreamingFeatureExtractor,
        NemotronAsrStreamingForRNNT,
        NemotronAsrStreamingProcessor,
    )

    config = NemotronAsrStreamingConfig(
        vocab_size=WORDS + 2,
        blank_token_id=WORDS + 1,
        decoder_hidden_size=16,
        encoder_config=_encoder(),
    )
    features = NemotronAsrStreamingFeatureExtractor(feature_size=128)
    processor = NemotronAsrStreamingProcessor(features, _tokenizer())
    return processor, NemotronAsrStreamingForRNNT(config)


def _multilingual() -> tuple[Any, Any]:
    from transformers import (  # noqa: PLC0415
        Nemotron3_5AsrConfig,
        Nemotron3_5AsrForRNNT,
        Nemotron3_5AsrProcessor,
        NemotronAsrStreamingFeatureExtractor,
    )

    config = Nemotron3_5AsrConfig(
        vocab_size=WORDS + 2,
        blank_token_id=WORDS + 1,
        decoder_hidden_size=16,
        encoder_config=_encoder(),
    )
    features = NemotronAsrStreamingFeatureExtractor(feature_size=128)
    processor = Nemotron3_5AsrProcessor(features, _tokenizer())
    return processor, Nemotron3_5AsrForRNNT(config)
