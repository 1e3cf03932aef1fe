"""Turns then and now, as a table for a terminal."""

from __future__ import annotations

from typing import TYPE_CHECKING

from rich import box
from rich.console import Console
from rich.table import Table
from rich.text import Text

from trioagent.latencies.palette import BETTER, WORSE
from trioagent.replay.live.result import WAITS, LiveResult, LiveTurn, Summary
from trioagent.visible import visible_line

if TYPE_CHECKING:
    from collections.abc import Sequence

    from trioagent.replay.live.transcripts import WordErrors

LABELS = ("TTFA", "ASR", "LLM TTFT", "TTS TTFA")
# Less than that comes from run to run.
NOTHING_MS = 10.0


def show(results: Sequence[LiveResult], found: Summary) -> None:
    """Print a table with a line per turn, and what it all comes to."""
    console = Console(highlight=False)
    console.print("recorded → live, in ms")
    table = Table(box=box.SIMPLE_HEAD, pad_edge=False, show_edge=False)
    table.add_column("turn", overflow="fold")
    for label in LABELS:
        table.add_column(label, justify="right", no_wrap=True)
    table.add_column("outcome")
    for result in results:
        for turn in result.turns:
            name = Text(visible_line(f"{result.name} {turn.turn}"))
            table.add_row(name, *_cells(turn), _outcome(turn))
    table.add_section()
    medians = [_change(found.then[key], found.now[key]) for key in WAITS]
    table.add_row("median", *medians, "", style="bold")
    console.print(table)
    for result in results:
        _show_words(console, result)
    if found.errors is not None:
        console.print(f"all words: {_told(found.errors, found.errors_then)}")
    if speeds := [result.speed for result in results if result.speed is not None]:
        console.print(f"recognizer: real-time factor {max(speeds):.3f} at most")


def _cells(turn: LiveTurn) -> list[Text]:
    return [_change(turn.then.waits[key], turn.now.waits[key]) for key in WAITS]


def _change(then: float | None, now: float | None) -> Text:
    text = Text(f"{_ms(then)} → {_ms(now)}")
    if then is not None and now is not None and abs(now - then) > NOTHING_MS:
        text.stylize(BETTER if now < then else WORSE)
    return text


def _ms(value: float | None) -> str:
    return "-" if value is None else f"{value:.0f}"


def _outcome(turn: LiveTurn) -> Text:
    then, now = turn.then.outcome or "none", turn.now.outcome or "none"
    return Text(visible_line(then if then == now else f"{then} → {now}"))


def _show_words(console: Console, result: LiveResult) -> None:
    """What was understood otherwise."""
    if result.errors is None or not result.errors.errors:
        return
    told = _told(result.errors, result.errors_then)
    lines = [f"{result.name}: {told}"]
    if result.said is not None:
        lines.append(f"  said      {result.said}")
    for turn in result.turns:
        lines.append(f"  recorded  {turn.then.text}")
        lines.append(f"  live      {turn.now.text}")
    for line in lines:
        console.print(Text(visible_line(line)), soft_wrap=True)


def _told(errors: WordErrors, then: WordErrors | None) -> str:
    parts = (
        f"{errors.errors} of {errors.words} wrong{_percent(errors)}: "
        f"{errors.substitutions} other, {errors.deletions} missing, "
        f"{errors.insertions} too many"
    )
    if then is None:
        return f"{parts} (against the recorded transcripts)"
    return f"{parts} (recorded: {then.errors} wrong{_percent(then)})"


def _percent(errors: WordErrors) -> str:
    return "" if errors.rate is None else f" ({errors.rate:.1%})"
