"""What was really said in recordings, and how many words were understood otherwise."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests.helpers_speech import word_errors
from trioagent.errors import ConfigError
from trioagent.replay.live.transcripts import WordErrors, read_transcripts, total
from trioagent.replay.live.transcripts import word_errors as counted

if TYPE_CHECKING:
    from pathlib import Path


@pytest.mark.parametrize(
    ("said", "understood", "errors"),
    [
        ("Turn on the light!", "turn on, the LIGHT", WordErrors(4)),
        ("turn on the light", "turn on light", WordErrors(4, deletions=1)),
        ("turn on", "turn it on", WordErrors(2, insertions=1)),
        ("turn on", "burn on", WordErrors(2, substitutions=1)),
        ("", "oh well", WordErrors(0, insertions=2)),
        ("oh well", "", WordErrors(2, deletions=2)),
        ("", "...", WordErrors()),
    ],
)
def test_words(said: str, understood: str, errors: WordErrors) -> None:
    assert counted(said, understood) == errors
    assert errors.errors == word_errors(said, understood)


def test_rates_of_all_words_are_not_means_of_rates() -> None:
    both = total([WordErrors(1, substitutions=1), None, WordErrors(9)])
    assert both is not None
    assert both.rate == pytest.approx(0.1)
    assert total([None]) is None
    assert WordErrors(insertions=1).rate is None


def test_transcripts_are_read(tmp_path: Path) -> None:
    file = tmp_path / "said.tsv"
    file.write_bytes("\ufeffone\tTurn on\r\n\n two \t ça va \r\n".encode())
    read = read_transcripts(file, {"one", "two", "three"})
    assert read == {"one": "Turn on", "two": "ça va"}


@pytest.mark.parametrize(
    ("text", "told"),
    [
        (b"one two\n", "line 1: there is no tab in it"),
        (b"\n\ttext\n", "line 2: there is no tab in it"),
        (b"one\ta\nother\tb\n", "line 2: there is no recording 'other'"),
        (b"one\ta\none\tb\n", "line 2: 'one' comes twice"),
        (b"one\t\xff\n", "not UTF-8"),
    ],
)
def test_transcripts_that_cannot_be_used(
    text: bytes, told: str, tmp_path: Path
) -> None:
    file = tmp_path / "said.tsv"
    file.write_bytes(text)
    with pytest.raises(ConfigError, match=told) as caught:
        read_transcripts(file, {"one"})
    assert str(file) in str(caught.value)


def test_transcripts_that_are_not_there(tmp_path: Path) -> None:
    for path in (tmp_path / "none.tsv", tmp_path):
        with pytest.raises(ConfigError, match="cannot be read"):
            read_transcripts(path, {"one"})
