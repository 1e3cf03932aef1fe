"""What fuzzing has found, each with the input that showed it. See docs/fuzzing.md."""

from __future__ import annotations

import io
import json
import struct
import zipfile
from typing import TYPE_CHECKING

import numpy as np
import pytest
import soundfile
import trio

from providers.asr.qwen_text import transcript
from providers.asr.sherpa_metadata import examine_icefall, languages_of, require_numbers
from providers.asr.sherpa_model import _read_tokens
from providers.asr.sherpa_pipe import REPLY, Reader, read_reply
from providers.onnx_header import OnnxHeader
from providers.rooms.mumble import messages, wire
from providers.rooms.mumble.text import split_text
from providers.tts.openai_wav import NotSpeech, SpeechBytes
from providers.tts.reference_voice import load_reference
from providers.wyoming.incoming import Incoming
from tests.fuzzing.all_targets import TARGETS
from tests.fuzzing.running import aborted_after
from trioagent.calling.audio_files import read_wav
from trioagent.config import BargeInConfig, ChunkerConfig
from trioagent.configuration.file import load_config
from trioagent.decisions.echo import EchoJudge
from trioagent.decisions.interruption import is_backchannel, may_be_backchannel
from trioagent.decisions.phrases import PhraseCutter
from trioagent.decisions.spoken_text import ThinkFilter
from trioagent.errors import ConfigError, ProviderError, ProviderUnavailable
from trioagent.fitting.cards import parse_cards, with_slices
from trioagent.interfaces import Speech
from trioagent.models.errors import ModelError
from trioagent.models.part import Part
from trioagent.models.trust import known
from trioagent.models.unpack import Limits, Unpacking
from trioagent.recording.files import BrokenAudio, read_audio
from trioagent.recording.lines import BadLine, parse_entry
from trioagent.tuning.ranges import read_ranges
from trioagent.wyoming.framing import BadFrame, Decoder, Event

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

MEGABYTE = 1_000_000
ENDLESS = "9" * 5000
DEEP = b"[" * 100_000


@pytest.fixture(autouse=True)
def _nothing_hangs() -> Iterator[None]:
    """What took minutes to hours takes a second now, on a machine that is slow."""
    with aborted_after(30):
        yield


# --- text that is no text --------------------------------------------------------


def test_half_a_surrogate_pair_can_be_written_to_the_chat() -> None:
    (piece,) = split_text("half \ud83d <b>", 100)
    sent = wire.encode(messages.TextMessage(message=piece))
    (received,) = wire.MessageReader().feed(sent)
    assert received == messages.TextMessage(message="half ? &lt;b&gt;")


def test_a_websocket_header_that_is_not_ascii_is_a_refusal() -> None:
    answer = b"HTTP/1.1 101 OK\r\nUpgrade: websocket\r\nConnection: \xff\xfe\r\n\r\n"
    assert TARGETS["websocket.handshake"].gives(answer) == "Refused"


def test_a_piper_voice_with_half_a_character_is_none() -> None:
    voice = {
        "phoneme_id_map": {"\ud800": [0]},
        "num_speakers": 1,
        "espeak": {"voice": "en"},
        "audio": {"sample_rate": 22050},
    }
    assert TARGETS["files.piper_json"].gives(json.dumps(voice).encode()) == "NotPiper"
    endless = json.dumps(voice | {"num_speakers": float("inf")}).encode()
    assert TARGETS["files.piper_json"].gives(endless) == "NotPiper"


# --- work that grew with the square of the length --------------------------------


