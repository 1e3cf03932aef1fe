"""Who may be heard at all, by what their certificates prove."""

from __future__ import annotations

from typing import TYPE_CHECKING

import attrs

from trioagent.decisions.identity import plain_hash

if TYPE_CHECKING:
    from trioagent.config import AccessConfig
    from trioagent.interfaces import Speaker


def _plain(hashes: tuple[str, ...]) -> frozenset[str]:
    return frozenset(map(plain_hash, hashes))


@attrs.frozen
class Access:
    """The lists of `[access]`; who is on both is denied.

    A user without a certificate is on no list: a list of those who are allowed keeps
    them out, and one of those who are denied cannot.
    """

    allow: frozenset[str] = attrs.field(default=(), converter=_plain)
    deny: frozenset[str] = attrs.field(default=(), converter=_plain)

    @classmethod
    def of(cls, config: AccessConfig) -> Access:
        """The lists of a configuration."""
        return cls(config.allow, config.deny)

    def admits(self, speaker: Speaker) -> bool:
        """Whether anything of this speaker is taken notice of."""
        known = plain_hash(speaker.certificate)
        if known in self.deny:
            return False
        return not self.allow or known in self.allow
