"""Which kind of model a folder holds, and what does not fit each kind."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from providers.asr.sherpa_model import examine
from tests.helpers_sherpa import tiny_ctc
from tests.helpers_speech import TINY_MODEL
from tests.helpers_tones import tone_ctc, tone_transducer
from tests.test_sherpa_model import Spoil, onnx, spoil_metadata, status_of_bare
from trioagent.errors import ProviderUnavailable


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A copy of the tiny model, to be spoiled."""
    return Path(shutil.copytree(TINY_MODEL, tmp_path / "model"))


def test_what_each_folder_is(tmp_path: Path) -> None:
    found = {
        "zipformer2": examine(tone_transducer(tmp_path / "zipformer2")),
        "lstm": examine(tone_transducer(tmp_path / "lstm", "lstm")),
        "zipformer2-ctc": examine(tone_ctc(tmp_path / "zipformer2-ctc")),
        "nemo-ctc": examine(tiny_ctc(tmp_path / "nemo-ctc")),
    }
    assert {name: model.family for name, model in found.items()} == {
        name: name for name in found
    }
    assert [model.loader for model in found.values()] == [
        *("transducer", "transducer", "zipformer2_ctc", "nemo_ctc"),
    ]
    assert [model.chunk_ms for model in found.values()] == [320, 320, 320, 160]
    assert [model.geometry.features for model in found.values()] == [80, 80, 80, 128]
    assert [model.takes_hotwords for model in found.values()] == [
        *(True, True, False, False),
    ]


def exported_for_another_window(folder: Path) -> None:
    spoil_metadata(folder / "encoder.onnx", window_size="65", chunk_shift="56")


def for_the_telephone(folder: Path) -> None:
    spoil_metadata(folder / "encoder.onnx", sample_rate="8000")


def decoder_of_an_offline_model(folder: Path) -> None:
    (folder / "decoder.onnx").write_bytes(onnx(3, {}))


def encoder_of_an_offline_model(folder: Path) -> None:
    (folder / "encoder.onnx").write_bytes(onnx(2, {"vocab_size": "206"}))


def window_below_chunk(folder: Path) -> None:
    spoil_metadata(folder / "encoder.onnx", window_size="8")


WRONG_KINDS = [
    (exported_for_another_window, "windows of 25 frames.*window_size = 65"),
    (for_the_telephone, "audio at 8000 Hz, and this is 16000"),
    (decoder_of_an_offline_model, "1 inputs and 3 outputs.*not the decoder"),
    (encoder_of_an_offline_model, "lacks window_size.*not a streaming model"),
    (window_below_chunk, "window_size 8 is below chunk_shift 16"),
]


@pytest.mark.parametrize(("spoil", "message"), WRONG_KINDS)
def test_a_model_that_does_not_fit_is_refused(
    folder: Path, spoil: Spoil, message: str
) -> None:
    spoil(folder)
    with pytest.raises(ProviderUnavailable, match=message):
        examine(folder)


ICEFALL_SPOILT: list[tuple[str, dict[str, str | None], str, int | None]] = [
    ("encoder-epoch-1.onnx", {"encoder_dims": None}, "lacks encoder_dims", 255),
    ("encoder-epoch-1.onnx", {"num_heads": "1,1"}, 'num_heads = "1,1", not 1', None),
    ("encoder-epoch-1.onnx", {"num_heads": "one"}, 'num_heads = "one"', 255),
    ("encoder-epoch-1.onnx", {"T": "77"}, "windows of 45 frames.*T = 77", None),
    ("encoder-epoch-1.onnx", {"decode_chunk_len": "x"}, 'decode_chunk_len = "x"', None),
    ("decoder-epoch-1.onnx", {"context_size": None}, "lacks context_size", 255),
    (
        "decoder-epoch-1.onnx",
        {"vocab_size": "500"},
        "6 symbols.*vocabulary of 500",
        None,
    ),
]


@pytest.mark.parametrize(("file", "changes", "message", "_exit"), ICEFALL_SPOILT)
def test_an_icefall_transducer_that_does_not_fit_is_refused(
    tmp_path: Path,
    file: str,
    changes: dict[str, str | None],
    message: str,
    _exit: int | None,
) -> None:
    folder = tone_transducer(tmp_path / "model")
    spoil_metadata(folder / file, **changes)
    with pytest.raises(ProviderUnavailable, match=message):
        examine(folder)
    if _exit is not None:
        names = ["tokens.txt", *(f"{p}-epoch-1.onnx" for p in ("encoder", "decoder"))]
        status = status_of_bare(folder, [*names, "joiner-epoch-1.onnx"])
        assert status == _exit


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"cache_last_time_dim1": None}, "lacks cache_last_time_dim1"),
        ({"vocab_size": "300"}, "207 symbols.*vocabulary of 300 and a blank"),
        ({"chunk_shift": "80", "window_size": "89"}, "windows of 25 frames"),
    ],
)
def test_a_nemo_ctc_model_that_does_not_fit_is_refused(
    tmp_path: Path, changes: dict[str, str | None], message: str
) -> None:
    folder = tiny_ctc(tmp_path / "model")
    spoil_metadata(folder / "model.onnx", **changes)
    with pytest.raises(ProviderUnavailable, match=message):
        examine(folder)


def test_a_zipformer2_ctc_model_needs_a_blank(tmp_path: Path) -> None:
    folder = tone_ctc(tmp_path / "model")
    tokens = folder / "tokens.txt"
    tokens.write_text(tokens.read_text("utf-8").replace("<blk>", "<b>"), "utf-8")
    with pytest.raises(ProviderUnavailable, match="no symbol for blank: <blk>, <eps>"):
        examine(folder)


def test_a_model_of_another_kind_in_one_file_is_refused(tmp_path: Path) -> None:
    shutil.copy(TINY_MODEL / "tokens.txt", tmp_path)
    sense_voice = {"vocab_size": "25055", "model_type": "sense_voice_ctc"}
    (tmp_path / "model.int8.onnx").write_bytes(onnx(1, sense_voice))
    with pytest.raises(
        ProviderUnavailable, match=r"model\.int8\.onnx.*not a streaming"
    ):
        examine(tmp_path)


def test_an_empty_folder_is_told_what_it_should_hold(tmp_path: Path) -> None:
    with pytest.raises(ProviderUnavailable, match="a streaming transducer has encoder"):
        examine(tmp_path)
