"""Measurements against named alternatives; apart from the tests, and never a gate."""
