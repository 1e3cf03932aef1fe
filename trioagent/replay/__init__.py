"""Recordings run again: on a virtual clock, under other settings, or live."""
