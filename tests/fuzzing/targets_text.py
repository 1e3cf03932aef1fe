"""Decisions on texts that language models and recognizers wrote."""

from __future__ import annotations

from providers.rooms.mumble.text import split_text
from tests.fuzzing.target import Target
from trioagent.config import BargeInConfig, ChunkerConfig
from trioagent.decisions.addressing import Addressing
from trioagent.decisions.completeness import completeness
from trioagent.decisions.echo import EchoJudge
from trioagent.decisions.interruption import BargeIn
from trioagent.decisions.phrases import PhraseCutter
from trioagent.decisions.spoken_text import ThinkFilter, spoken_text
from trioagent.decisions.stable_prefix import StablePrefix
from trioagent.decisions.text import same_words, words_of

_TOKENS = tuple(
    text.encode()
    for text in (
        *("<think>", "</think>", "<thi", "```", "](", "[", "**", "_", "- ", "# ", "\n"),
        *(
            "1. ",
            "Dr. ",
            "e.g. ",
            "...",
            "? ",
            ", ",
            " uh",
            " huh",
            " okay",
            " stop",
            "—",
        ),
        *(
            "\u00df\ufb03",
            "\u0345",
            "\u200d",
            "\U0001f469",
            "\u2192",
            "I'm ",
            "'",
            "3.14",
        ),
        *("hey trio ", "and ", "three hundred and ", "\u2028", "\u0130", "\u1e9e"),
    )
)


_LONGEST_PHRASE = 2_000
"""By the schema of the configuration."""


def _seeds() -> list[bytes]:
    texts = (
        "<think>Hm.</think>Hello there. **How** are [you](http://x/)? Fine!\n\n- a",
        "# Title\n1. One, two; three: four.\n2. e.g. Dr. Smith said \u201cno\u201d. ",
        "uh huh yeah okay",
        "hey trio what is the weather like in three hundred and ten",
        "Stop, stop! I mean eighteen eighty nine and the rest of it",
        "\n \n\t \n",
        "```python\nx = 2*3\n```\n---\n> quote \U0001f600\u200d\U0001f469 \u2192 x",
    )
    return [text.encode() for text in texts]


def _text(data: bytes) -> str:
    """With half surrogate pairs, too, as JSON may hold them."""
    return data.decode("utf-8", "surrogateescape" if len(data) % 2 else "replace")


def _phrases(data: bytes) -> None:
    """Any split gives the same phrases; nothing spoken steers anything."""
    text = _text(data)
    whole, parts = PhraseCutter(ChunkerConfig()), PhraseCutter(ChunkerConfig())
    phrases = [*whole.push(text), *whole.finish()]
    step = 1 + len(text) % 7
    pushed = [parts.push(text[i : i + step]) for i in range(0, len(text), step)]
    assert phrases == [p for some in pushed for p in some] + parts.finish()
    for phrase in phrases:
        phrase.encode()
        assert phrase.isprintable(), "a control character is spoken"
        split_text(phrase, 100)


def _spoken(data: bytes) -> None:
    text = _text(data)
    for start in range(0, len(text), _LONGEST_PHRASE):
        spoken_text(text[start : start + _LONGEST_PHRASE]).encode()
    filtered = ThinkFilter()
    shown = filtered.push(text) + filtered.finish()
    assert "<think>" not in shown, "a thought's tag is spoken"


def _heard(data: bytes) -> None:
    """What is asked of a transcript."""
    text = _text(data)
    assert same_words(text, text)
    assert words_of(" ".join(words_of(text))) == words_of(text)
    completeness(text)
    BargeIn(BargeInConfig()).confirmed(0.3, text)
    addressing = Addressing(("Trio", "Hey Jarvis"), 8.0)
    addressing.addressed(text, 1, 0.0)


def _echo(data: bytes) -> None:
    text = _text(data)
    judge = EchoJudge(window_s=30.0, similarity=0.8)
    judge.spoke("The weather in London is nineteen degrees and it rains a little.", 0.0)
    judge.spoke(text[:300], 3.0)
    judge.is_echo(text, 5.0)
    judge.may_be_echo(text, 5.0)
    judge.stopped(1.0)


def _stable(data: bytes) -> None:
    """What was given stays."""
    stable, text, before = StablePrefix(3), _text(data), ""
    for end in range(0, len(text) + 5, max(5, len(text) // 8)):
        now = stable.push(text[:end])
        assert now.startswith(before), "what was certain has changed"
        before = now


_USUAL_BYTES = 100
"""A phrase or two: what is longer shows the same, and takes ten times as long."""

TARGETS = tuple(
    Target(name, run, _seeds, tokens=_TOKENS, usual_bytes=_USUAL_BYTES)
    for name, run in (
        ("text.phrases", _phrases),
        ("text.spoken", _spoken),
        ("text.heard", _heard),
        ("text.echo", _echo),
        ("text.stable_prefix", _stable),
    )
)
