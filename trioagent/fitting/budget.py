"""The memory of a card against what the configured set needs of it. Decides only.

What is in use now is measured; what a server that runs already holds is part of that,
and not counted again. All else is as `needs` says, with its source.
"""

from __future__ import annotations

from math import floor
from typing import TYPE_CHECKING

import attrs

from trioagent.fitting.findings import Finding, Level

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from trioagent.fitting.cards import Card
    from trioagent.fitting.needs import Need
    from trioagent.fitting.nvidia_smi import Cards

PART = "graphics memory"
TIGHT = 0.92
"""From this share of a card on, little more traffic or a longer context is too much."""
MARGIN_MIB = 256
"""What `--gpu-memory-utilization` should leave of a card besides all that is known."""
BFLOAT16_FROM = 8.0
SHOWN_PROCESSES = 3

# What to do about a provider that takes too much, by kind and name.
_SMALLER = {
    "nemo": '[asr.nemo] device = "cpu", or dtype = "float16" in place of "float32"',
    "nemotron-hf": '[asr.nemotron-hf] device = "cpu", or dtype = "float16" in place of '
    '"float32"',
    "sherpa": '[asr.sherpa] device = "cpu"',
    "luxtts": '[tts.luxtts] device = "cpu", or [tts] provider = "sherpa" or "espeak"',
    "openai": "a smaller model in the server, or one of 4 bits (AWQ, GPTQ, Q4)",
    "qwen": "Qwen/Qwen3-ASR-0.6B in place of 1.7B",
}


def gb(mib: float) -> str:
    """In GB of 1024 MiB, as cards are sold."""
    return f"{mib / 1024:.1f} GB"


def budget(
    cards: Cards, needs: Sequence[Need], answering: Iterable[str]
) -> list[Finding]:
    """A finding for each card that something needs; one in all if there is none.

    `answering` are the addresses of servers that run already.
    """
    if not cards.cards:
        return [_without_card(cards, needs)]
    running = set(answering)
    findings = []
    for number, card in enumerate(cards.cards):
        here = [n for n in needs if n.place in {"card", "server"} and n.card == number]
        if here or number == 0:
            findings.append(_on_card(card, here, running))
    return [_with_other_card(finding, cards.cards) for finding in findings]


def _without_card(cards: Cards, needs: Sequence[Need]) -> Finding:
    wanting = [n for n in needs if n.place == "card"]
    detail = f"no NVIDIA card: {cards.reason}"
    if not wanting:
        elsewhere = any(n.place in {"server", "elsewhere"} for n in needs)
        what = "all but the servers computes" if elsewhere else "all computes"
        level: Level = "warning" if cards.broken else "note"
        return Finding(PART, level, f"{detail}; {what} on the CPU", cards.hint)
    names = ", ".join(f"{n.part} ({n.provider})" for n in wanting)
    hint = "\n".join(filter(None, [cards.hint, *map(_smaller, wanting)]))
    return Finding(PART, "warning", f"{detail}; needed by: {names}", hint)


def _on_card(card: Card, needs: Sequence[Need], running: set[str]) -> Finding:
    new = [n for n in needs if n.address not in running or not n.address]
    known = [n for n in new if n.mib is not None]
    wanted_mib = sum(n.mib or 0 for n in known)
    parts = [_in_use(card)] if card.used_mib else []
    parts += [_shown(n, running=n not in new) for n in needs]
    numbers = {
        "card": card.name,
        "uuid": card.uuid,
        "total_mib": card.total_mib,
        "used_mib": card.used_mib,
        "wanted_mib": wanted_mib,
        "needs": [attrs.asdict(n) for n in needs],
    }
    if card.total_mib is None:
        detail = f"{card.name} does not tell its memory; wanted: {gb(wanted_mib)}"
        return Finding(PART, "note", _listed(detail, parts), numbers=numbers)
    sum_mib = (card.used_mib or 0) + wanted_mib
    detail = f"{card.name}: {gb(sum_mib)} of {gb(card.total_mib)}"
    hints = [_utilization(card, n, sum_mib) for n in new if n.place == "server"]
    level: Level = "note"
    if sum_mib > TIGHT * card.total_mib:
        level = "warning"
        fits = sum_mib <= card.total_mib
        detail += ": that is tight" if fits else ": that does not fit"
        largest_first = sorted(known, key=lambda n: -(n.mib or 0))
        hints = [_restart(card, wanted_mib), *map(_smaller, largest_first), *hints]
    hint = "\n".join(filter(None, hints))
    return Finding(PART, level, _listed(detail, parts), hint, numbers)


