"""Explanations as pictures in a folder."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from pathlib import Path

from gingham.export.predictor import Predictor

__all__ = ["write_explanations"]

_LONGEST = 60


def write_explanations(
    predictor: Predictor, paths: Sequence[str], folder: Path, progress: Callable[[int, int], None]
) -> list[Path]:
    """Write for each image a JPEG in which what spoke for its answer is lit; those that cannot be read are left out.

    Parameters
    ----------
    predictor : Predictor
    paths : sequence of str
    folder : Path
        Made where it is not there; files of the same name are replaced.
    progress : callable of (done, total)

    Returns
    -------
    list of Path
        ``00001-NAME-is-LABEL.jpg``, numbered as ``paths``, in which nothing of a name is left that a file system minds.

    Raises
    ------
    UsageError
        If where this network looked cannot be told.
    OSError
        If the folder cannot be written.
    """
    written: list[Path] = []
    numbers = {path: number for number, path in reversed(list(enumerate(paths, 1)))}
    for explanation in predictor.explain(list(paths)):
        folder.mkdir(parents=True, exist_ok=True)
        name = (
            f"{numbers[explanation.path]:05}-{_plain(Path(explanation.path).stem)}-is-{_plain(explanation.label)}.jpg"
        )
        written.append(folder / name)
        written[-1].write_bytes(explanation.picture())
        progress(numbers[explanation.path], len(paths))
    return written


def _plain(name: str) -> str:
    """Return a name with letters, digits and ``.-_`` only.

    >>> _plain("my cat?")
    'my_cat_'
    """
    return re.sub(r"[^\w.-]", "_", name, flags=re.ASCII)[:_LONGEST]
