"""What people say in the matrix, and what the language model's server answers.

`python -m tests.e2e.faults.replies --port 8000` is that server in a process of its own.
All words are among those that the tiny recognizer knows.
"""

from __future__ import annotations

import argparse
import sys
from typing import TYPE_CHECKING

import trio

from tests.e2e.sse_server import Answer, open_sse_server, says

if TYPE_CHECKING:
    from tests.e2e.sse_server import Json

FIRST, ASKED, NEXT = (
    "what time is it",
    "tell me a story about the garden please",
    "turn on the light in the kitchen",
)
REPLIES = {
    FIRST: "it is ten",
    # Two phrases: when the first one sounds, the second one is not there yet.
    ASKED: "the garden is very quiet today. "
    "alice will read a book about london tomorrow.",
    NEXT: "the light is on now",
}
APOLOGY = "sorry say that again please"
# Of the story: so long the agent is thinking, and so long it goes on while it speaks.
FIRST_TOKEN_S, TOKEN_S = 0.7, 0.2


def answer(body: Json) -> Answer:
    """Answer the last thing that was said."""
    said = str(body["messages"][-1]["content"]).splitlines()[-1]
    if "garden" in said or "story" in said:
        return says(REPLIES[ASKED], first_s=FIRST_TOKEN_S, token_s=TOKEN_S)
    return says(REPLIES[NEXT if "light" in said else FIRST])


async def _main(port: int) -> None:
    async with open_sse_server(answer, port=port):
        sys.stdout.write("ready\n")
        sys.stdout.flush()
        await trio.sleep_forever()


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--port", type=int, required=True)
    trio.run(_main, parser.parse_args().port)
