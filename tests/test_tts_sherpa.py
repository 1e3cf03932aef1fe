"""sherpa-onnx's voices: what is examined, chosen and said, with tiny real models."""

from __future__ import annotations

import math
import shutil
import subprocess
import sys
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import soundfile
import trio

from providers.tts import sherpa_folder
from providers.tts.clauses import clauses
from providers.tts.sherpa import PROVIDER, Options
from providers.tts.sherpa_engine import Engine
from providers.tts.sherpa_folder import examine
from providers.tts.sherpa_phonemes import Phonemizer
from tests.contract.tiny_voice import METADATA, model, write_kitten, write_vits
from tests.contract.tts_contract import speak
from trioagent.errors import ProviderUnavailable
from trioagent.interfaces import Speech

Spoil = Callable[[Path], None]


def options(folder: Path, **more: Any) -> Options:
    return Options(model=str(folder), threads=1, **{"probe": False, **more})


async def said(given: Options, phrase: str = "Hello there.") -> np.ndarray:
    async with PROVIDER.open(given) as tts:
        return (await speak(tts, phrase)).pcm


def pitch_hz(pcm: np.ndarray) -> float:
    """Of the first token, which is the same whatever is said."""
    token = pcm[:320].astype(float)
    return float(np.argmax(np.abs(np.fft.rfft(token, 16_000))))


async def test_speed_and_speaker(tmp_path: Path) -> None:
    voice = write_vits(tmp_path)
    plain = await said(options(voice))
    fast = await said(options(voice, speed=2.0))
    other = await said(options(voice, voice="1"))
    assert len(fast) == len(plain) / 2
    assert len(other) == len(plain)
    assert pitch_hz(other) - pitch_hz(plain) == pytest.approx(300, abs=30)


async def test_speakers_have_names(tmp_path: Path) -> None:
    voice = write_kitten(tmp_path)
    low = await said(options(voice, voice="low"))
    high = await said(options(voice, voice="high"))
    assert np.array_equal(low, await said(options(voice)))
    assert pitch_hz(high) - pitch_hz(low) == pytest.approx(300, abs=30)


@pytest.mark.parametrize("wanted", ["af_bella", "2", "-1", "1.0"])
async def test_a_speaker_that_is_not_there(tmp_path: Path, wanted: str) -> None:
    voice = write_kitten(tmp_path)
    with pytest.raises(ProviderUnavailable, match="has no voice") as caught:
        await said(options(voice, voice=wanted))
    assert "low, high" in caught.value.hint


async def test_a_language_that_espeak_does_not_know(tmp_path: Path) -> None:
    with pytest.raises(ProviderUnavailable, match="no voice 'xx-nowhere'"):
        await said(options(write_vits(tmp_path, voice="xx-nowhere")))
    assert len(await said(options(tmp_path, language="en-us")))


async def test_nothing_configured() -> None:
    with pytest.raises(ProviderUnavailable, match="no model is configured") as caught:
        await said(Options())
    assert "[tts.sherpa]" in caught.value.hint


# --- what is examined ----------------------------------------------------------------


def no_folder(folder: Path) -> None:
    shutil.rmtree(folder)


def no_model(folder: Path) -> None:
    (folder / "tiny.onnx").unlink()


def two_models(folder: Path) -> None:
    shutil.copy(folder / "tiny.onnx", folder / "other.onnx")


def no_tokens(folder: Path) -> None:
    (folder / "tokens.txt").unlink()


def tokens_of_another_kind(folder: Path) -> None:
    (folder / "tokens.txt").write_text("a 0\nb 1\n")


def a_token_twice(folder: Path) -> None:
    path = folder / "tokens.txt"
    path.write_text(path.read_text(encoding="utf-8") + "a 200\n", encoding="utf-8")


def tokens_without_numbers(folder: Path) -> None:
    (folder / "tokens.txt").write_text("hello\n")


def cut_short(folder: Path) -> None:
    path = folder / "tiny.onnx"
    path.write_bytes(path.read_bytes()[:500])


def a_web_page(folder: Path) -> None:
    (folder / "tiny.onnx").write_text("<!DOCTYPE html><title>404</title>")


def lacks(key: str) -> Spoil:
    def spoil(folder: Path) -> None:
        write_vits(folder, **{key: ""})

    spoil.__name__ = f"lacks_{key}"
    return spoil


