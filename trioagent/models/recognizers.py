"""The recognizers of the catalogue. Values only."""

from __future__ import annotations

from trioagent.models.entry import Model, sherpa_archive


def _asr_config(name: str) -> str:
    return f'[asr]\nprovider = "sherpa"\nmodel = "{name}"\n'


def _nemotron(chunk_ms: int, size_bytes: int, sha256: str, purpose: str) -> Model:
    stem = f"sherpa-onnx-nemotron-speech-streaming-en-0.6b-{chunk_ms}ms-int8-2026-04-25"
    name = f"nemotron-en-{chunk_ms}ms"
    return Model(
        name=name,
        kind="asr",
        provider="sherpa",
        purpose=f"English with punctuation, heard in steps of {chunk_ms} ms: {purpose}",
        licence="NVIDIA Open Model License",
        needs="CPU; its weights take 0.66 GB of memory",
        unpacked_bytes=665_000_000,
        sources=(sherpa_archive("asr-models", stem, size_bytes, sha256),),
        config=_asr_config(name),
    )


RECOGNIZERS: tuple[Model, ...] = (
    _nemotron(
        80,
        463_945_379,
        "caaf92069dbd1ca054f8e17cab179813bc28b4585f5c392540357ece4722333d",
        "the quickest, for machines with power to spare",
    ),
    _nemotron(
        160,
        463_945_198,
        "0ae73a41cd51599dc7cac9ac083d9d35de53d762ca45923505fde47a3751814b",
        "the one to begin with",
    ),
    _nemotron(
        560,
        463_945_051,
        "78e2b79fcf7271553a74402a76b771b09ea40117a39566a79f52235b23db6358",
        "for slower machines",
    ),
    _nemotron(
        1120,
        463_945_058,
        "840c48deed02d4a5975716e7b12dc0a8b1ba620776c6366f7e5677d8907edd73",
        "fewest errors, too late for a conversation",
    ),
    Model(
        name="zipformer-en-kroko",
        kind="asr",
        provider="sherpa",
        purpose="English with punctuation, a tenth of Nemotron's size",
        licence="CC-BY-SA-4.0",
        needs="CPU; its weights take 0.07 GB of memory",
        unpacked_bytes=80_000_000,
        sources=(
            sherpa_archive(
                "asr-models",
                "sherpa-onnx-streaming-zipformer-en-kroko-2025-08-06",
                57_267_600,
                "c8676e5ff9ac2a85296e53ee0fd4d5fb1db6770e7a7647166eeafe349ade6834",
            ),
        ),
        config=_asr_config("zipformer-en-kroko"),
    ),
    Model(
        name="zipformer-en-20m",
        kind="asr",
        provider="sherpa",
        purpose="English in capitals without punctuation, for the smallest machines",
        licence="Apache-2.0",
        needs="CPU; its weights take 0.05 GB of memory",
        unpacked_bytes=150_000_000,
        sources=(
            sherpa_archive(
                "asr-models",
                "sherpa-onnx-streaming-zipformer-en-20M-2023-02-17",
                127_887_156,
                "9c559283e8498d3fe95913c79ca1cb454bb26281ac2b102b41306c7d752765d9",
            ),
        ),
        config=_asr_config("zipformer-en-20m"),
    ),
)