def test_a_message_of_a_million_repeated_fields() -> None:
    body = b"\x10\x07" * (MEGABYTE // 2)
    message = wire.decode(messages.TextMessage.type, body)
    assert isinstance(message, messages.TextMessage)
    assert message.session == (7,) * (MEGABYTE // 2)


def test_white_space_from_a_recognizer() -> None:
    assert transcript("a" + " " * MEGABYTE + "b") == "a b"
    assert transcript("language English \t<asr_text>Hi") == "Hi"


def test_a_reply_of_nothing_but_thoughts() -> None:
    thoughts = ThinkFilter()
    assert thoughts.push("<think>x</think>" * (MEGABYTE // 16) + "hi") == "hi"


def test_a_reply_of_nothing_but_lines() -> None:
    cutter = PhraseCutter(ChunkerConfig())
    assert cutter.push("\n" * 200_000 + "Hello there, it is late. ") == [
        "Hello there, it is late."
    ]
    assert len(cutter._text) <= ChunkerConfig().max_chars


def test_somebody_who_agrees_for_hours() -> None:
    backchannels = BargeInConfig().backchannels
    agreed = "uh huh yeah " * 8_000
    assert is_backchannel(agreed, backchannels)
    assert may_be_backchannel(agreed + "uh", backchannels)
    assert not may_be_backchannel(agreed + "no", backchannels)


def test_an_echo_is_looked_for_in_two_minutes_of_speech() -> None:
    judge = EchoJudge(window_s=60.0, similarity=0.8)
    ours = "the weather in london is rather cold tonight"
    judge.spoke(ours, 0.0)
    assert judge.is_echo(ours, 1.0)
    assert not judge.is_echo("somebody tells a very long story " * 3_000, 1.0)


def test_a_sound_header_that_comes_byte_by_byte() -> None:
    header = b"RIFF" + bytes(4) + b"WAVE" + (b"junk" + bytes(4)) * 7_000
    speech = SpeechBytes(24_000)
    for at in range(len(header)):
        assert not speech.push(header[at : at + 1]).size
    with pytest.raises(NotSpeech):
        speech.push(bytes(70_000))


def test_a_list_of_languages_without_numbers() -> None:
    assert languages_of("a" * MEGABYTE) == frozenset()
    assert languages_of('{"en-US": 0, "de": 1}') == {"en-us", "en", "de"}


def test_nvidia_smi_that_says_more_than_there_are_cards() -> None:
    line = "(UUID: GPU-" * (MEGABYTE // 11)
    assert with_slices(parse_cards(line), f"GPU 0: {line}\n  MIG {line}\n") == ()


# --- numbers without end, and what is no number ----------------------------------


def test_numbers_of_thousands_of_digits(tmp_path: Path) -> None:
    header = OnnxHeader({"window_size": ENDLESS}, 1)
    with pytest.raises(ProviderUnavailable, match="not a number"):
        require_numbers(tmp_path, header, ("window_size",))
    tokens = tmp_path / "tokens.txt"
    tokens.write_text(f"a {ENDLESS}\n")
    with pytest.raises(ProviderUnavailable, match="symbol number"):
        _read_tokens(tokens)
    assert TARGETS["http.content_range"].gives(f"bytes 0-1/{ENDLESS}".encode()) == "ok"


def test_a_card_with_infinite_memory() -> None:
    (card,) = parse_cards("0, GPU-1, A, inf, nan, 9.0, Disabled")
    assert (card.total_mib, card.free_mib) == (None, None)


@pytest.mark.parametrize(
    "numbers", ["1:1e999999:1", "1:2:1e-999999", "1:2:1e9999999999"]
)
def test_a_range_beyond_all_numbers(numbers: str) -> None:
    with pytest.raises(ConfigError):
        read_ranges([f"turn.hold_ms={numbers}"])


def test_more_samples_than_there_can_be() -> None:
    line = {"what": "packet", "t": 0.0, "speaker": 1, "samples": 320}
    assert parse_entry(json.dumps(line).encode()).t == 0.0
    with pytest.raises(BadLine, match="samples"):
        parse_entry(json.dumps(line | {"samples": 1 << 64}).encode())


def test_speech_of_more_hertz_than_memory() -> None:
    """600 s of a phrase are allowed, of any rate: so any amount of memory was."""
    send, receive = trio.open_memory_channel[Speech](1)
    with send, receive:
        incoming = Incoming(send, 0)
        event = Event("audio-start", {"rate": 1 << 62, "width": 2, "channels": 1})
        with pytest.raises(ProviderError, match="at 1000 to 192000 Hz"):
            incoming.begins(event)


# --- nesting ---------------------------------------------------------------------


def test_settings_that_are_nested_without_end(tmp_path: Path) -> None:
    dots = ".a" * 3_000
    path = tmp_path / "config.toml"
    path.write_text(f"a{dots} = 1\n")
    with pytest.raises(ConfigError, match="levels"):
        load_config(path)
    for text in (f"a{dots}=1", f"a.b={{a{dots}=1}}", "a.b=" + "[" * 200 + "]" * 200):
        with pytest.raises(ConfigError, match=r"levels|not a TOML value"):
            load_config(None, [text])


def test_json_that_is_nested_without_end(tmp_path: Path) -> None:
    part = Part(tmp_path / "model")
    part.path.write_bytes(b"x")
    for note in (DEEP, b"[]", b"-0", b'{"url": 1e999}'):
        (tmp_path / "model.part.json").write_bytes(note)
        version = part.version()
        assert version is None or isinstance(version.url, str)
    (tmp_path / "sums").write_bytes(DEEP)
    with pytest.raises(ModelError, match="cannot be read"):
        known(tmp_path / "sums")


# --- files that promise what they do not hold ------------------------------------


def _flac(samples: int, promised: int) -> bytes:
    """Silence, whose header says another length."""
    file = io.BytesIO()
    soundfile.write(file, np.zeros(samples, np.int16), 16_000, format="FLAC")
    data = bytearray(file.getvalue())
    # STREAMINFO: 36 bits of samples end 16 bytes before its end, at byte 42.
    head = int.from_bytes(data[18:26], "big") >> 36 << 36
    data[18:26] = (head | promised).to_bytes(8, "big")
    return bytes(data)


def test_a_recording_that_promises_100_gigabytes(tmp_path: Path) -> None:
    (tmp_path / "spoken.flac").write_bytes(_flac(1600, 1600))
    assert len(read_audio(tmp_path, "spoken", 16_000)) == 1600
    (tmp_path / "spoken.flac").write_bytes(_flac(1600, 1 << 35))
    with pytest.raises(BrokenAudio):
        read_audio(tmp_path, "spoken", 16_000)


def test_a_voice_that_promises_100_gigabytes(tmp_path: Path) -> None:
    path = tmp_path / "voice.flac"
    path.write_bytes(_flac(32_000, 1 << 35))
    with pytest.raises(ProviderUnavailable):
        load_reference(str(path), "tts.luxtts")
    with pytest.raises(ConfigError):
        read_wav(path, 16_000)


def test_an_archive_that_begins_before_its_file(tmp_path: Path) -> None:
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w") as archive:
        archive.writestr("m/model.onnx", b"x" * 50)
    data = bytearray(file.getvalue())
    (offset,) = struct.unpack_from("<I", data, len(data) - 6)
    struct.pack_into("<I", data, len(data) - 6, offset + 5)
    (tmp_path / "a.zip").write_bytes(data)
    unpacking = Unpacking(
        tmp_path / "a.zip", tmp_path / "m", Limits(1 << 20), lambda _done, _all: None
    )
    with pytest.raises(ModelError, match="cannot be unpacked"):
        unpacking.run()


def test_a_model_without_inputs(tmp_path: Path) -> None:
    assert TARGETS["files.onnx"].gives(TARGETS["files.onnx"].seeds()[3]) == "ok"
    numbers = {"model_type": "lstm", "num_encoder_layers": "2", "rnn_hidden_size": "2"}
    numbers |= {"d_model": "2", "T": "9", "decode_chunk_len": "4"}
    with pytest.raises(ProviderUnavailable, match="no inputs"):
        examine_icefall(tmp_path, OnnxHeader(numbers, 1))


# --- what is no reply, no frame --------------------------------------------------


@pytest.mark.parametrize(
    "body", [b"warning: no GPU", DEEP, b"5", b"{}", b'{"text": 5}', b"\xff\xfe"]
)
def test_a_library_that_prints_into_the_pipe(body: bytes) -> None:
    assert read_reply(body) is None


def test_replies_are_whole_objects_of_texts() -> None:
    assert read_reply(b'{"text": "hello"}') == {"text": "hello", "hint": ""}


async def test_a_reply_of_four_gigabytes_ends_the_process() -> None:
    from providers.asr.sherpa_child import Child  # noqa: PLC0415 - starts nothing

    class _Pipe:
        async def receive_some(self, _most: int) -> bytes:
            await trio.lowlevel.checkpoint()
            return REPLY.pack(1, 0xFFFFFFFF)

    child = Child.__new__(Child)
    child._reader = Reader(_Pipe())  # type: ignore[arg-type] # all it uses
    assert await child._next_reply() is None


def test_an_error_about_a_frame_is_short() -> None:
    decoder = Decoder()
    decoder.feed(b'{"type": "%s", "data_length": -1}\n' % (b"x" * 900_000))
    with pytest.raises(BadFrame) as refused:
        decoder.next()
    assert len(str(refused.value)) < 200
