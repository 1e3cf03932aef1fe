"""`trioagent doctor`: open each part as the agent would, and say what is wrong.

Unless `--quick`, each opened part is also measured, and the whole set is compared with
the card and the cores of this machine.
"""

from __future__ import annotations

import json
import logging
from collections.abc import Awaitable, Callable, Mapping
from typing import TYPE_CHECKING

import attrs
import numpy as np
import trio

from trioagent.app import (
    BETTER_RECOGNIZER,
    EMBEDDED,
    embedded_server,
    open_language_models,
    open_recognizer,
    open_room,
    open_synthesizer,
    open_vad,
)
from trioagent.calling.at_once import speak, transcribe
from trioagent.choices import choose_recognizer
from trioagent.configuration.file import load_file
from trioagent.configuration.render import render_agents
from trioagent.errors import RoomUnreachable, TrioagentError, own_errors
from trioagent.fitting.budget import budget
from trioagent.fitting.examination import Examination, begin
from trioagent.fitting.findings import Finding
from trioagent.fitting.measuring import (
    as_heard,
    built_in_speech,
    measure_language_model,
    measure_recognizer,
    measure_synthesizer,
    measure_vad,
)
from trioagent.fitting.selection import thread_users
from trioagent.fitting.threads import threads_finding
from trioagent.fitting.verdicts import (
    language_model_finding,
    lateness_finding,
    quick_enough,
    recognizer_finding,
    synthesizer_finding,
    vad_finding,
)
from trioagent.interfaces import HEARING_RATE_HZ
from trioagent.members import names_of
from trioagent.shutdown import until_signal

if TYPE_CHECKING:
    import argparse
    from collections.abc import Iterator, Sequence

    from trioagent.config import Config, MumbleConfig
    from trioagent.registry import Kind


SPEAKERS = 2
"""Who may speak at once, where the recognizer's options do not say: two interrupt."""
CHECK_LIMIT_S = 600.0
"""The first start of some recognizers downloads their model."""


Check = Callable[[Examination], Awaitable[list[Finding]]]


def run(given: argparse.Namespace) -> int:
    """Check everything; 1 if something cannot be used."""
    loaded = load_file(given.config, given.overrides)
    # Each part's own log lines would only repeat what is said here.
    logging.getLogger().setLevel(max(logging.ERROR, logging.getLogger().level))
    findings: list[Finding] = []

    def report(*found: Finding) -> None:
        for finding in found:
            findings.append(finding)
            _print(finding, as_json=given.json)

    async def main() -> None:
        exam = await begin(loaded.agents[0], quick=given.quick)
        for name, part in _due(loaded.agents, exam):
            found = await _find(part, CHECKS[part], exam)
            report(*(one.of(name) for one in found))
        exam.look_at_all()
        if exam.late:
            report(lateness_finding(exam.late))
        users = thread_users(exam.parts)
        report(threads_finding(users, exam.cores, quick_enough(findings)))
        report(*budget(exam.cards, exam.needs, exam.told_by_servers))

    if not given.json:
        print(render_agents(loaded.common, loaded.agents))  # noqa: T201 - what the user asked for
    trio.run(until_signal, main)
    return 0 if all(f.ok for f in findings) else 1


def _due(configs: Sequence[Config], exam: Examination) -> Iterator[tuple[str, str]]:
    """The checks, with whose they are where there are several agents.

    What agents share is checked once; `exam` looks at the agent whose turn it is.
    """
    names = names_of(configs) if len(configs) > 1 else [""]
    done: list[object] = []
    for name, config in zip(names, configs, strict=True):
        exam.look_at(config)
        for part in CHECKS:
            made_from = (part, [p for p in exam.parts if p.kind == KINDS.get(part)])
            shared = part in KINDS and made_from in done
            done.append(made_from)
            if not shared:
                yield name, part


def _print(finding: Finding, *, as_json: bool) -> None:
    text = json.dumps(finding.row) if as_json else finding.text
    print(text, flush=True)  # noqa: T201 - what the user asked for


