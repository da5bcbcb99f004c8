"""The command line: parse, one call, render."""

from __future__ import annotations

import sys

__all__ = ["main"]


def main() -> None:
    """Run the command line and exit with its status."""
    try:
        from gingham.cli.together import execute
    except KeyboardInterrupt:  # before anything has begun
        sys.exit(130)
    sys.exit(execute(sys.argv[1:]))
