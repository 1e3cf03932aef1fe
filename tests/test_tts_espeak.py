"""The real libespeak-ng, in threads."""

from __future__ import annotations

import math
import subprocess
import sys
import threading
from typing import TYPE_CHECKING, Any

import attrs
import hypothesis
import numpy as np
import pytest
import trio
from hypothesis import strategies as st

from providers.tts import espeak, libespeak
from providers.tts.espeak import PROVIDER, Options
from trioagent.errors import ProviderUnavailable

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from trioagent.interfaces import Speech, Synthesizer

PHRASE = "Hello, world! It costs 42 euros."
VOICE = libespeak.Voice("en-us", 175, 50)
LONG = "this is a sentence that goes on and on and says little, " * 3


@pytest.fixture
async def tts() -> AsyncIterator[Synthesizer]:
    async with PROVIDER.open(Options()) as synthesizer:
        yield synthesizer


async def speak(tts: Synthesizer, phrase: str) -> list[Speech]:
    send, receive = trio.open_memory_channel[Any](math.inf)
    with send:
        await tts.synthesize(phrase, send)
    return [speech async for speech in receive]


def samples(speech: list[Speech]) -> np.ndarray:
    return np.concatenate([s.pcm for s in speech]) if speech else np.zeros(0, np.int16)


def words(phrase: str, speech: list[Speech]) -> list[str]:
    return [
        phrase[m.start_char :].split(maxsplit=1)[0] for s in speech for m in s.words
    ]


async def test_it_speaks_at_its_rate(tts: Synthesizer) -> None:
    pcm = samples(await speak(tts, PHRASE))
    assert tts.rate_hz == 22050
    assert pcm.dtype == np.int16
    assert 2.0 < len(pcm) / tts.rate_hz < 4.0
    assert np.abs(pcm.astype(int)).max() > 5000


@pytest.mark.parametrize(
    ("phrase", "expected"),
    [
        (PHRASE, ["Hello,", "world!", "It", "costs", "42", "euros."]),
        ("Grüße aus Köln \N{EM DASH} ja!", ["Grüße", "aus", "Köln", "ja!"]),
        ("  two  (odd)  spaces", ["two", "odd)", "spaces"]),
        ("1234567 is 3.5 now", ["1234567", "is", "3.5", "now"]),
        ("it is 50% of 5/6", ["it", "is", "50%", "of", "5/6", "6"]),
        ("ok \N{GRINNING FACE} fine", ["ok", "\N{GRINNING FACE}", "fine"]),
    ],
)
async def test_words_are_marked_where_they_begin(
    tts: Synthesizer, phrase: str, expected: list[str]
) -> None:
    assert words(phrase, await speak(tts, phrase)) == expected


async def test_marks_are_where_the_word_sounds(tts: Synthesizer) -> None:
    """After the comma's pause, the second word begins where the silence ends."""
    speech = await speak(tts, "Stop, please.")
    pcm = samples(speech)
    mark = [m for s in speech for m in s.words][1]
    before = np.abs(pcm[mark.at_sample - 1500 : mark.at_sample].astype(int)).max()
    after = np.abs(pcm[mark.at_sample : mark.at_sample + 4000].astype(int)).max()
    assert before < 500 < 4000 < after


async def test_long_text_is_made_in_parts(tts: Synthesizer) -> None:
    phrase = "word " * 300
    speech = await speak(tts, phrase)
    marks = [m for s in speech for m in s.words]
    assert [m.start_char for m in marks] == list(range(0, 1500, 5))
    steps = np.diff([m.at_sample for m in marks])
    assert steps.min() / tts.rate_hz > 0.1
    assert steps.max() / tts.rate_hz < 1.5
    assert marks[-1].at_sample < len(samples(speech))


@pytest.mark.parametrize("phrase", ["", " ", "...", "?!", "\n\t", "\x00", "« — »"])
async def test_nothing_to_say(tts: Synthesizer, phrase: str) -> None:
    assert await speak(tts, phrase) == []


async def test_control_characters_are_no_commands(tts: Synthesizer) -> None:
    plain = samples(await speak(tts, "one  99P two"))
    commanded = samples(await speak(tts, "one \x0199P two"))
    cut = samples(await speak(tts, "one \x0099P two"))
    assert abs(len(commanded) - len(plain)) < 0.2 * tts.rate_hz
    assert abs(len(cut) - len(plain)) < 0.2 * tts.rate_hz


