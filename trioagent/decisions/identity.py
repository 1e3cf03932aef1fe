"""Who somebody is, from one presence in the room to the next.

The number of a presence is new with each; a certificate proves that it is the same
person. Who has none is known by their name, which proves nothing.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from trioagent.interfaces import Speaker


def plain_hash(certificate: str) -> str:
    """A certificate's hash as it is compared: small letters, no colons, no blanks."""
    return certificate.replace(":", "").strip().lower()


def identity(speaker: Speaker) -> str:
    """By what this speaker is known: the certificate if there is one, else the name."""
    certificate = plain_hash(speaker.certificate)
    return f"certificate {certificate}" if certificate else f"name {speaker.name}"


def is_of(speaker: Speaker, name: str, certificate: str = "") -> bool:
    """Whether what is kept under this name and certificate is this speaker's.

    What is kept with a certificate belongs to who proves to have it, whatever the name
    is now; what is kept without one, to who bears the name.
    """
    if certificate:
        return plain_hash(certificate) == plain_hash(speaker.certificate)
    return name == speaker.name
