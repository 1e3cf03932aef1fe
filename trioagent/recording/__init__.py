"""Recordings of turns: what went into the agent, and what it made of it."""
