"""What the checks of `trioagent doctor` share: the machine, and what they learn."""

from __future__ import annotations

from typing import TYPE_CHECKING

import attrs
import trio

from trioagent.config import Config
from trioagent.fitting.lateness import Lateness, watching
from trioagent.fitting.machine import read_cores, read_installed
from trioagent.fitting.needs import Need, named_by_server
from trioagent.fitting.nvidia_smi import Cards, read_cards
from trioagent.fitting.selection import Selected, selected, thread_users
from trioagent.fitting.threads import Cores, recommend
from trioagent.interfaces import Pcm

if TYPE_CHECKING:
    from trioagent.registry import Kind

IDLE_S = 0.3


@attrs.define(eq=False)
class Examination:
    """What is examined, and what one check learns for the next."""

    config: Config
    quick: bool
    cards: Cards
    parts: tuple[Selected, ...]
    cores: Cores
    speech: Pcm | None = None
    """What the synthesizer said, as recognizers hear."""
    told_by_servers: dict[str, str] = attrs.Factory(dict)
    """By address, what a server that answers calls itself."""
    late: dict[str, Lateness] = attrs.Factory(dict)
    _all: list[Selected] = attrs.Factory(list)

    def look_at(self, config: Config) -> None:
        """From now on, at this agent."""
        if config is not self.config:
            installed = read_installed(card=bool(self.cards.cards))
            self.config, self.parts = config, selected(config, installed)
        self._all += [part for part in self.parts if part not in self._all]

    def look_at_all(self) -> None:
        """From now on, at what all agents together are made of."""
        self.parts = tuple(self._all)

    def lateness(self, what: str) -> Lateness:
        """Where it is noted how late timers are during something."""
        return self.late.setdefault(what, Lateness())

    def answered(self, kind: Kind, provider: str, name: str = "") -> None:
        """A provider works; if it is a server, it runs, and may have told its name."""
        for part in self.parts:
            if (part.kind, part.name) == (kind, provider) and part.need.address:
                self.told_by_servers[part.need.address] = name

    @property
    def threads(self) -> dict[str, int]:
        """What is recommended, by key."""
        return recommend(thread_users(self.parts), self.cores)

    @property
    def needs(self) -> list[Need]:
        """What the parts need, with what their servers have told since."""
        told = self.told_by_servers
        return [
            named_by_server(p.need, told.get(p.need.address, "")) for p in self.parts
        ]


async def begin(config: Config, *, quick: bool) -> Examination:
    """Look at the machine before anything works on it."""
    cards = await read_cards()
    installed = read_installed(card=bool(cards.cards))
    parts = selected(config, installed)
    server_beside = not cards.cards and any(
        p.need.place == "server" and p.kind == "llm" for p in parts
    )
    cores = read_cores(server_beside=server_beside)
    exam = Examination(config, quick, cards, parts, cores)
    if not quick:
        async with watching(exam.lateness("idle")):
            await trio.sleep(IDLE_S)
    return exam
