"""What to type next, on the same images and in the same project as the call that says so."""

from __future__ import annotations

import os
import shlex
from dataclasses import dataclass
from pathlib import Path

from gingham.project import ProjectFolder
from gingham.records import display_path

__all__ = ["Typed", "typed"]


@dataclass(frozen=True)
class Typed:
    """The parts of a call that others have to repeat.

    Parameters
    ----------
    images : str
        The folder of images as it was given; empty where it was not.
    project : str
        The project; empty where it is the current folder.
    """

    images: str = ""
    project: str = ""

    def command(self, *words: str, images: bool = True) -> str:
        """Return a command, the images behind its name.

        Parameters
        ----------
        words : str
            The name of the command, and its flags.
        images : bool
            Whether it takes a folder of images.

        Examples
        --------
        >>> Typed("my photos").command("label", "apply", "--dry-run")
        "gingham label apply 'my photos' --dry-run"
        """
        names = [word for word in words if not word.startswith("--")]
        flags = [word for word in words if word.startswith("--")]
        return shlex.join(
            ["gingham", *names, *([self.images] if images and self.images else []), *flags, *self._where()]
        )

    def label(self, path: str, label: str = "") -> str:
        """Return the command that gives an image a class; without one, the word ``CLASS`` stands in its place.

        >>> Typed().label("-a.jpg", "cat")
        'gingham label -- -a.jpg cat'
        """
        names = [display_path(path), *([display_path(label)] if label else [])]
        end = ["--"] if any(name.startswith("-") for name in names) else []
        words = shlex.join(["gingham", "label", *self._where(), *end, *names])
        return words if label else f"{words} CLASS"

    def _where(self) -> list[str]:
        return ["--project", self.project] if self.project else []


def typed(folder: ProjectFolder, images: str | os.PathLike[str] | None = None) -> Typed:
    """Return what others have to repeat of a call."""
    project = "" if folder.root == Path.cwd() else os.path.relpath(folder.root)
    return Typed("" if images is None else display_path(os.fspath(images)), display_path(project))
