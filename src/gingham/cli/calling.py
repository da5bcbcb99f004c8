"""What all commands share: the options that each accepts, and the one call that each makes."""

from __future__ import annotations

import json as json_module
import os
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any, Protocol

from cyclopts import Parameter

from gingham.cli.progress import ProgressBar
from gingham.config import Config

__all__ = ["COMMON", "Common", "Images", "Parameters", "Result", "call"]


@Parameter(name="*")
@dataclass(frozen=True)
class Common:
    """What every command accepts."""

    project: Path = Path()
    """The project's folder."""
    json: Annotated[bool, Parameter(negative="")] = False
    """Print exactly one JSON object to standard output."""
    quiet: Annotated[bool, Parameter(negative="")] = False
    """No progress on standard error."""


COMMON = Common()
Parameters = Annotated[Config | None, Parameter(name="*", group="Parameters")]
Images = Annotated[Path | None, Parameter(help="Folder with one sub-folder of images per class, instead of `dataset`.")]


class Result(Protocol):
    """What every verb returns."""

    def to_json(self) -> dict[str, Any]:
        """Return the result as one JSON object."""


def call(common: Common, config: Config | None, verb: str, words: Callable[[Any], str], **arguments: Any) -> Any:
    """Call a verb of the project, print its result, as JSON or in words, and return it."""
    from gingham.api import Project

    overrides = config.model_dump(exclude_unset=True) if config else {}
    with ProgressBar(common.quiet) as progress:
        project = Project(common.project, environment=os.environ, progress=progress)
        result: Result = getattr(project, verb)(**arguments, **({"overrides": overrides} if config is not None else {}))
    print(json_module.dumps(result.to_json(), ensure_ascii=True) if common.json else words(result))  # noqa: T201
    return result
