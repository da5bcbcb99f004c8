"""The client of a Gingham service: the same answers as from a model file, over HTTP."""

from gingham.client.client import CONCURRENCY, Client

__all__ = ["CONCURRENCY", "Client"]
