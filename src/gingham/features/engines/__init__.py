"""Engines: what runs a backbone on this machine.

`describe_engine` decides and says why, without loading a network; `open_engine` runs it.
"""

from gingham.features.engines.base import Engine
from gingham.features.engines.choice import EnginePlan, describe_engine, open_engine

__all__ = ["Engine", "EnginePlan", "describe_engine", "open_engine"]
