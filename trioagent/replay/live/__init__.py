"""Recorded speech through today's providers, in real time."""
