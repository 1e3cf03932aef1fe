"""The voices of the catalogue. Values only."""

from __future__ import annotations

from trioagent.models.entry import SHERPA, Model, Source, sherpa_archive

_LUXTTS = "https://huggingface.co/YatharthS/LuxTTS/resolve/main"
_ESPEAK_DATA = "; the pronunciation data is espeak-ng's, GPL-3.0-or-later"


def _tts_config(name: str, provider: str = "sherpa") -> str:
    return f'[tts]\nprovider = "{provider}"\n\n[tts.{provider}]\nmodel = "{name}"\n'


def _piper(name: str, voice: str, licence: str, size: int, sha256: str = "") -> Model:
    return Model(
        name=name,
        kind="tts",
        provider="sherpa",
        purpose=f"the Piper voice {voice}, 22 kHz: quick on a CPU, a little mechanical",
        licence=licence + _ESPEAK_DATA,
        needs="CPU; its weights take 0.06 GB of memory",
        unpacked_bytes=82_000_000,
        sources=(sherpa_archive("tts-models", f"vits-piper-{voice}", size, sha256),),
        config=_tts_config(name),
    )


VOICES: tuple[Model, ...] = (
    Model(
        name="kokoro-en",
        kind="tts",
        provider="sherpa",
        purpose="Kokoro 0.19, 11 English voices, 24 kHz: the most natural one "
        "here that needs no GPU",
        licence="Apache-2.0" + _ESPEAK_DATA,
        needs="CPU, a quick one; its weights take 0.35 GB of memory",
        unpacked_bytes=375_000_000,
        sources=(
            sherpa_archive(
                "tts-models",
                "kokoro-en-v0_19",
                319_625_534,
                "912804855a04745fa77a30be545b3f9a5d15c4d66db00b88cbcd4921df605ac7",
            ),
        ),
        config=_tts_config("kokoro-en"),
    ),
    Model(
        name="kokoro-multi",
        kind="tts",
        provider="sherpa",
        purpose="Kokoro 1.0, voices for English and Chinese, 24 kHz. Its archive was "
        "replaced at the same address, so that two checksums are about",
        licence="Apache-2.0" + _ESPEAK_DATA,
        needs="CPU, a quick one; its weights take 0.35 GB of memory",
        unpacked_bytes=410_000_000,
        sources=(sherpa_archive("tts-models", "kokoro-multi-lang-v1_0", 350_000_000),),
        config=_tts_config("kokoro-multi"),
    ),
    _piper(
        "piper-en-us-lessac",
        "en_US-lessac-medium",
        "model MIT, recordings under the terms of the Blizzard Challenge 2013: "
        "read MODEL_CARD",
        67_230_653,
        "9e3febfacf0abf4270172d2958bcec246032b7e88efc2720840cc80c93de334e",
    ),
    _piper(
        "piper-en-us-ljspeech",
        "en_US-ljspeech-medium",
        "model MIT, recordings in the public domain",
        67_000_000,
    ),
    _piper(
        "piper-en-gb-alba",
        "en_GB-alba-medium",
        "model MIT, recordings: read MODEL_CARD",
        67_212_349,
    ),
    Model(
        name="matcha-en-us",
        kind="tts",
        provider="sherpa",
        purpose="Matcha-TTS, one American voice (LJSpeech), 22 kHz, with its vocoder",
        licence="model Apache-2.0, vocoder MIT, recordings in the public domain"
        + _ESPEAK_DATA,
        needs="CPU; its weights take 0.13 GB of memory",
        unpacked_bytes=150_000_000,
        sources=(
            sherpa_archive(
                "tts-models",
                "matcha-icefall-en_US-ljspeech",
                76_741_121,
                "ea75702da7456a8b1874728278a835220dc8a26f4e8bd93c83bf53dc27679845",
            ),
            Source(
                f"{SHERPA}/vocoder-models/vocos-22khz-univ.onnx",
                53_884_024,
                "0574a135aa1db2de6e181050db2ec528496cacd4a4701fc5d7faf9f9804c0081",
                path="vocos-22khz-univ.onnx",
            ),
        ),
        config=_tts_config("matcha-en-us"),
    ),
    Model(
        name="kitten-en",
        kind="tts",
        provider="sherpa",
        purpose="Kitten nano 0.2, 8 English voices, 24 kHz: the smallest",
        licence="Apache-2.0" + _ESPEAK_DATA,
        needs="CPU; its weights take 0.03 GB of memory",
        unpacked_bytes=42_000_000,
        sources=(
            sherpa_archive(
                "tts-models",
                "kitten-nano-en-v0_2-fp16",
                26_586_708,
                "0345a8a2f4a710cb8f7912c9a731ded8b3e1e69b33a871efa95c2e64651518fe",
            ),
        ),
        config=_tts_config("kitten-en"),
    ),
    Model(
        name="luxtts",
        kind="tts",
        provider="luxtts",
        purpose="LuxTTS: a voice cloned from a few seconds of speech, English, 48 kHz. "
        "model.pt and vocos.bin are pickles, which can run code when they are loaded",
        licence="Apache-2.0",
        needs="GPU with 1 GB of memory (its authors say), or a quick CPU",
        unpacked_bytes=1_050_000_000,
        # All sizes are about: the repository's listing rounds them.
        sources=(
            Source(f"{_LUXTTS}/config.json", 700, path="config.json"),
            Source(f"{_LUXTTS}/tokens.txt", 2_600, path="tokens.txt"),
            Source(f"{_LUXTTS}/model.pt", 490_000_000, path="model.pt"),
            Source(
                f"{_LUXTTS}/text_encoder.onnx", 17_600_000, path="text_encoder.onnx"
            ),
            Source(f"{_LUXTTS}/fm_decoder.onnx", 478_000_000, path="fm_decoder.onnx"),
            Source(f"{_LUXTTS}/vocoder/config.yaml", 2_000, path="vocoder/config.yaml"),
            Source(
                f"{_LUXTTS}/vocoder/vocos.bin", 62_000_000, path="vocoder/vocos.bin"
            ),
        ),
        config=_tts_config("luxtts", "luxtts")
        + 'reference_wav = "voice.wav"   # of the voice to clone\n',
    ),
)
