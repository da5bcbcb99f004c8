"""Where work is done: one signature, several machines to do it on."""

from gingham.executors.local import map_ordered

__all__ = ["map_ordered"]
