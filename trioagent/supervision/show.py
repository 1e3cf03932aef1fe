"""The status for people: what `trioagent status` prints of the agent's JSON."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

SECONDS = ((86_400, "d"), (3600, "h"), (60, "min"))


def lines_of(told: Mapping[str, Any]) -> list[str]:
    """The status in lines, the worst first."""
    head = (
        f"{'well' if told['healthy'] else 'NOT WELL'}: {told['state']}, for"
        f" {_long(told['uptime_s'])} (trioagent {told['version']},"
        f" process {told['pid']})"
    )
    return [
        head,
        *(f"  problem: {problem}" for problem in told["problems"]),
        *(line for agent in told.get("agents", ()) for line in _of_one(agent)),
        *(() if "agents" in told else (*_talk(told), *_numbers(told))),
        *_parts(told),
        *(() if "agents" in told else _errors(told)),
    ]


def _of_one(agent: Mapping[str, Any]) -> Iterator[str]:
    """Of one agent of several."""
    yield f"{agent['agent']}: {agent['state']}"
    for line in (*_talk(agent), *_numbers(agent), *_errors(agent)):
        yield f"  {line}"


def _talk(told: Mapping[str, Any]) -> Iterator[str]:
    yield f"room: {told['room'] or '-'}"
    names = (
        f"{who['name']} (talking)" if who["talking"] else who["name"]
        for who in told["speakers"]
    )
    yield f"there: {', '.join(names) or 'nobody'}"
    if floor := told["floor"]:
        ducked = ", holding its breath" if floor["ducked"] else ""
        yield (
            f"answering: {floor['speaker']}, turn {floor['turn']},"
            f" for {floor['since_s']:.1f} s{ducked}"
        )
    for turn in told["turns"]:
        yield (
            f"turn {turn['turn']}: {turn['speaker']}, {turn['stage']} for"
            f" {turn['stage_s']:.1f} s, {turn['age_s']:.1f} s old"
        )


def _numbers(told: Mapping[str, Any]) -> Iterator[str]:
    yield f"turns: {_pairs(told['outcomes']) or 'none so far'}"
    for key, found in told["latency"].items():
        if found:
            yield (
                f"{key}: p50 {found['p50']}, p90 {found['p90']}, p99 {found['p99']},"
                f" max {found['max']} (of {found['turns']})"
            )
    queues = told["queues"]
    yield (
        f"most that waited: {_pairs(queues['peaks']) or '-'};"
        f" room: {_pairs({k: v for k, v in queues['room'].items() if v}) or '-'};"
        f" dropped by ears: {queues['ears_dropped']}"
    )


def _parts(told: Mapping[str, Any]) -> Iterator[str]:
    if told["breakers"]:
        yield f"providers: {_pairs(told['breakers'])}"
    yield f"process: {_pairs(told['process'])}"
    yield f"event loop late: {_pairs(told['loop'])}"


def _errors(told: Mapping[str, Any]) -> Iterator[str]:
    for error in reversed(told["errors"]):
        turn = "" if error["turn"] is None else f"turn {error['turn']}, "
        yield f"error ({turn}{_long(error['age_s'])} ago): {error['error']}"


def _pairs(values: Mapping[str, Any]) -> str:
    return ", ".join(f"{key} {value}" for key, value in values.items())


def _long(seconds: float) -> str:
    for unit_s, unit in SECONDS:
        if seconds >= unit_s:
            return f"{seconds / unit_s:.1f} {unit}"
    return f"{seconds:.0f} s"
