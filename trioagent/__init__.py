"""A voice agent for Mumble, built on Trio.

Make an `Agent` from `Parts` and a `Config` and run it in your own nursery. `Parts` are
anything that has the shape of the protocols in `trioagent.interfaces`.
"""

from trioagent.agent import Agent, Parts
from trioagent.config import Config

__all__ = ["Agent", "Config", "Parts"]
