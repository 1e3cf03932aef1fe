"""Secrets of ours in the words of others: a server may say back what it was sent."""

from __future__ import annotations

_SHORTEST_SECRET = 8
"""Dummy keys such as "none" may stand anywhere and are no secret."""


def redacted(text: str, *secrets: str) -> str:
    """`text` without the secrets; those that are too short to be one stay."""
    # The longest first: one may be part of another.
    for secret in sorted(secrets, key=len, reverse=True):
        if len(secret) >= _SHORTEST_SECRET:
            text = text.replace(secret, "***")
    return text
