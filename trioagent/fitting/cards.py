"""NVIDIA cards, read from what nvidia-smi prints. Nothing in here runs it.

Memory is in MiB, as nvidia-smi counts; what it does not tell ("[N/A]",
"[Insufficient Permissions]") is None.
"""

from __future__ import annotations

import csv
import re
from itertools import islice
from typing import TYPE_CHECKING

import attrs

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

BASIC_FIELDS = ("index", "uuid", "name", "memory.total", "memory.free")
# Drivers before 510 refuse these.
CARD_FIELDS = (*BASIC_FIELDS, "compute_cap", "mig.mode.current")
PROCESS_FIELDS = ("gpu_uuid", "pid", "process_name", "used_memory")

_LONGEST_LINE = 1000
_MOST_LINES = 1000
_LARGEST = 1e12
_GPU_LINE = re.compile(r"GPU \d+: .*\(UUID: (GPU-[^)]+)\)")
# "  MIG 3g.20gb     Device  0: (UUID: MIG-…)"; "1g.10gb+me" has media engines, too.
_SLICE_LINE = re.compile(
    r"\s*MIG (\S*?\d+g\.(\d+)gb\S*)\s+Device.*\(UUID: (MIG-[^)]+)\)"
)


@attrs.frozen
class Process:
    """A process that has memory of a card."""

    card: str
    """The card's UUID."""
    pid: int | None
    name: str
    used_mib: int | None


@attrs.frozen
class Card:
    """A card that CUDA can use, or a MIG instance of one."""

    index: int
    uuid: str
    name: str
    total_mib: int | None
    """Of a MIG instance, what its profile is named after: a little more than it has."""
    free_mib: int | None
    capability: float | None = None
    """CUDA's compute capability; from 8.0 on it computes in bfloat16."""
    partitioned: bool = False
    """MIG is on; without an instance, CUDA can use nothing of it."""
    processes: tuple[Process, ...] = ()

    @property
    def used_mib(self) -> int | None:
        """What is taken now, by whomever, the driver's own share included."""
        if self.total_mib is None or self.free_mib is None:
            return None
        return self.total_mib - self.free_mib


def parse_cards(text: str, fields: Sequence[str] = CARD_FIELDS) -> tuple[Card, ...]:
    """The cards in `--query-gpu=… --format=csv,noheader,nounits`; skips other lines."""
    cards = []
    for row in _rows(text, len(fields)):
        told = dict(zip(fields, row, strict=True))
        index = _whole(told["index"])
        if index is None:
            continue
        cards.append(
            Card(
                index=index,
                uuid=told["uuid"],
                name=told["name"],
                total_mib=_whole(told["memory.total"]),
                free_mib=_whole(told["memory.free"]),
                capability=_number(told.get("compute_cap", "")),
                partitioned=told.get("mig.mode.current") == "Enabled",
            )
        )
    return tuple(cards)


def parse_processes(text: str) -> tuple[Process, ...]:
    """The processes in `--query-compute-apps=… --format=csv,noheader,nounits`."""
    return tuple(
        Process(card, _whole(pid), name.rpartition("/")[2], _whole(used))
        for card, pid, name, used in _rows(text, len(PROCESS_FIELDS))
        if card.startswith(("GPU-", "MIG-"))
    )


def with_slices(cards: Sequence[Card], listing: str) -> tuple[Card, ...]:
    """Replace each partitioned card by its MIG instances, as `nvidia-smi -L` has them.

    One that has none stays, and stays `partitioned`.
    """
    slices: dict[str, list[tuple[str, int, str]]] = {}
    parent = ""
    for line in _lines(listing):
        if found := _GPU_LINE.match(line):
            parent = found[1]
        elif found := _SLICE_LINE.match(line):
            slices.setdefault(parent, []).append((found[1], int(found[2]), found[3]))
    result = []
    for card in cards:
        mine = slices.get(card.uuid, [])
        if not card.partitioned or not mine:
            result.append(card)
            continue
        result += [
            attrs.evolve(
                card,
                uuid=uuid,
                name=f"{card.name} (MIG {profile})",
                total_mib=gib * 1024,
                free_mib=None,
                partitioned=False,
            )
            for profile, gib, uuid in mine
        ]
    return tuple(result)


def with_processes(
    cards: Sequence[Card], processes: Sequence[Process]
) -> tuple[Card, ...]:
    """Give each card the processes on it."""
    return tuple(
        attrs.evolve(c, processes=tuple(p for p in processes if p.card == c.uuid))
        for c in cards
    )


def visible(cards: Sequence[Card], environ: Mapping[str, str]) -> tuple[Card, ...]:
    """The cards that `CUDA_VISIBLE_DEVICES` leaves, in its order, as CUDA reads it.

    The first entry that names no card hides itself and all after it.
    """
    wanted = environ.get("CUDA_VISIBLE_DEVICES")
    if wanted is None:
        return tuple(cards)
    chosen: list[Card] = []
    for entry in wanted.split(","):
        found = next((c for c in cards if _is_called(c, entry.strip())), None)
        if found is None:
            break
        chosen.append(found)
    return tuple(chosen)


def _is_called(card: Card, entry: str) -> bool:
    if entry.isdecimal():
        return str(card.index) == entry.lstrip("0").rjust(1, "0")
    return entry.startswith(("GPU-", "MIG-")) and card.uuid.startswith(entry)


def _rows(text: str, columns: int) -> list[list[str]]:
    rows = csv.reader(_lines(text), skipinitialspace=True)
    return [[cell.strip() for cell in row] for row in rows if len(row) == columns]


def _lines(text: str) -> list[str]:
    """Its lines; so many, or such long ones, are not nvidia-smi's."""
    lines = (line for line in text.splitlines() if len(line) <= _LONGEST_LINE)
    return list(islice(lines, _MOST_LINES))


def _whole(text: str) -> int | None:
    number = _number(text)
    return None if number is None else round(number)


def _number(text: str) -> float | None:
    try:
        number = float(text)
    except ValueError:
        return None
    return number if abs(number) < _LARGEST else None  # nor is NaN
