"""llama.cpp's own server on a language model of 16 words, made on the spot.

Run by the Python of an environment that has `xllamacpp` and `gguf`, not by ours. The
model counts: after "one" comes "two", after "twelve" again "one", for as long as it is
asked to. Every part of llama.cpp is at work: the file, the tokenizer, the template, the
slots, the sampling and the server; only the weights are simple enough to be written
down. It serves until its standard input ends.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path

import gguf
import numpy as np
import xllamacpp

WORDS = "one two three four five six seven eight nine ten eleven twelve".split()
MODEL = "counting"
WIDTH = 320
"""Of an embedding: every token has a direction of its own."""
HEADS = 8
CONTEXT_TOKENS = 4096
SLOTS = 4
TEMPLATE = (
    "{% for m in messages %}{{ m.role }}: {{ m.content }}\n{% endfor %}"
    "{% if add_generation_prompt %}assistant:{% endif %}"
)


def vocabulary() -> tuple[list[str], list[int]]:
    """The tokens, as sentencepiece has them, and their types."""
    kind = gguf.TokenType
    tokens = ["<unk>", "<s>", "</s>", *(f"<0x{byte:02X}>" for byte in range(256))]
    kinds = [kind.UNKNOWN, kind.CONTROL, kind.CONTROL, *([kind.BYTE] * 256)]
    tokens += [f"\u2581{word}" for word in WORDS]
    kinds += [kind.NORMAL] * len(WORDS)
    return tokens, kinds


def next_tokens(tokens: list[str]) -> list[int]:
    """What follows each token."""
    first = len(tokens) - len(WORDS)
    follows = [first] * len(tokens)
    for index in range(len(WORDS)):
        follows[first + index] = first + (index + 1) % len(WORDS)
    return follows


def write_model(path: Path) -> None:
    tokens, kinds = vocabulary()
    writer = gguf.GGUFWriter(path, "llama")
    writer.add_name(MODEL)
    writer.add_context_length(CONTEXT_TOKENS)
    writer.add_embedding_length(WIDTH)
    writer.add_feed_forward_length(WIDTH)
    writer.add_block_count(1)
    writer.add_head_count(HEADS)
    writer.add_head_count_kv(HEADS)
    writer.add_layer_norm_rms_eps(1e-5)
    writer.add_rope_dimension_count(WIDTH // HEADS)
    writer.add_vocab_size(len(tokens))
    writer.add_tokenizer_model("llama")
    writer.add_token_list(tokens)
    writer.add_token_scores([0.0] * len(tokens))
    writer.add_token_types(kinds)
    writer.add_bos_token_id(1)
    writer.add_eos_token_id(2)
    writer.add_chat_template(TEMPLATE)
    for name, weights in _weights(tokens).items():
        writer.add_tensor(f"{name}.weight", weights.astype(np.float32))
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()


def _weights(tokens: list[str]) -> dict[str, np.ndarray]:
    """A block that adds nothing, between an embedding and what follows from it."""
    count = len(tokens)
    embedding = np.eye(count, WIDTH)
    output = np.zeros((count, WIDTH))
    for token, follows in enumerate(next_tokens(tokens)):
        output[follows, token] = 1.0
    square, ones = np.zeros((WIDTH, WIDTH)), np.ones(WIDTH)
    parts = "attn_q attn_k attn_v attn_output ffn_gate ffn_up ffn_down".split()
    block = {f"blk.0.{part}": square for part in parts}
    norms = {"blk.0.attn_norm": ones, "blk.0.ffn_norm": ones, "output_norm": ones}
    return {"token_embd": embedding, "output": output, **norms, **block}


def serve(path: Path) -> xllamacpp.Server:
    params = xllamacpp.CommonParams()
    params.model.path = str(path)
    params.model_alias = {MODEL}
    params.hostnames = ["127.0.0.1"]
    params.port = 0
    params.n_ctx = CONTEXT_TOKENS * SLOTS
    params.n_parallel = SLOTS
    params.cpuparams.n_threads = 1
    params.cpuparams_batch.n_threads = 1
    params.n_gpu_layers = 0
    params.warmup = False
    return xllamacpp.Server(params)


def main() -> None:
    path = Path(sys.argv[1]) / "counting.gguf"
    if not path.exists():
        unfinished = path.with_suffix(".part")
        write_model(unfinished)
        unfinished.replace(path)
    server = serve(path)
    sys.stdout.write(json.dumps({"url": f"{server.listening_address}/v1"}) + "\n")
    sys.stdout.flush()
    sys.stdin.read()


if __name__ == "__main__":
    main()