def _in_use(card: Card) -> str:
    told = sorted(card.processes, key=lambda p: -(p.used_mib or 0))[:SHOWN_PROCESSES]
    names = [
        f"{p.name} {gb(p.used_mib)}" if p.used_mib is not None else p.name for p in told
    ]
    whom = f" ({', '.join(names)})" if names else ""
    return f"in use now {gb(card.used_mib or 0)}{whom}"


def _shown(need: Need, *, running: bool) -> str:
    name = f"{need.part} ({need.provider})"
    if running:
        return f"{name}: runs already, so it is in use or not on this card"
    if need.mib is None:
        return f"{name}: not known ({need.source})"
    return f"{name} {gb(need.mib)} ({need.source})"


def _listed(detail: str, parts: Sequence[str]) -> str:
    return "; ".join([detail, *parts])


def _smaller(need: Need) -> str:
    todo = _SMALLER.get(need.provider)
    return f"{need.part}: {todo}" if todo else ""


def _utilization(card: Card, need: Need, sum_mib: int) -> str:
    """What to tell vLLM, which takes most of a card whatever its model needs."""
    if card.total_mib is None or need.mib is None:
        return ""
    others_mib = sum_mib - need.mib
    share = _share(card.total_mib, others_mib)
    if share * card.total_mib < need.mib:
        return ""
    flags = f"--gpu-memory-utilization {share:.2f}"
    if card.capability is not None and card.capability < BFLOAT16_FROM:
        flags += " --dtype half"
    return (
        f"If the {need.part}'s server is vLLM, it takes nine tenths of the card unless "
        f"told otherwise; start it with {flags}"
    )


def _restart(card: Card, wanted_mib: int) -> str:
    """What to tell a vLLM that already has most of the card."""
    vllm = next((p for p in card.processes if "vllm" in p.name.lower()), None)
    if vllm is None or not vllm.used_mib or card.total_mib is None:
        return ""
    others_mib = (card.used_mib or 0) - vllm.used_mib + wanted_mib
    share = _share(card.total_mib, others_mib)
    if share <= 0:
        return ""
    return (
        f"{vllm.name} (process {vllm.pid}) holds {gb(vllm.used_mib)}: start it again "
        f"with --gpu-memory-utilization {share:.2f}"
    )


def _share(total_mib: int, others_mib: int) -> float:
    """The part of a card that the others leave, rounded down to hundredths."""
    return floor((total_mib - others_mib - MARGIN_MIB) / total_mib * 100) / 100


def _with_other_card(finding: Finding, cards: Sequence[Card]) -> Finding:
    """Say so if a server does not fit, and another card has room for it."""
    servers = [n for n in finding.numbers["needs"] if n["place"] == "server"]
    wanted_mib = sum(n["mib"] or 0 for n in servers)
    if finding.level != "warning" or not wanted_mib:
        return finding
    for card in cards:
        if card.uuid != finding.numbers["uuid"] and (card.free_mib or 0) > wanted_mib:
            more = f"{card.name}, card {card.index}, has room for a server: start it "
            hint = f"{finding.hint}\n{more}with CUDA_VISIBLE_DEVICES={card.uuid}"
            return attrs.evolve(finding, hint=hint.strip())
    return finding