async def _find(part: str, check: Check, exam: Examination) -> list[Finding]:
    await trio.lowlevel.checkpoint()
    found: list[Finding] = []
    try:
        with trio.move_on_after(CHECK_LIMIT_S) as limit:
            found = await check(exam)
    except (TrioagentError, BaseExceptionGroup) as error:
        errors = own_errors(error)
        detail = "; ".join(e.message for e in errors)
        hint = next((e.hint for e in errors if e.hint), "")
        return [Finding(part, "fail", detail, hint)]
    if limit.cancelled_caught:
        detail = f"not done after {CHECK_LIMIT_S:g} s"
        hint = "see what it waits for: trioagent --log-level debug"
        return [Finding(part, "fail", detail, hint)]
    return found


async def _check_vad(exam: Examination) -> list[Finding]:
    name = exam.config.vad.provider
    async with open_vad(exam.config) as vad:
        stream = vad.stream()
        stream.probability(np.zeros(stream.frame_samples, np.int16))
        found = [Finding("voice activity", "ok", name)]
        if not exam.quick:
            found.append(vad_finding(measure_vad(vad), name))
    return found


async def _check_synthesizer(exam: Examination) -> list[Finding]:
    config = exam.config
    async with open_synthesizer(config) as synthesizer:
        pcm = await speak(synthesizer, "hello")
        length_s = len(pcm) / synthesizer.rate_hz
        detail = f'{config.tts.provider}: "hello" takes {length_s:.2f} s'
        exam.answered("tts", config.tts.provider)
        found = [Finding("synthesizer", "ok", detail)]
        if not exam.quick:
            late = exam.lateness("synthesizer")
            speed, said = await measure_synthesizer(synthesizer, late)
            found.append(synthesizer_finding(speed, config))
            if said.any():
                exam.speech = as_heard(said, synthesizer.rate_hz)
    return found


async def _check_recognizer(exam: Examination) -> list[Finding]:
    config = exam.config
    name = choose_recognizer(config.asr)
    async with open_recognizer(config) as recognizer:
        await transcribe(recognizer, np.zeros(HEARING_RATE_HZ, np.int16))
        detail = name
        if config.asr.provider == "auto" and name == "pocketsphinx":
            detail = f"{name} (auto). {BETTER_RECOGNIZER}"
        exam.answered("asr", name)
        found = [Finding("recognizer", "ok", detail)]
        if not exam.quick:
            options = next((p.options for p in exam.parts if p.kind == "asr"), None)
            speakers = getattr(options, "speakers", SPEAKERS)
            speech = built_in_speech() if exam.speech is None else exam.speech
            late = exam.lateness("recognizer")
            speed = await measure_recognizer(recognizer, speech, speakers, late)
            found.append(recognizer_finding(speed, name, config, exam.threads))
    return found


async def _check_language_models(exam: Examination) -> list[Finding]:
    config = exam.config
    speeds = []
    async with open_language_models(config) as models:
        for provider, model in zip(config.llm.providers, models, strict=True):
            await model.check()
            exam.answered("llm", provider, model.name)
            if exam.quick:
                continue
            prompt, late = config.agent.system_prompt, exam.lateness("language model")
            speed = await measure_language_model(model, prompt, late)
            speeds.append(language_model_finding(speed, provider, model.name))
        names = ", ".join(m.name for m in models)
    return [Finding("language model", "ok", names), *speeds]


async def _check_room(exam: Examination) -> list[Finding]:
    config = exam.config.mumble
    user = f"{config.user}-doctor"
    visitor = attrs.evolve(config, user=user, comment="")
    try:
        return [await _visit(visitor)]
    except RoomUnreachable:
        if visitor.server != EMBEDDED:
            raise
    async with embedded_server(visitor):
        return [await _visit(visitor, " (embedded, started for this check)")]


async def _visit(config: MumbleConfig, more: str = "") -> Finding:
    async with open_room(config) as room:
        return Finding("room", "ok", f"{room.address}, as {room.name}{more}")


KINDS: Mapping[str, Kind] = {
    "voice activity": "vad",
    "synthesizer": "tts",
    "recognizer": "asr",
    "language model": "llm",
}
"""Checks of what agents share if they want the same."""

CHECKS: Mapping[str, Check] = {
    "voice activity": _check_vad,
    # It says what the recognizer hears.
    "synthesizer": _check_synthesizer,
    "recognizer": _check_recognizer,
    "language model": _check_language_models,
    "room": _check_room,
}