def rate_of_no_number(folder: Path) -> None:
    write_vits(folder, sample_rate="many")


def rate_too_high(folder: Path) -> None:
    write_vits(folder, sample_rate="96000")


ENDS_THE_PROCESS = [
    (lacks("sample_rate"), "tiny.onnx.*lacks sample_rate"),
    (lacks("n_speakers"), "lacks n_speakers"),
    (lacks("comment"), "lacks comment"),
    (lacks("language"), "lacks language"),
    (a_token_twice, "tokens.txt.*line.*'a' again"),
]
BROKEN = [
    *ENDS_THE_PROCESS,
    (no_folder, "no such folder"),
    (no_model, "it holds no"),
    (two_models, "keep one of: other.onnx, tiny.onnx"),
    (no_tokens, "it holds no tokens.txt"),
    (tokens_of_another_kind, r"tokens.txt.*lacks \$ \^ _"),
    (tokens_without_numbers, "line 1 is not"),
    (cut_short, "tiny.onnx.*cut short"),
    (a_web_page, "not a whole ONNX file"),
    (rate_of_no_number, 'sample_rate = "many"'),
    (rate_too_high, 'sample_rate = "96000"'),
]


@pytest.mark.parametrize(("spoil", "message"), BROKEN)
async def test_a_broken_folder_is_refused(
    tmp_path: Path, spoil: Spoil, message: str
) -> None:
    folder = write_vits(tmp_path / "voice")
    spoil(folder)
    with pytest.raises(ProviderUnavailable, match=message) as caught:
        await said(options(folder))
    assert str(folder) in caught.value.message
    assert caught.value.hint


LOAD_BARE = """
import sys, sherpa_onnx as s
folder = sys.argv[1]
vits = s.OfflineTtsVitsModelConfig(f"{folder}/tiny.onnx", "", f"{folder}/tokens.txt")
s.OfflineTts(s.OfflineTtsConfig(model=s.OfflineTtsModelConfig(vits=vits)))
"""


@pytest.mark.parametrize("spoil", [spoil for spoil, _ in ENDS_THE_PROCESS])
def test_the_refused_would_have_ended_the_process(tmp_path: Path, spoil: Spoil) -> None:
    """What the examination is for: sherpa-onnx alone exits, it does not raise."""
    folder = write_vits(tmp_path / "voice")
    spoil(folder)
    command = [sys.executable, "-c", LOAD_BARE, str(folder)]
    found = subprocess.run(command, capture_output=True, text=True, check=False)
    assert found.returncode == 255, found.stderr
    assert "Traceback" not in found.stderr


async def test_styles_of_another_model(tmp_path: Path) -> None:
    voice = write_kitten(tmp_path)
    (voice / "voices.bin").write_bytes(bytes(20))
    with pytest.raises(ProviderUnavailable, match=r"voices.bin.*20 bytes.*take 32"):
        await said(options(voice))


async def test_the_probe_dies_in_our_place(tmp_path: Path) -> None:
    """A model that passes the examination and yet ends the process that loads it."""
    voice = write_vits(tmp_path, comment="piper melo", language="English")
    with pytest.raises(ProviderUnavailable, match=r"ends with status 255.*MeloTTS"):
        await said(options(voice, probe=True))


async def test_the_probe_lets_a_good_voice_pass(tmp_path: Path) -> None:
    assert len(await said(options(write_vits(tmp_path), probe=True)))


# --- kinds by their files ------------------------------------------------------------

KINDS = [
    ("vits", "en_US-amy-low.onnx tokens.txt", METADATA),
    ("matcha", "model-steps-3.onnx vocos-22khz-univ.onnx tokens.txt", METADATA),
    (
        "kokoro",
        "model.onnx voices.bin tokens.txt lexicon-us-en.txt lexicon-zh.txt",
        {**METADATA, "style_dim": "1,1,1"},
    ),
    (
        "kitten",
        "model.fp16.onnx voices.bin tokens.txt",
        {**METADATA, "model_type": "kitten-tts", "style_dim": "1,1"},
    ),
    (
        "zipvoice",
        "encoder.int8.onnx decoder.int8.onnx vocos_24khz.onnx tokens.txt lexicon.txt",
        {},
    ),
    (
        "pocket",
        (
            "lm_flow.int8.onnx lm_main.int8.onnx encoder.onnx decoder.int8.onnx"
            " text_conditioner.onnx vocab.json token_scores.json"
        ),
        {},
    ),
]