@hypothesis.settings(
    max_examples=60,
    deadline=None,
    suppress_health_check=[hypothesis.HealthCheck.function_scoped_fixture],
)
@hypothesis.given(phrase=st.text(max_size=60))
def test_any_text_is_safe(phrase: str) -> None:
    async def main() -> list[Speech]:
        async with PROVIDER.open(Options()) as tts:
            return await speak(tts, phrase)

    speech = trio.run(main)
    marks = [m for s in speech for m in s.words]
    chars = [m.start_char for m in marks]
    times = [m.at_sample for m in marks]
    assert chars == sorted(set(chars))
    assert times == sorted(times)
    assert all(0 <= t <= len(samples(speech)) for t in times)
    assert not any(phrase[c].isspace() for c in chars)


async def test_a_cancelled_phrase_leaves_nothing_behind(tts: Synthesizer) -> None:
    assert isinstance(tts, espeak.Espeak)
    send, receive = trio.open_memory_channel[Any](0)
    with trio.fail_after(5):
        async with trio.open_nursery() as nursery:
            nursery.start_soon(tts.synthesize, LONG * 40, send)
            await receive.receive()
            nursery.cancel_scope.cancel()
    assert tts._limiter.borrowed_tokens == 0
    assert not tts._library._lock.locked()
    with trio.fail_after(5):
        again = await speak(tts, PHRASE)
    assert words(PHRASE, again)[-1] == "euros."
    clean = samples(await speak(tts, PHRASE))
    # Nothing of the old phrase is in the new one.
    assert abs(len(samples(again)) - len(clean)) < 0.1 * tts.rate_hz


class Gated:
    """Stands in for the library: numbered pieces, the last ones after `gate` opens."""

    rate_hz = 22050

    def __init__(self, before: int, after: int) -> None:
        self.before, self.after = before, after
        self.gate = threading.Event()
        self.made = 0

    def speak(self, _text: str, _voice: libespeak.Voice, sink: libespeak.Sink) -> None:
        for i in range(self.before + self.after):
            if i == self.before:
                assert self.gate.wait(5)
            assert sink(np.array([i], np.int16).tobytes(), [])
            self.made += 1

    async def comes_to_the_gate(self) -> None:
        with trio.fail_after(5):
            # A thread has no event for it.
            while self.made < self.before:  # noqa: ASYNC110
                await trio.sleep(0.001)


async def test_the_thread_stops_at_the_piece_after_the_cancellation() -> None:
    library = Gated(before=5, after=50)
    gated: Any = espeak.Espeak(library, VOICE)  # type: ignore[arg-type]  # stands in
    send, receive = trio.open_memory_channel[Any](0)
    async with trio.open_nursery() as nursery:
        nursery.start_soon(gated.synthesize, "five", send)
        await receive.receive()
        await library.comes_to_the_gate()
        nursery.cancel_scope.cancel()
        library.gate.set()
    assert library.made == 5


async def test_no_piece_overtakes_another() -> None:
    """There is room again while the thread still works, but older pieces wait."""
    library = Gated(before=5, after=5)
    gated: Any = espeak.Espeak(library, VOICE)  # type: ignore[arg-type]  # stands in
    send, receive = trio.open_memory_channel[Any](2)

    async def synthesize() -> None:
        with send:
            await gated.synthesize("ten", send)

    async with trio.open_nursery() as nursery:
        nursery.start_soon(synthesize)
        await library.comes_to_the_gate()
        said = [await receive.receive()]
        library.gate.set()
        said += [speech async for speech in receive]
    assert samples(said).tolist() == list(range(10))


async def test_a_receiver_that_is_gone(tts: Synthesizer) -> None:
    send, receive = trio.open_memory_channel[Any](0)
    receive.close()
    with pytest.raises(trio.BrokenResourceError):
        await tts.synthesize(PHRASE, send)
    assert await speak(tts, PHRASE)


