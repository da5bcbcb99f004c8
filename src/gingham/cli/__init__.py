"""The command line: parse, one call, render."""

from __future__ import annotations

import sys

__all__ = ["main"]


def main() -> None:
    """Run the command line and exit with its status."""
    from gingham.cli.execute import execute

    sys.exit(execute(sys.argv[1:]))