def lay_out(folder: Path, names: str, metadata: dict[str, str]) -> None:
    """A folder with the files that sherpa-onnx publishes, and headers for models."""
    for name in names.split():
        path = folder / name
        if path.suffix == ".onnx":
            path.write_bytes(model(b"", metadata))
        elif name == "voices.bin":
            path.write_bytes(bytes(8))
        else:
            path.write_text("_ 0\n^ 1\n$ 2\n")


@pytest.mark.parametrize(("kind", "names", "metadata"), KINDS)
def test_a_kind_is_known_by_its_files(
    tmp_path: Path, kind: str, names: str, metadata: dict[str, str]
) -> None:
    lay_out(tmp_path, names, metadata)
    found = examine(tmp_path)
    assert found.kind == kind
    assert {path.name for path in found.files.values()} | {
        path.name for path in found.lexicons
    } == set(names.split())
    assert found.clones == (kind in ("zipvoice", "pocket"))
    assert found.takes_phonemes == (kind in ("vits", "matcha", "kitten"))


@pytest.mark.parametrize(("kind", "names", "metadata"), KINDS)
def test_each_file_is_missed(
    tmp_path: Path, kind: str, names: str, metadata: dict[str, str]
) -> None:
    for missing in names.split():
        if missing.startswith("lexicon"):
            continue
        folder = tmp_path / missing
        folder.mkdir()
        lay_out(folder, names, metadata)
        (folder / missing).unlink()
        # Without what makes it its kind, it may look like another.
        with suppress(ProviderUnavailable):
            assert examine(folder).kind != kind


@pytest.mark.parametrize("prefer_int8", [True, False])
def test_int8_is_a_choice_where_both_are_there(
    tmp_path: Path, *, prefer_int8: bool
) -> None:
    voice = write_vits(tmp_path)
    shutil.copy(voice / "tiny.onnx", voice / "tiny.int8.onnx")
    found = examine(voice, prefer_int8=prefer_int8)
    assert (found.files["model"].name == "tiny.int8.onnx") == prefer_int8


def test_the_kinds_are_those_of_sherpa_onnx() -> None:
    """The files are passed on by name: each must be one that sherpa-onnx knows."""
    import sherpa_onnx  # noqa: PLC0415 - heavy

    for kind, names, metadata in KINDS:
        config = getattr(sherpa_onnx, f"OfflineTts{kind.capitalize()}ModelConfig")()
        parts = {"lexicon"} if "lexicon" in names else set()
        if kind == "pocket":
            parts |= set(sherpa_folder.POCKET_PARTS)
        assert all(hasattr(config, part) for part in parts), (kind, metadata)


# --- voices that clone ---------------------------------------------------------------


def zipvoice(folder: Path) -> Path:
    kind, names, metadata = KINDS[4]
    assert kind == "zipvoice"
    folder.mkdir()
    lay_out(folder, names, metadata)
    return folder


@pytest.mark.parametrize(
    ("seconds", "level", "message"),
    [(0.5, 0.2, "too short"), (31, 0.2, "too long"), (3, 0.0, "silent")],
)
async def test_a_reference_that_does_not_fit(
    tmp_path: Path, seconds: float, level: float, message: str
) -> None:
    wav = tmp_path / "voice.wav"
    hum = level * np.sin(np.arange(round(seconds * 8000)) * 0.1)
    soundfile.write(wav, hum, 8000)
    given = options(zipvoice(tmp_path / "z"), reference_wav=str(wav))
    with pytest.raises(ProviderUnavailable, match=f"voice.wav.*{message}") as caught:
        await said(given)
    assert "[tts.sherpa]" in caught.value.hint


async def test_a_reference_that_is_missing_or_no_audio(tmp_path: Path) -> None:
    voice = zipvoice(tmp_path / "z")
    with pytest.raises(ProviderUnavailable, match="no voice to clone"):
        await said(options(voice))
    with pytest.raises(ProviderUnavailable, match=r"nowhere.wav: No such file"):
        await said(options(voice, reference_wav=str(tmp_path / "nowhere.wav")))
    (tmp_path / "text.wav").write_text("no audio at all")
    with pytest.raises(ProviderUnavailable, match=r"text.wav is no audio file"):
        await said(options(voice, reference_wav=str(tmp_path / "text.wav")))


