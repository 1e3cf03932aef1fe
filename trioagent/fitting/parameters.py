"""How much memory a model's weights take, guessed from its name.

Names tell the number of parameters ("1.2B", "600m", "8x7B") and often how they are
stored ("AWQ", "FP8"). That is an estimate, and what uses it says so.
"""

from __future__ import annotations

import re

import attrs

MIB = 1024 * 1024

# "-1.2B", "_0.6b", "8x7B", "600M"; not "v2b", and not the 3B of "30B-A3B", which are
# only the active ones: all have to be in memory.
_COUNT = re.compile(
    r"(?<![a-z0-9.])(?:(?P<experts>\d+)x)?(?P<count>\d+(?:\.\d+)?)(?P<unit>[bm])(?![a-z0-9])",
    re.IGNORECASE,
)
# How a name says that weights are stored: bits of each, scales included.
_STORED = (
    (
        re.compile(
            r"(?:^|[-_./])(?:awq|gptq|int4|4bit|w4a16|nvfp4|mxfp4|q4)", re.IGNORECASE
        ),
        4.5,
    ),
    (re.compile(r"(?:^|[-_./])(?:q5|5bit)", re.IGNORECASE), 5.5),
    (re.compile(r"(?:^|[-_./])(?:q6|6bit)", re.IGNORECASE), 6.6),
    (re.compile(r"(?:^|[-_./])(?:fp8|int8|8bit|w8a8|w8a16|q8)", re.IGNORECASE), 8.5),
)
SIXTEEN_BITS = 16.0


@attrs.frozen
class Weights:
    """What a name says about a model's weights."""

    billions: float
    bits: float

    @property
    def mib(self) -> int:
        """All of them."""
        return round(self.billions * 1e9 * self.bits / 8 / MIB)

    @property
    def text(self) -> str:
        """For people: "1.2 billion parameters of 16 bits, by its name"."""
        return (
            f"{self.billions:g} billion parameters of {self.bits:g} bits, by its name"
        )


def weights_of(name: str, bits: float | None = None) -> Weights | None:
    """What `name` says; None if it names no number of parameters.

    `bits` is how each is stored, where that is known.
    """
    found = _COUNT.search(name)
    if found is None:
        return None
    count = float(found["count"]) * int(found["experts"] or 1)
    billions = count / 1000 if found["unit"] in "mM" else count
    if bits is None:
        bits = next((b for sign, b in _STORED if sign.search(name)), SIXTEEN_BITS)
    return Weights(billions, bits)