async def test_a_phrase_held_back_holds_no_other(tts: Synthesizer) -> None:
    """Back-pressure: the sender waits, but the library is free."""
    send, receive = trio.open_memory_channel[Any](2)

    async def held_back() -> None:
        with send:
            await tts.synthesize(LONG, send)

    async with PROVIDER.open(Options()) as other, trio.open_nursery() as nursery:
        nursery.start_soon(held_back)
        first = await receive.receive()
        with trio.fail_after(5):
            # The thread has no event for it.
            while not receive.statistics().tasks_waiting_send:  # noqa: ASYNC110
                await trio.sleep(0.001)
        for synthesizer in (tts, other):
            assert words(PHRASE, await speak(synthesizer, PHRASE))[0] == "Hello,"
        assert receive.statistics().current_buffer_used == 2
        said = [first, *[speech async for speech in receive]]
    assert words(LONG, said) == LONG.split()
    whole = samples(await speak(tts, LONG))
    assert abs(len(samples(said)) - len(whole)) < 0.1 * tts.rate_hz


async def speak_fresh(phrase: str) -> list[Speech]:
    async with PROVIDER.open(Options()) as tts:
        return await speak(tts, phrase)


async def test_two_phrases_at_a_time_do_not_mix(tts: Synthesizer) -> None:
    phrases = [f"number {i} is speaking now, and it is alone." for i in range(6)]
    alone = [len(samples(await speak(tts, p))) for p in phrases]
    said: dict[str, list[Speech]] = {}

    async def run(phrase: str, synthesizer: Synthesizer) -> None:
        said[phrase] = await speak(synthesizer, phrase)

    async with PROVIDER.open(Options()) as other, trio.open_nursery() as nursery:
        for i, phrase in enumerate(phrases):
            nursery.start_soon(run, phrase, (tts, other)[i % 2])
    for phrase, length in zip(phrases, alone, strict=True):
        assert words(phrase, said[phrase]) == phrase.split()
        assert abs(len(samples(said[phrase])) - length) < 0.1 * tts.rate_hz


async def test_each_voice_keeps_its_own_settings(tts: Synthesizer) -> None:
    async with PROVIDER.open(Options(voice="gmw/en", words_per_minute=350)) as fast:
        for _ in range(2):
            slow_s = len(samples(await speak(tts, LONG))) / tts.rate_hz
            fast_s = len(samples(await speak(fast, LONG))) / fast.rate_hz
            assert fast_s < 0.7 * slow_s


async def test_an_unknown_voice() -> None:
    with pytest.raises(ProviderUnavailable, match="no voice 'en-gb'") as caught:
        async with PROVIDER.open(Options(voice="en-gb")):
            pass
    assert "gmw/en" in caught.value.hint
    assert "[tts.espeak]" in caught.value.hint
    assert await speak_fresh(PHRASE)


@pytest.mark.parametrize(
    "wrong", [{"voice": ""}, {"words_per_minute": 10}, {"pitch": 100}]
)
def test_wrong_options(wrong: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match=next(iter(wrong))):
        attrs.evolve(Options(), **wrong)


def in_new_process(code: str) -> str:
    """The library can be loaded only once per process."""
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True
    )
    return done.stdout


def test_without_the_system_library() -> None:
    pytest.importorskip("espeakng_loader")
    said = in_new_process(
        "from providers.tts import libespeak\n"
        "libespeak.SYSTEM_LIBRARY = 'libnone.so'\n"
        "library = libespeak.load()\n"
        "sizes = []\n"
        "take = lambda pcm, words: sizes.append(len(pcm)) or True\n"
        "library.speak('hello world', libespeak.Voice('en-us', 175, 50), take)\n"
        "print(library.rate_hz, sum(sizes) > 22050)\n"
    )
    assert said.split() == ["22050", "True"]


def test_without_any_library() -> None:
    said = in_new_process(
        "import sys\n"
        "sys.modules['espeakng_loader'] = None\n"
        "from providers.tts import libespeak\n"
        "libespeak.SYSTEM_LIBRARY = 'libnone.so'\n"
        "from providers.tts.espeak import PROVIDER, Options\n"
        "print(PROVIDER.unavailable(Options()))\n"
    )
    assert "libnone.so" in said
    assert "apt-get install libespeak-ng1" in said


def test_with_the_library() -> None:
    assert PROVIDER.unavailable(Options()) is None
    assert libespeak.load() is libespeak.load()
