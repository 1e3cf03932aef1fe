"""One cell: a conversation, the fault in the middle of it, and what came of it."""

from __future__ import annotations

import math
from collections import Counter
from typing import TYPE_CHECKING

import attrs
import trio

from tests.e2e.faults.phrases import told
from tests.e2e.faults.remains import (
    RUNNING,
    processes_of,
    sockets_to,
    tasks_below,
)
from tests.e2e.faults.replies import APOLOGY, ASKED, FIRST, NEXT, REPLIES
from tests.e2e.faults.scene import Scene, open_scene
from tests.e2e.faults.table import STATUSES, Cell, Finding
from tests.helpers_speech import word_errors, words

if TYPE_CHECKING:
    from tests.e2e.faults.stage import Stage
    from trioagent.decisions.history import Exchange

# Bounds that only a broken agent reaches, however busy the machine.
CELL_S, TURN_S, BACK_S, REMAINS_S = 150.0, 25.0, 60.0, 10.0
REPLY_S = 7.0
# To say it, to think, and to begin to speak.
ASK_S = 12.0
MOST_TURNS = 8
# How long the way to the room is lost: long enough to be noticed.
OUTAGE_S = 4.0
INTO_WORDS_S, INTO_REPLY_S = 0.7, 0.8
# What was on its way to a listener when the room was lost counts as heard until the
# loss is noticed; people hear three words a second.
WORDS_LOST = 12
WORDS_OFF = 3
MISHEARD = 6
# Who asks a language model whether it is back has a connection beside the reply's.
PROBES = 1


async def run_cell(cell: Cell, stage: Stage, number: int) -> Finding:
    """Run one cell in a channel of its own."""
    RUNNING.set(cell.name)
    finding = Finding(cell, "", math.inf, problems=("took too long",))
    ports: tuple[int, ...] = ()
    with trio.move_on_after(CELL_S):
        async with open_scene(cell, stage, number) as scene:
            ports = scene.ports
            finding = await _Trial(scene).run()
        problems = list(finding.problems)
        if not await _comes(lambda: sockets_to(ports) == 0):
            problems.append(f"{sockets_to(ports)} sockets are open after the end")
        isolated = cell.target == "recognizer"
        if isolated and not await _comes(lambda: not processes_of(scene.folder)):
            problems.append("the recognizer's process is there after the end")
        finding = attrs.evolve(finding, problems=tuple(problems))
    found = tuple(stage.tracebacks.found.get(cell.name, ()))
    return attrs.evolve(finding, problems=finding.problems + found)


async def _comes(condition: object) -> bool:
    """Whether the condition holds within `REMAINS_S`."""
    assert callable(condition)
    with trio.move_on_after(REMAINS_S):
        await trio.lowlevel.checkpoint()
        while not condition():  # noqa: ASYNC110 - the kernel sets no event
            await trio.sleep(0.25)
    return bool(condition())


