"""A call as it was typed: the commands that go on from it, and the flags that a comparison would silently ignore."""

from __future__ import annotations

import os
import shlex
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from gingham.config import PRESETS, Config, dotted
from gingham.errors import UsageError
from gingham.project import ProjectFolder
from gingham.tracking import masked_parameters

__all__ = ["Call", "flags", "refuse_ignored"]

COMPARED = {
    "classifier": "tuning.classifiers",
    "features.backbone": "tuning.backbones",
    "features.resolution": "tuning.resolutions",
    "features.views": "tuning.views",
}
"""Parameters of which ``tune`` tries several values, and those that say which."""

ONLY_IN_THE_SEARCH = ("tuning.minutes", "tuning.epochs", "tuning.learning_rates", "tuning.folds")


class Call:
    """One call of a verb, from which others are made that a shell understands.

    Parameters
    ----------
    folder : ProjectFolder
    config : Config
        What the call came to.
    images : str or path, optional
        As they were given.
    given : mapping
        The parameters that were given, nested or dotted, by flags or by keyword.
    """

    def __init__(
        self, folder: ProjectFolder, config: Config, images: str | os.PathLike[str] | None, given: Mapping[str, Any]
    ) -> None:
        values = dotted(masked_parameters(config.model_dump(mode="json")))
        self._given = {name: values[name] for name in dotted(given) if not name.startswith("service.")}
        self._start = [] if images is None else [os.fspath(images)]
        if folder.root != Path.cwd():
            near = folder.root.is_relative_to(Path.cwd())
            self._start += ["--project", str(folder.root.relative_to(Path.cwd()) if near else folder.root)]

    def tune_for(self, minutes: float) -> str:
        """Return ``tune`` on the same images with the same parameters, for so long."""
        others = {name: value for name, value in self._given.items() if name != "tuning.minutes"}
        return self._command("tune", [*flags(others), "--minutes", f"{minutes:g}"])

    def run(self, parameters: Mapping[str, Any]) -> str:
        """Return ``run`` on the same images with these parameters, and with the others that were given."""
        others = {name: value for name, value in self._given.items() if not name.startswith("tuning.")}
        return self._command("run", flags({**others, **parameters}))

    def _command(self, verb: str, words: Sequence[str]) -> str:
        return shlex.join(["gingham", verb, *self._start, *words])


def flags(parameters: Mapping[str, Any]) -> list[str]:
    """Return parameters as the words that one types.

    Parameters
    ----------
    parameters : mapping
        From dotted names.

    Examples
    --------
    >>> flags({"features.resolution": 320, "tuning.views": ["one", "flip"], "svm.normalize": False})
    ['--features.resolution', '320', '--tuning.views', 'one,flip', '--svm.normalize=false']
    """
    words: list[str] = []
    for name, value in parameters.items():
        if isinstance(value, bool):
            words.append(f"--{name}={str(value).lower()}")
        else:
            words += [f"--{name}", _typed(value)]
    return words


def refuse_ignored(given: Mapping[str, Any], quick: bool) -> None:
    """Refuse parameters that ``tune`` would not look at, though they were given for this very call.

    Parameters
    ----------
    given : mapping
        Nested or dotted.
    quick : bool

    Raises
    ------
    UsageError
        Says what to type instead.
    """
    parameters = dotted(given)
    stands_for = PRESETS.get(parameters.get("preset", ""), {})
    ignored = [name for name in parameters if name in COMPARED or (name == "preset" and stands_for)]
    if ignored:
        instead = {COMPARED[name]: value for name, value in {**stands_for, **parameters}.items() if name in COMPARED}
        if instead.get("tuning.classifiers") == "svm-refined":
            instead["tuning.classifiers"] = "dnn"
        raise UsageError(
            f"`gingham tune` compares several, so {_listed(ignored)} would have no effect. "
            f"Type instead: {shlex.join(flags(instead))}"
            + (", without --quick" if quick and "tuning.classifiers" in instead else "")
        )
    if quick and (ignored := [name for name in parameters if _only_in_the_search(name, parameters[name])]):
        raise UsageError(
            f"With --quick only networks and resolutions are compared, with the SVM, until all are: "
            f"{_listed(ignored)} would have no effect. Leave out one or the other."
        )


def _only_in_the_search(name: str, value: Any) -> bool:
    if name == "tuning.classifiers":
        return "dnn" in value
    return name in ONLY_IN_THE_SEARCH or name.startswith("refinement.")


def _listed(names: Sequence[str]) -> str:
    return " and ".join(f"--{'minutes' if name == 'tuning.minutes' else name}" for name in names)


def _typed(value: Any) -> str:
    return ",".join(map(_typed, value)) if isinstance(value, list | tuple) else str(value)