async def test_zipvoice_must_know_the_words(tmp_path: Path) -> None:
    wav = tmp_path / "voice.wav"
    soundfile.write(wav, 0.2 * np.sin(np.arange(16000) * 0.1), 8000)
    given = options(zipvoice(tmp_path / "z"), reference_wav=str(wav))
    with pytest.raises(ProviderUnavailable, match="must know what is said") as caught:
        await said(given)
    assert "reference_text" in caught.value.hint


# --- text ----------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("phrase", "expected"),
    [
        ("Hello.", ["Hello."]),
        ("Well, that is so.", ["Well, that is so."]),
        ("Yes, of course I can, and I will.", ["Yes, of course I can,", "and I will."]),
        ("Good day. Dr. Smith is here.", ["Good day.", "Dr. Smith is here."]),
        ("It costs 3.5 euros.", ["It costs 3.5 euros."]),
        ("?!", []),
        ("\N{GRINNING FACE}", []),
    ],
)
def test_clauses(phrase: str, expected: list[str]) -> None:
    assert list(clauses(phrase)) == expected


def test_clauses_lose_no_word_and_have_a_limit() -> None:
    phrase = "word " * 300
    found = list(clauses(phrase))
    assert " ".join(found).split() == phrase.split()
    assert max(map(len, found)) <= 200


def test_phonemes_keep_punctuation() -> None:
    phonemizer = Phonemizer("en-us")

    def phonemes(text: str) -> str:
        return "".join(map(chr, phonemizer.codepoints(text)))

    hello = phonemes("hello")
    assert hello[0] == "h"
    assert phonemes("Hello.") == f"{hello}."
    assert phonemes("Hello, hello?") == f"{hello}, {hello}?"
    assert phonemes("Hello\N{HORIZONTAL ELLIPSIS}") == f"{hello}."
    assert "(" not in phonemes("the caf\u00e9 \u043f\u0440\u0438\u0432\u0435\u0442")


async def test_the_first_clause_is_there_before_the_rest(tmp_path: Path) -> None:
    voice = write_vits(tmp_path, slow=1_400)
    phrase = "Yes, of course I can, and I will do it for you now. What else is there?"
    send, receive = trio.open_memory_channel[Any](math.inf)
    times: list[float] = []

    async def synthesize() -> None:
        with send:
            await tts.synthesize(phrase, send)

    async with PROVIDER.open(options(voice)) as tts, trio.open_nursery() as nursery:
        began = trio.current_time()
        nursery.start_soon(synthesize)
        times += [trio.current_time() - began async for _ in receive]
    # Three clauses take about the same time each.
    assert times[0] < 0.8 * times[-1]


def test_it_stops_between_sentences(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Where sherpa-onnx cuts a clause further, it asks after each part."""
    engine = Engine(options(write_vits(tmp_path)))
    one = engine._generation("One.")
    three = engine._generation("One.")
    three.phoneme_codepoints = one.phoneme_codepoints * 3
    monkeypatch.setattr(engine, "_generation", lambda _clause: three)
    for wanted in (1, 2, 3):
        parts: list[int] = []

        def sink(
            samples: np.ndarray, parts: list[int] = parts, wanted: int = wanted
        ) -> bool:
            parts.append(len(samples))
            return len(parts) < wanted

        engine.speak("One. Two. Three.", sink)
        assert len(parts) == wanted


async def test_a_clause_in_the_making_is_awaited_at_the_end(tmp_path: Path) -> None:
    """A thread in native code must not outlive what it works for."""
    voice = write_vits(tmp_path, slow=1_400)
    send, _receive = trio.open_memory_channel[Speech](math.inf)
    async with PROVIDER.open(options(voice)) as tts:
        with trio.move_on_after(0.02):
            await tts.synthesize("This takes a while.", send)
        busy = tts._offload  # type: ignore[attr-defined] # ours
        assert busy.busy
    assert not busy.busy


def test_unavailable() -> None:
    assert PROVIDER.unavailable(Options()) == "no model is configured"
    assert PROVIDER.unavailable(Options(model="somewhere")) is None