@attrs.define(eq=False)
class _Trial:
    scene: Scene
    problems: list[str] = attrs.Factory(list)
    _tasks: Counter[str] | None = None
    _sockets: int = 0

    async def run(self) -> Finding:
        """First an exchange that works, then the fault, then one that must work."""
        scene, person = self.scene, self.scene.person
        begun = trio.current_time()
        if not await self._until_answered(FIRST, begun):
            self.problems.append("it did not answer before the fault")
        self._tasks = tasks_below(scene.agent_task)
        self._sockets = sockets_to(scene.ports)
        since = trio.current_time()
        await self._fault_turn()
        await scene.trouble.end()
        ended = trio.current_time()
        # What the turn still had to say is its own.
        outcomes = len(scene.witness.named("outcome"))
        if len(scene.witness.named("speech_started")) > outcomes:
            await scene.witness.until("outcome", outcomes + 1, TURN_S)
        await person.until_heard_out(since, 0.3)
        until = trio.current_time()
        back_s = await self._back_s(ended)
        heard = await person.words(since, until)
        await self._check_remains()
        self._check_history(heard)
        if scene.witness.failure is not None:
            self.problems.append(f"the agent ended: {scene.witness.failure!r}")
        kinds = tuple(str(x["kind"]) for x in scene.witness.named("outcome"))
        return Finding(scene.cell, told(heard), back_s, kinds, tuple(self.problems))

    async def _until_answered(self, text: str, since: float) -> float | None:
        """Say it until the right answer comes; when its first sound came."""
        person = self.scene.person
        with trio.move_on_after(BACK_S):
            await trio.lowlevel.checkpoint()
            while self.scene.witness.failure is None:
                if not await person.until_met(BACK_S):
                    break
                asked = trio.current_time()
                await person.say(text)
                if await person.until_heard_out(asked, REPLY_S):
                    got = await person.words(asked, math.inf)
                    if word_errors(REPLIES[text], " ".join(got)) <= 1:
                        return person.first_sound(asked)
        return None

    async def _back_s(self, ended: float) -> float:
        answered = await self._until_answered(NEXT, ended)
        if answered is None:
            self.problems.append(f"no answer within {BACK_S:g} s of the fault's end")
            return math.inf
        return answered - ended

    # --- the fault -----------------------------------------------------------------

    async def _fault_turn(self) -> None:
        cell, witness = self.scene.cell, self.scene.witness
        outcomes = len(witness.named("outcome"))
        if cell.phase == "idle":
            await self.scene.trouble.begin()
            if cell.target != "room":
                await self.scene.person.say(ASKED)
        else:
            while not await self._into_phase():
                outcomes = len(witness.named("outcome"))
                if outcomes > MOST_TURNS:
                    self.problems.append(f"no turn ever came to be {cell.phase}")
                    return
        if cell.target == "room":
            await trio.sleep(OUTAGE_S)
        elif not await witness.until("outcome", outcomes + 1, TURN_S):
            self.problems.append(f"the turn had no outcome within {TURN_S:g} s")

    async def _into_phase(self) -> bool:
        """Ask, and begin the trouble in time; False: the turn was over before."""
        cell, witness = self.scene.cell, self.scene.witness
        event = {"thinking": "final", "speaking": "first_frame"}.get(cell.phase, "")
        if cell.phase == "thinking" and cell.fault in STATUSES:
            # A request that is refused must not be made yet.
            event = "speech_ended"
        async with trio.open_nursery() as nursery:
            nursery.start_soon(self.scene.person.say, ASKED, name="say")
            if cell.phase == "user speaking":
                await trio.sleep(INTO_WORDS_S)
                in_phase = True
            else:
                count = len(witness.named(event)) + 1
                in_phase = await witness.until(event, count, ASK_S)
            if cell.phase == "speaking":
                await trio.sleep(INTO_REPLY_S)
            if in_phase:
                await self.scene.trouble.begin()
        return in_phase

    # --- what is left --------------------------------------------------------------

    async def _check_remains(self) -> None:
        task, before = self.scene.agent_task, self._tasks
        assert before is not None
        if not await _comes(lambda: not tasks_below(task) - before):
            left = dict(tasks_below(task) - before)
            self.problems.append(f"tasks left behind: {left}")
        most = max(self._sockets, len(self.scene.ports) + PROBES)
        if not await _comes(lambda: sockets_to(self.scene.ports) <= most):
            now = sockets_to(self.scene.ports)
            self.problems.append(f"{now} sockets, where there were {self._sockets}")

    def _check_history(self, heard: list[str]) -> None:
        agent, witness = self.scene.witness.agent, self.scene.witness
        if agent is None:
            self.problems.append("there was no agent")
            return
        exchanges = agent.history.exchanges
        outcomes = [
            (x["said"], x["heard"])
            for x in witness.named("outcome")
            if x["kind"] != "ignored" and x["said"]
        ]
        if [(x.said, x.heard) for x in exchanges] != outcomes:
            self.problems.append(f"history is {exchanges}, turns were {outcomes}")
        answered = [x.heard for x in exchanges]
        if REPLIES[FIRST] not in answered or answered[-1:] != [REPLIES[NEXT]]:
            self.problems.append(f"history is not what was answered: {exchanges}")
        # However badly it was understood.
        asked = [x for x in exchanges if word_errors(ASKED, x.said) < MISHEARD]
        if not asked and self.scene.cell.target in ("llm", "machine"):
            self.problems.append(f"history does not have {ASKED!r}: {exchanges}")
        for exchange in asked:
            self._check_heard(exchange, heard)
        self._check_prompt(exchanges)

    def _check_heard(self, exchange: Exchange, heard: list[str]) -> None:
        """What history says was heard is the reply, as far as it was heard."""
        written = words(exchange.heard)
        reply, sorry = words(REPLIES[ASKED]), words(APOLOGY)
        parts = [reply[:count] + sorry for count in range(len(reply) + 1)]
        if not any(written == part[: len(written)] for part in parts):
            self.problems.append(f"history has what was no reply: {exchange.heard!r}")
        missing = len(written) - len(heard)
        most = WORDS_LOST if self.scene.cell.target == "room" else WORDS_OFF
        if not -WORDS_OFF <= missing <= most:
            self.problems.append(
                f"history has {exchange.heard!r}, but {' '.join(heard)!r} was heard"
            )

    def _check_prompt(self, exchanges: object) -> None:
        """What the language model was shown at the end is what was heard."""
        if self.scene.model is None:
            return
        messages = self.scene.model.requests[-1].body["messages"]
        shown = [x["content"] for x in messages if x["role"] == "assistant"]
        kept = [x.heard for x in exchanges if x.heard]  # type: ignore[attr-defined]
        if shown != kept[:-1]:
            self.problems.append(f"the model was shown {shown} of {kept}")
