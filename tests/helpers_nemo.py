"""A tiny cache-aware transducer of NeMo's, with random weights, in a .nemo file.

It says nonsense, but always the same nonsense of the same audio: words "w0" to "w59".
It has the layers and the sizes of chunks of the real streaming Nemotron.
"""

from __future__ import annotations

import atexit
import functools
import importlib.util
import io
import shutil
import tempfile
import warnings
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest

from providers.asr import nemo
from tests.contract.exact_sample import ExactSample, speech

if TYPE_CHECKING:
    from providers.asr.nemo_pipeline import Pipeline
    from trioagent.interfaces import Pcm

SEED = 0
BLANK_BIAS = 7.0
"""Silence has no words with this, and speech has different ones."""
GAIN = 1.6
WORDS = [f"w{number}" for number in range(60)]
PREPROCESSOR = {
    "_target_": "nemo.collections.asr.modules.AudioToMelSpectrogramPreprocessor",
    "sample_rate": 16_000,
    "normalize": "NA",
    "window_size": 0.025,
    "window_stride": 0.01,
    "window": "hann",
    "features": 128,
    "n_fft": 512,
    "frame_splicing": 1,
    "dither": 0.0,
    "pad_to": 0,
}
ENCODER = {
    "_target_": "nemo.collections.asr.modules.ConformerEncoder",
    "feat_in": 128,
    "feat_out": -1,
    "n_layers": 2,
    "d_model": 32,
    "subsampling": "dw_striding",
    "subsampling_factor": 8,
    "subsampling_conv_channels": 8,
    "causal_downsampling": True,
    "ff_expansion_factor": 2,
    "self_attention_model": "rel_pos",
    "n_heads": 2,
    "att_context_size": [[70, 13], [70, 6], [70, 1], [70, 0]],
    "att_context_style": "chunked_limited",
    "xscaling": False,
    "conv_kernel_size": 9,
    "conv_norm_type": "layer_norm",
    "conv_context_size": "causal",
    "dropout": 0.0,
    "dropout_pre_encoder": 0.0,
    "dropout_emb": 0.0,
    "dropout_att": 0.0,
}
DECODER = {
    "_target_": "nemo.collections.asr.modules.RNNTDecoder",
    "normalization_mode": None,
    "random_state_sampling": False,
    "blank_as_pad": True,
    "prednet": {"pred_hidden": 16, "pred_rnn_layers": 2, "t_max": None, "dropout": 0.0},
}
JOINT = {
    "_target_": "nemo.collections.asr.modules.RNNTJoint",
    "log_softmax": None,
    "preserve_memory": False,
    "fuse_loss_wer": False,
    "fused_batch_size": -1,
    "jointnet": {
        "joint_hidden": 16,
        "activation": "relu",
        "dropout": 0.0,
        "encoder_hidden": 32,
        "pred_hidden": 16,
    },
}


def require_nemo() -> None:
    """Skip the test where NeMo is not."""
    for package, name in (("torch", "torch"), ("nemo", "nemo_toolkit[asr]")):
        if importlib.util.find_spec(package) is None:
            pytest.skip(f"{name} is not in this environment: tools/check_nemo has one")


def write_model(file: Path) -> None:
    """Save a model as NeMo does."""
    import torch  # noqa: PLC0415 - few environments have it
    from nemo.collections.asr.models import EncDecRNNTBPEModel  # noqa: PLC0415
    from omegaconf import OmegaConf  # noqa: PLC0415

    torch.manual_seed(SEED)
    model = EncDecRNNTBPEModel(cfg=OmegaConf.create(_config(_tokenizer(file.parent))))
    with torch.no_grad():
        for parameter in model.parameters():
            if parameter.dim() > 1:
                torch.nn.init.xavier_normal_(parameter, gain=GAIN)
        head = model.joint.joint_net[-1]
        # Else all frames are words, or none is.
        head.weight *= 3
        head.bias.zero_()
        head.bias[-1] = BLANK_BIAS
    model.save_to(str(file))


def _tokenizer(folder: Path) -> Path:
    import sentencepiece  # noqa: PLC0415

    model = io.BytesIO()
    sentencepiece.SentencePieceTrainer.train(
        sentence_iterator=iter([" ".join(WORDS)] * 10),
        model_writer=model,
        vocab_size=len(WORDS) + 3,
        model_type="word",
        minloglevel=2,
    )
    (folder / "tokenizer.model").write_bytes(model.getvalue())
    processor = sentencepiece.SentencePieceProcessor(model_proto=model.getvalue())
    pieces = [processor.id_to_piece(i) for i in range(processor.get_piece_size())]
    (folder / "vocab.txt").write_text("\n".join(pieces), encoding="utf-8")
    return folder


def _config(tokenizer: Path) -> dict[str, Any]:
    return {
        "sample_rate": 16_000,
        "log_prediction": False,
        "model_defaults": {"enc_hidden": 32, "pred_hidden": 16},
        "tokenizer": {"dir": str(tokenizer), "type": "bpe"},
        "preprocessor": PREPROCESSOR,
        "encoder": ENCODER,
        "decoder": DECODER,
        "joint": JOINT,
        "decoding": {"strategy": "greedy_batch", "greedy": {"max_symbols": 10}},
        "loss": {"loss_name": "default", "warprnnt_numba_kwargs": {}},
        "optim": {"name": "adamw", "lr": 0.001},
        "train_ds": None,
        "validation_ds": None,
    }


@functools.cache
def the_model() -> Path:
    """The model's file; skips the test without NeMo."""
    require_nemo()
    folder = Path(tempfile.mkdtemp(prefix="tiny-nemo-"))
    atexit.register(shutil.rmtree, folder)
    with quiet():
        write_model(folder / "tiny.nemo")
    return folder / "tiny.nemo"


def options(**settings: Any) -> nemo.Options:
    """For the tiny model."""
    return nemo.Options(model=str(the_model()), device="cpu", **settings)


@functools.cache
def the_pipeline() -> Pipeline:
    """One that serves to know what must be heard."""
    from providers.asr.nemo_pipeline import load  # noqa: PLC0415 - needs torch

    with quiet():
        return load(options(streams=4))


@functools.cache
def samples() -> tuple[ExactSample, ExactSample]:
    """What two speakers say, and what the pipeline makes of it."""
    one, other = (
        ExactSample(pcm, frozenset(), transcribed(pcm))
        for pcm in map(
            speech, ["what is the weather like", "turn off the fan in the kitchen"]
        )
    )
    assert one.text != other.text
    return one, other


def transcribed(pcm: Pcm) -> str:
    """What the pipeline makes of it, fed at once."""
    pipeline = the_pipeline()
    stream = pipeline.start()
    pipeline.accept(stream, pcm)
    pipeline.accept(stream, np.zeros(pipeline.right_pad_samples, np.int16))
    pipeline.decode([stream])
    return pipeline.text(stream)


def quiet() -> warnings.catch_warnings[None]:
    """NeMo and what it imports warn a lot."""
    return warnings.catch_warnings(action="ignore")
