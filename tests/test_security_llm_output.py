"""What a language model says stays text.

Nothing of it is a command: not to the synthesizer, not to a chat client, not to the
file system. Terminals are in test_security_terminal.py, pages in test_pages.py.
"""

from __future__ import annotations

import html
import math
import os
import unicodedata
from html.parser import HTMLParser
from typing import TYPE_CHECKING, Any

import pytest
import trio
from hypothesis import given
from hypothesis import strategies as st

from providers.rooms.mumble.text import split_text
from providers.tts import libespeak
from providers.tts.espeak import PROVIDER, Options, _parts
from tests.helpers_hostile_text import SCRIPT, STEERS, TERMINAL
from trioagent.config import ChunkerConfig
from trioagent.decisions.phrases import PhraseCutter
from trioagent.decisions.spoken_text import spoken_text
from trioagent.recording.files import safe_name

if TYPE_CHECKING:
    from pathlib import Path

COMMANDS = [
    '<audio src="file:///etc/passwd"/>',
    '<speak><audio src="file:///usr/share/sounds/x.wav">x</audio></speak>',
    '<break time="60s"/>',
    '<say-as interpret-as="tts:char">x</say-as>',
    "[[f@hVd]]",
    "-f /etc/passwd",
    "--path=/tmp --compile=en",
    "-w /tmp/planted.wav",
    "; touch /tmp/planted",
    "$(touch /tmp/planted)",
    "`touch /tmp/planted`",
    "\x01200S \x0180P \x01+10V",
    "<?xml version='1.0'?><!DOCTYPE x [<!ENTITY e SYSTEM 'file:///etc/passwd'>]>&e;",
]


# --- the synthesizer -------------------------------------------------------------


@pytest.fixture(scope="module")
def library() -> libespeak.Library:
    return libespeak.load()


VOICE = libespeak.Voice("en-us", 175, 50)


def letters(text: str, library: libespeak.Library) -> str:
    return library.phonemes(text, VOICE)


def test_espeak_reads_markup_aloud_and_does_not_obey_it(
    library: libespeak.Library,
) -> None:
    # A tag that was obeyed would not be spoken; one for a pause would be silence.
    for text, word in (
        ('<audio src="file:///etc/passwd"/>', letters("file", library)),
        ('<break time="60s"/>', letters("break", library)),
        ("-f /etc/passwd", letters("pass", library)),
    ):
        assert word in letters(text, library), text
    phonemes, plain = letters("[[f@hVd]]", library), letters("f@hVd", library)
    assert phonemes == plain, "letters in brackets are letters"


async def spoken_s(phrase: str) -> float:
    send, receive = trio.open_memory_channel[Any](math.inf)
    async with PROVIDER.open(Options()) as voice:
        with send, receive:
            await voice.synthesize(phrase, send)
            count = receive.statistics().current_buffer_used
            pieces = [receive.receive_nowait() for _ in range(count)]
    return sum(len(piece.pcm) for piece in pieces) / voice.rate_hz


@pytest.mark.parametrize("command", COMMANDS)
async def test_a_command_in_a_reply_is_only_spoken(
    command: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    with trio.fail_after(20):
        length_s = await spoken_s(f"well {command} then")
    assert 0.3 < length_s < 30, "neither silent nor held up"
    assert os.listdir(tmp_path) == []  # noqa: PTH208 - it blocks for nobody here


def test_control_characters_do_not_reach_espeak(library: libespeak.Library) -> None:
    """Ctrl-A is espeak's own escape: it would change speed, pitch and volume."""
    phrase = "".join(map(chr, range(32))) + "hello\x7f\x80\x9b"
    cleaned = spoken_text(phrase)
    assert cleaned == "hello"
    for _, part in _parts(phrase):
        assert not [c for c in part if unicodedata.category(c) == "Cc"]


async def test_espeak_opens_no_file_that_a_phrase_names(tmp_path: Path) -> None:
    """A pipe with nobody at its other end holds up whoever opens it, for ever."""
    pipe = tmp_path / "pipe.wav"
    os.mkfifo(pipe)
    for phrase in (f'<audio src="file://{pipe}"/>', f"-f {pipe}", f"-w {pipe}"):
        with trio.fail_after(20):
            assert await spoken_s(f"well {phrase} then") > 1


@pytest.mark.parametrize("command", COMMANDS)
def test_phrases_of_a_reply_hold_no_controls(command: str) -> None:
    cutter = PhraseCutter(ChunkerConfig())
    phrases = cutter.push(f"{command} and **more** text to speak. ")
    phrases += cutter.finish()
    assert phrases
    for phrase in phrases:
        text = phrase if isinstance(phrase, str) else phrase.text
        assert all(unicodedata.category(c) not in ("Cc", "Cf") for c in text)
        assert "**" not in text


# --- chat ------------------------------------------------------------------------


class Tags(HTMLParser):
    def __init__(self) -> None:
        super().__init__(convert_charrefs=True)
        self.tags: list[tuple[str, Any]] = []
        self.text = ""

    def handle_starttag(self, tag: str, attrs: Any) -> None:
        self.tags.append((tag, attrs))

    def handle_data(self, data: str) -> None:
        self.text += data

    def handle_comment(self, data: str) -> None:
        self.tags.append(("comment", data))


def parsed(message: str) -> Tags:
    tags = Tags()
    tags.feed(message)
    tags.close()
    return tags


@given(
    st.text(st.sampled_from("<>&\"'/!-=;#ab \n\u2028"), max_size=80),
    st.integers(12, 60) | st.just(0),
)
def test_chat_of_ours_has_no_tag_but_line_breaks(text: str, limit: int) -> None:
    for message in split_text(text, limit):
        assert [tag for tag, _ in parsed(message).tags if tag != "br"] == []
        assert all(attributes == [] for _, attributes in parsed(message).tags)


@pytest.mark.parametrize("text", [SCRIPT, "&lt;b&gt;", "<!-- x", "<a href='x'", "]]>"])
def test_chat_of_ours_says_what_was_meant(text: str) -> None:
    (message,) = split_text(text, 0)
    assert parsed(message).text == text
    assert parsed(message).tags == []
    assert "<" not in message
    assert html.unescape(message) == text


# --- files -----------------------------------------------------------------------


@given(st.text(max_size=60) | st.sampled_from([*COMMANDS, *TERMINAL, SCRIPT]))
def test_a_name_leads_to_no_other_folder(name: str) -> None:
    made = safe_name(f"2026-01-01 {name}")
    assert os.path.basename(made) == made  # noqa: PTH119 - of text, not of a path
    assert not STEERS.search(made)
    assert not set(made) & set("/\\\0<>\"'&;|$`")
