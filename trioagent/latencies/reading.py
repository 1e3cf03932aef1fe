"""`latency.jsonl` into turns. Nothing that is not there is made up: it stays None."""

from __future__ import annotations

import json
import sys
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import attrs

from trioagent.errors import ConfigError
from trioagent.latencies.definitions import COUNTS, HEADLINE, METRICS, QUEUES, WAITS
from trioagent.visible import visible_line

if TYPE_CHECKING:
    from pathlib import Path

# How every line begins that the agent writes.
LINE_BEGINS = '{"turn":'
HINT = "give a file that the agent wrote, such as latency.jsonl"


@attrs.frozen
class Turn:
    """One line. Values are milliseconds; None is what did not happen."""

    number: int
    time: str
    speaker: str
    outcome: str
    metrics: Mapping[str, float | None]
    counts: Mapping[str, float]
    queues: Mapping[str, float] | None
    ledger: Mapping[str, float] | None
    """What each wait took; they add up to the total TTFA. None in older files."""

    @property
    def ttfa_ms(self) -> float | None:
        """From the end of speech to the first audio; None if none was heard."""
        return self.metrics[HEADLINE]


@attrs.frozen
class LatencyFile:
    """The turns of a file, and what was wrong with it that did no harm."""

    name: str
    turns: tuple[Turn, ...]
    warnings: tuple[str, ...] = ()

    def values(self, key: str) -> list[float]:
        """A metric, or a wait of the ledger, of all turns that have it."""
        found = (
            (t.ledger or {}).get(key) if key in _WAIT_KEYS else t.metrics[key]
            for t in self.turns
        )
        return [value for value in found if value is not None]


_WAIT_KEYS = frozenset(w.key for w in WAITS)


def read(path: Path) -> LatencyFile:
    """The turns of `path`; "-" is stdin.

    Raises ConfigError: cannot be read, holds something else, or no turn with audio.
    """
    name = "stdin" if str(path) == "-" else str(path)
    try:
        raw = sys.stdin.buffer.read() if name == "stdin" else path.read_bytes()
        text = raw.decode("utf-8-sig")
    except OSError as error:
        reason = error.strerror or str(error)
        raise ConfigError(f"cannot read {name}: {reason}", hint=HINT) from error
    except UnicodeDecodeError as error:
        raise ConfigError(f"{name} is not a text file", hint=HINT) from error
    return parse(name, text)


def parse(name: str, text: str) -> LatencyFile:
    """The turns in `text`; `name` is for messages. Raises ConfigError, as `read`."""
    turns: list[Turn] = []
    warnings: list[str] = []
    # Not splitlines: JSON may hold U+2028 and other ends of lines as they are.
    lines = text.split("\n")
    for number, line in enumerate(lines, start=1):
        where = f"{name}:{number}"
        complete, truncated = _complete(line, last=number == len(lines))
        if truncated:
            warnings.append(f"{where}: a line was cut off, skipped it")
        if complete:
            turns.append(_turn(_object(complete, where), where))
    if not turns:
        raise ConfigError(f"there are no turns in {name}", hint=HINT)
    if all(turn.ttfa_ms is None for turn in turns):
        raise ConfigError(
            f"no turn in {name} was answered aloud ({len(turns)} turns)",
            hint="latencies are measured to the first audio: let the agent answer once",
        )
    return LatencyFile(name, tuple(turns), tuple(warnings))


def _complete(line: str, *, last: bool) -> tuple[str, bool]:
    """What of a line can be read, and whether some of it was cut off.

    Who crashes while writing leaves the beginning of a line, and whoever appends to
    the file later goes on in the same line. File systems may leave zeros there, too.
    """
    line = line.strip("\0\r \t")
    if _is_json(line) or not line:
        return line, False
    begins = line.rfind(LINE_BEGINS)
    if begins > 0:
        return line[begins:], True
    if last and (line.startswith(LINE_BEGINS) or LINE_BEGINS.startswith(line)):
        return "", True
    return line, False


def _is_json(line: str) -> bool:
    try:
        json.loads(line)
    except (ValueError, RecursionError):
        return False
    return True


def _object(line: str, where: str) -> Mapping[str, Any]:
    try:
        found = json.loads(line)
    except (ValueError, RecursionError) as error:
        raise ConfigError(f"{where}: this is no JSON", hint=HINT) from error
    if not isinstance(found, dict) or not {"turn", "outcome", HEADLINE} <= set(found):
        raise ConfigError(f"{where}: this JSON is not of a turn", hint=HINT)
    return found


def _turn(found: Mapping[str, Any], where: str) -> Turn:
    ledger = _section(found, "ledger", where)
    queues = _section(found, "queues", where)
    measured = {m.key: _number(found, m.key, where) for m in METRICS}
    unknown = set(ledger or {}) - _WAIT_KEYS
    if unknown:
        raise ConfigError(
            f"{where}: unknown waits in the ledger: {', '.join(sorted(unknown))}",
            hint="use the trioagent that wrote it, or a newer one",
        )
    return Turn(
        number=int(_number(found, "turn", where) or 0),
        time=_text(found.get("time")),
        speaker=_text(found.get("speaker")),
        outcome=_text(found["outcome"]),
        metrics=measured,
        counts={key: _number(found, key, where) or 0 for key in COUNTS},
        queues=queues and {k: _number(queues, k, where) or 0 for k in QUEUES},
        ledger=ledger and {w.key: _number(ledger, w.key, where) or 0 for w in WAITS},
    )


def _section(
    found: Mapping[str, Any], key: str, where: str
) -> Mapping[str, Any] | None:
    section = found.get(key)
    if section is not None and not isinstance(section, dict):
        raise ConfigError(f"{where}: {key} should be an object or null", hint=HINT)
    return section or None


def _number(found: Mapping[str, Any], key: str, where: str) -> float | None:
    value = found.get(key)
    if value is None:
        return None
    number = isinstance(value, (int, float)) and not isinstance(value, bool)
    # Python reads NaN, Infinity and integers beyond all floats, too.
    if not number or not abs(value) <= sys.float_info.max:
        raise ConfigError(f"{where}: {key} is not a number: {value!r:.40}", hint=HINT)
    measured: float = value
    return measured


def _text(value: object) -> str:
    """Names come from other people: nothing that steers a terminal."""
    return "" if value is None else visible_line(str(value))
