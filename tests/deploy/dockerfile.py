"""Read a Dockerfile as a builder does."""

from __future__ import annotations

import json
import re
import shlex
from pathlib import Path


class Dockerfile:
    """The instructions of a Dockerfile, in their order."""

    def __init__(self, path: Path) -> None:
        text = re.sub(r"^\s*#.*\n", "", path.read_text(encoding="utf-8"), flags=re.MULTILINE).replace("\\\n", " ")
        self.instructions = [tuple(line.split(maxsplit=1)) for line in text.splitlines() if line.strip()]

    def all(self, name: str) -> list[str]:
        """The arguments of every instruction of that name."""
        return [argument for each, argument in self.instructions if each == name]

    def one(self, name: str) -> str:
        """The argument of the only instruction of that name."""
        (argument,) = self.all(name)
        return argument

    @property
    def environment(self) -> dict[str, str]:
        """What it sets."""
        return dict(pair.split("=", 1) for line in self.all("ENV") for pair in shlex.split(line))

    @property
    def command(self) -> list[str]:
        """What a container runs, in exec form."""
        return list(json.loads(self.one("CMD")))

    @property
    def healthcheck(self) -> list[str]:
        """What finds out whether it is well, in exec form."""
        return list(json.loads(self.one("HEALTHCHECK").partition("CMD ")[2]))
