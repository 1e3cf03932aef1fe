"""Loads a streaming Nemotron of transformers. Everything blocks."""

from __future__ import annotations

import importlib
import warnings
from typing import TYPE_CHECKING, Any

import numpy as np

from providers.asr.batched import error_text, is_out_of_memory
from providers.asr.nemotron_hf_model import ENCODER_FRAME_MS, Nemotron
from providers.torch_device import chosen_device, chosen_dtype
from trioagent.errors import ProviderUnavailable

if TYPE_CHECKING:
    from providers.asr.nemotron_hf import Options

MODEL_TYPES = ("nemotron_asr_streaming", "nemotron3_5_asr")
_NEEDS = "transformers 5.23 or later: pip install 'trioagent[nemotron-hf]'"


def load(options: Options) -> Nemotron:
    """Load the model, and decode a second of silence with it.

    Raises:
        ProviderUnavailable: not a model for this, or it does not fit.
    """
    device = chosen_device(options.device)
    dtype = chosen_dtype(options.dtype, device)
    torch: Any = importlib.import_module("torch")
    torch.set_num_threads(options.threads)
    try:
        model, processor = _loaded(options, dtype)
        _choose_chunk(processor, options)
        nemotron = Nemotron(model.to(device).eval(), processor, options)
        _warm_up(nemotron)
    except Exception as error:
        if not is_out_of_memory(error) and "out of memory" not in str(error):
            raise
        raise ProviderUnavailable(
            f"nemotron-hf: {options.model} does not fit into the memory of {device}",
            hint='set dtype = "bfloat16", another device, or a smaller model',
        ) from error
    return nemotron


def _loaded(options: Options, dtype: str) -> tuple[Any, Any]:
    transformers: Any = importlib.import_module("transformers")
    if not hasattr(transformers, "AutoModelForRNNT"):
        version = transformers.__version__
        text = f"nemotron-hf: transformers {version} has no streaming Nemotron"
        raise ProviderUnavailable(text, hint=_NEEDS)
    # A bar for each start is too much; downloads keep theirs.
    transformers.utils.logging.disable_progress_bar()
    name, local = options.model, {"local_files_only": options.offline}
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        try:
            kind = transformers.AutoConfig.from_pretrained(name, **local).model_type
            if kind not in MODEL_TYPES:
                raise ProviderUnavailable(
                    f"nemotron-hf: {name} is a model of the kind {kind!r}",
                    hint=f"it takes {' and '.join(MODEL_TYPES)}",
                )
            processor = transformers.AutoProcessor.from_pretrained(name, **local)
            model = transformers.AutoModelForRNNT.from_pretrained(
                name, dtype=dtype, **local
            )
        except (OSError, ValueError) as error:
            raise ProviderUnavailable(
                f"nemotron-hf: {name} cannot be loaded: {error_text(error)}",
                hint="model is a name on the Hugging Face hub, or a folder that has"
                " config.json, processor_config.json and the weights",
            ) from error
    return model, processor


def _choose_chunk(processor: Any, options: Options) -> None:  # noqa: ANN401
    lookahead = options.chunk_ms // ENCODER_FRAME_MS - 1
    known = processor.supported_num_lookahead_tokens
    if lookahead not in known:
        sizes = ", ".join(str((n + 1) * ENCODER_FRAME_MS) for n in sorted(known))
        raise ProviderUnavailable(
            f"nemotron-hf: {options.model} has no chunks of {options.chunk_ms} ms",
            hint=f"set chunk_ms in [asr.nemotron-hf] to one of: {sizes}",
        )
    prompts = getattr(processor, "prompt_dictionary", {})
    if options.language and options.language not in prompts:
        some = ", ".join(sorted(prompts)) or "none: it has one language"
        raise ProviderUnavailable(
            f"nemotron-hf: {options.model} has no language {options.language!r}",
            hint=f"set language in [asr.nemotron-hf] to one of: {some}",
        )
    processor.set_num_lookahead_tokens(lookahead)


def _warm_up(nemotron: Nemotron) -> None:
    """The first run allocates; the first speaker shall not wait for it."""
    stream = nemotron.start()
    nemotron.accept(stream, np.zeros(3 * nemotron.sizes.chunk, np.int16))
    nemotron.decode([stream])
