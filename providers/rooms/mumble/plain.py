"""What strangers write and call themselves, as plain text of bounded length.

A server passes on whatever its users send: HTML with pictures of megabytes, names with
line breaks, bidi overrides or ten thousand letters. All work here is bounded by what is
kept, or one search through what came. Nothing in here awaits.
"""

from __future__ import annotations

import html
import re
import unicodedata

MAX_TEXT_CHARS = 2_000
MAX_NAME_CHARS = 64
_MAX_MARKS = 3
"""Combining marks on one letter; nobody's language stacks more."""

# Before entities are resolved and white space goes; the longest entity has 32 letters.
_RAW_PER_CHAR = 4
_MAX_TAGS = 2_000
_MAX_READ = 2_000_000

# Possessive: a tag is found or not in one pass, whatever is in its quotes.
_TAG = re.compile(r"</?([a-zA-Z][a-zA-Z0-9]*+)(?:[^\"'>]++|\"[^\"]*+\"|'[^']*+')*+>")
_MARKUP = re.compile(r"<[/!?a-zA-Z]")
_UNSEEN = {
    name: re.compile(f"</{name}", re.IGNORECASE)
    for name in ("head", "script", "style", "title")
}
_LINES = frozenset(
    "blockquote br div h1 h2 h3 h4 h5 h6 hr li ol p pre table tr ul".split()
)
# `html.unescape` fails at numbers of thousands of digits; no character has so many.
_LONG_NUMBER = re.compile(r"&#[xX]?[0-9a-fA-F]{9,};?")


def plain_text(markup: str, limit: int = MAX_TEXT_CHARS) -> str:
    """Return what a chat message says, at most `limit` characters, in lines.

    Pictures, style and whatever else is not said is left out; so is all that follows
    a tag without an end.
    """
    raw = _said(markup[:_MAX_READ], limit * _RAW_PER_CHAR)
    text = html.unescape(_LONG_NUMBER.sub("\N{REPLACEMENT CHARACTER}", raw))
    lines = (printable(line) for line in text.splitlines())
    return "\n".join(filter(None, lines))[:limit].rstrip()


def clean_name(name: str, session: int) -> str:
    """Return a user's name for logs and prompts: one short line, never empty."""
    shown = printable(name[: MAX_NAME_CHARS * _RAW_PER_CHAR])[:MAX_NAME_CHARS].rstrip()
    return shown or f"user {session}"


def short(text: str | None) -> str:
    """Return what a server or user gave as a reason, for an error or a log line."""
    return printable((text or "")[: MAX_TEXT_CHARS // 4])


def printable(text: str) -> str:
    """Return `text` in one line, without what is not seen.

    That is control and format characters, among them those that turn the direction of
    writing, and halves of characters. White space becomes one space each.

    What comes out is used: as a name, in prompts, in history. So this drops what
    `trioagent.visible` writes out for whoever reads a terminal.
    """
    shown: list[str] = []
    marks = 0
    for char in text:
        category = unicodedata.category(char)
        marks = marks + 1 if category == "Mn" else 0
        if char.isspace():
            shown.append(" ")
        elif category not in {"Cc", "Cf", "Cs"} and marks <= _MAX_MARKS:
            shown.append(char)
    return " ".join("".join(shown).split())


def _said(markup: str, limit: int) -> str:
    """Return the first `limit` characters outside of tags, entities as they are."""
    pieces: list[str] = []
    at = kept = 0
    for _ in range(_MAX_TAGS):
        room = at + limit - kept
        start = _MARKUP.search(markup, at, room)
        end = start.start() if start else room
        pieces.append(markup[at:end])
        kept += len(pieces[-1])
        if start is None:
            break
        instead, at = _skipped(markup, end)
        pieces.append(instead)
        kept += len(instead)
    return "".join(pieces)


def _skipped(markup: str, at: int) -> tuple[str, int]:
    """Return what the tag or comment at `at` stands for, and where it ends."""
    if markup.startswith("<!--", at):
        end = markup.find("-->", at)
        return "", end + 3 if end >= 0 else len(markup)
    if markup[at + 1] in "!?":
        end = markup.find(">", at)
        return "", end + 1 if end >= 0 else len(markup)
    tag = _TAG.match(markup, at)
    if tag is None:
        return "", len(markup)
    name = tag[1].lower()
    unseen = _UNSEEN.get(name)
    if unseen is not None and markup[at + 1] != "/":
        close = unseen.search(markup, tag.end())
        return "", close.start() if close else len(markup)
    return "\n" if name in _LINES else "", tag.end()
