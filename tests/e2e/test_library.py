"""The example in docs/library.md, run as it stands."""

from __future__ import annotations

import re
from pathlib import Path
from typing import TYPE_CHECKING

import attrs
import trio

from trioagent import Config, app
from trioagent.calling.at_once import speak
from trioagent.calling.caller import call
from trioagent.calling.plan import CallPlan, CallResult
from trioagent.calling.utterances import Utterance
from trioagent.config import AsrConfig, MumbleConfig

if TYPE_CHECKING:
    from tests.e2e.murmur import OpenServer

ROOT = Path(__file__).parents[2]
MODEL = ROOT / "tests" / "data" / "tiny-nemotron-160ms"


async def test_the_example_talks(murmur_server: OpenServer) -> None:
    text = (ROOT / "docs" / "library.md").read_text()
    code = re.search(r"```python\n(.*?)```", text, re.DOTALL)
    assert code is not None
    example: dict[str, object] = {}
    exec(code.group(1), example)

    results_in, results = trio.open_memory_channel[CallResult](9)
    async with murmur_server() as server:
        config = Config(
            mumble=MumbleConfig(
                server=server.host,
                port=server.port,
                trust="ca",
                ca_file=str(server.ca_file),
            ),
            asr=AsrConfig(provider="sherpa", model=str(MODEL)),
        )
        ours = attrs.evolve(config.mumble, user="caller")
        with trio.fail_after(30):
            async with (
                app.open_recognizer(config) as recognizer,
                app.open_synthesizer(config) as synthesizer,
                app.open_room(ours) as room,
                trio.open_nursery() as nursery,
            ):
                nursery.start_soon(example["main"], config)
                pcm = await speak(synthesizer, "good morning")
                said = Utterance("good morning", pcm, synthesizer.rate_hz)
                plan = CallPlan(utterances=(said,), wait_s=20)
                await call(room, config.mumble.user, plan, results_in, recognizer)
                nursery.cancel_scope.cancel()
    result = results.receive_nowait()
    assert result.transcript == "good morning"
