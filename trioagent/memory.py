"""What an agent remembers from one turn to the next, as a value."""

from __future__ import annotations

import attrs

from trioagent.decisions.echo import SaidWord
from trioagent.decisions.history import Exchange


@attrs.frozen
class Memory:
    """All that earlier turns leave behind. Times are `trio.current_time()`.

    An agent made with the memory of another one goes on as that one would have.
    """

    turns: int = 0
    """How many there have been; the next has the next number."""
    exchanges: tuple[Exchange, ...] = ()
    """The history."""
    synthesizer_speed: float = 10.0
    """Seconds of audio made per second: decides how much of it a reply waits for."""
    said: tuple[SaidWord, ...] = ()
    """Our words of late, of which an echo may come."""
    echoing: tuple[int, ...] = ()
    """The speakers whose loudspeakers are known to feed our voice back."""
    answered: tuple[tuple[int, float], ...] = ()
    """Which speakers were answered lately, and when: they need not call us again."""
    agent_replies: int = 0
    """Replies to other agents since a person was answered."""
    turns_taken: tuple[tuple[str, tuple[float, ...]], ...] = ()
    """Who began answered turns lately (`trioagent.decisions.identity`), and when."""

    def later(self, seconds: float) -> Memory:
        """The same on a clock that is `seconds` ahead."""
        return attrs.evolve(
            self,
            said=tuple(SaidWord(s.word, s.at + seconds) for s in self.said),
            answered=tuple((who, at + seconds) for who, at in self.answered),
            turns_taken=tuple(
                (who, tuple(at + seconds for at in times))
                for who, times in self.turns_taken
            ),
        )
