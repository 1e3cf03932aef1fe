"""The configuration of NeMo's pipeline, as its own cache_aware_rnnt.yaml has it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from providers.torch_device import chosen_dtype
from trioagent.interfaces import HEARING_RATE_HZ

if TYPE_CHECKING:
    from providers.asr.nemo import Options

ENCODER_FRAME_MS = 80
STOP_HISTORY_MS = 800
"""After so much silence the pipeline takes its words as final. Turns are not its
business; but its partial transcripts stay short, and so cheap."""


def configuration(options: Options, device: str) -> dict[str, Any]:
    """Make it for a cache-aware transducer, with our options."""
    lookahead = options.chunk_ms // ENCODER_FRAME_MS - 1
    return {
        "asr": {
            "model_name": options.model,
            "device": device,
            "device_id": options.device_id,
            "compute_dtype": chosen_dtype(options.dtype, device),
            "use_amp": False,
            "decoding": {
                "strategy": "greedy_batch",
                "preserve_alignments": False,
                "fused_batch_size": -1,
                # CUDA graphs of the decoder crash with streams that come and go.
                "greedy": {"use_cuda_graph_decoder": False, "max_symbols": 10},
            },
        },
        "streaming": {
            "sample_rate": HEARING_RATE_HZ,
            "batch_size": options.streams,
            # As many again for those that are over, and not freed yet.
            "num_slots": 2 * options.streams,
            "word_boundary_tolerance": 4,
            "att_context_size": [options.left_context_frames, lookahead],
            "use_cache": True,
            "use_feat_cache": True,
            "chunk_size_in_secs": None,
            "request_type": "frame",
        },
        "endpointing": {
            "stop_history_eou": STOP_HISTORY_MS,
            "residue_tokens_at_end": 2,
        },
        "confidence": {
            "exclude_blank": True,
            "aggregation": "mean",
            "method_cfg": {
                "name": "entropy",
                "entropy_type": "tsallis",
                "alpha": 0.5,
                "entropy_norm": "exp",
            },
        },
        "itn": {"batch_size": 32, "n_jobs": 1, "left_padding_size": 4},
        "enable_itn": False,
        "enable_nmt": False,
        "pipeline_type": "cache_aware",
        "asr_decoding_type": "rnnt",
        "asr_output_granularity": "segment",
        "matmul_precision": "high",
        "log_level": 40,
        "cache_dir": None,
        "lang": None,
        "return_tail_result": False,
    }
