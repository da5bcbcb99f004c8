"""Explanations as pictures in a folder."""

from __future__ import annotations

import os
import re
import unicodedata
from collections.abc import Callable, Sequence
from pathlib import Path

from gingham.export.predictor import Predictor

__all__ = ["write_explanations"]

_LONGEST = 72  # bytes of a name, of which three make a file's name


def write_explanations(
    predictor: Predictor, paths: Sequence[str], folder: Path, progress: Callable[[int, int], None]
) -> list[Path]:
    """Write for each image a JPEG in which what spoke for its answer is in colour; what cannot be read is left out.

    Parameters
    ----------
    predictor : Predictor
    paths : sequence of str
    folder : Path
        Made where it is not there; the picture of an image of the same names, whatever its answer was, is replaced.
    progress : callable of (done, total)

    Returns
    -------
    list of Path
        ``FOLDER-NAME-is-LABEL.jpg``, of the folder that the image lies in, in which nothing of a name is left that a
        file system minds; where two would be called the same, ``FOLDER-NAME-2-is-LABEL.jpg``.

    Raises
    ------
    UsageError
        If where this network looked cannot be told.
    OSError
        If the folder cannot be written.
    """
    names = _names(paths)
    done = {path: number for number, path in enumerate(paths, 1)}
    written: list[Path] = []
    for explanation in predictor.explain(list(paths)):
        folder.mkdir(parents=True, exist_ok=True)
        files = {label: folder / f"{names[explanation.path]}-is-{_plain(label)}.jpg" for label in predictor.labels}
        written.append(files[explanation.label])
        written[-1].write_bytes(explanation.picture())
        for file in {*files.values()} - {written[-1]}:  # of an earlier call, with another model perhaps
            file.unlink(missing_ok=True)
        progress(done[explanation.path], len(paths))
    return written


def _names(paths: Sequence[str]) -> dict[str, str]:
    """Return what the picture of each image is called, without the answer: each another name."""
    names: dict[str, str] = {}
    taken: set[str] = set()
    for path in paths:
        whole = Path(os.path.abspath(path))  # noqa: PTH100  resolve would follow a link to another name
        name = once = "-".join(_plain(part) for part in (whole.parent.name, whole.stem) if part)
        number = 1
        while name.casefold() in taken:
            number += 1
            name = f"{once}-{number}"
        taken.add(name.casefold())
        names[path] = name
    return names


def _plain(name: str) -> str:
    """Return a name with letters and digits of any script and ``.-_`` only.

    >>> _plain("my cat?"), _plain("条纹")
    ('my_cat_', '条纹')
    """
    plain = re.sub(r"[^\w.-]", "_", unicodedata.normalize("NFC", name))
    return plain.encode()[:_LONGEST].decode(errors="ignore")
