"""Texts that would do something, were they more than text."""

from __future__ import annotations

import re

TERMINAL = [
    "\x1b]0;owned\x07",
    "\x1b[2J\x1b[H",
    "\x1b]52;c;cm0gLXJmIH4=\x07",
    "\x1bP$q\x1b\\",
    "\x9b31m",
    "\x9d0;owned\x9c",
    "a\rb",
    "a\x08\x08b",
    "\u202eevil",
    "\u2066x\u2069",
]
SCRIPT = '</script><script>alert(1)</script><img src=x onerror="alert(2)">'

STEERS = re.compile(
    r"[\x00-\x08\x0b-\x1f\x7f-\x9f\u200e\u200f\u202a-\u202e\u2066-\u2069]"
)
