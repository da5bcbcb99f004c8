"""The commands of annotation."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Annotated, Any

from cyclopts import App, Parameter

from gingham.cli import render_curation as render
from gingham.cli.calling import COMMON, Common, Images, call
from gingham.config import Config
from gingham.errors import UsageError
from gingham.records import display_path

__all__ = ["add_short_forms", "label_app"]

HELP = """Say which class images have: at once, lastingly, without moving a file.

`gingham label cat/1.jpg cat/2.jpg dog` gives the class dog to two images, named by their paths, as they stand or as the
report and the tables give them. All that comes after knows it; features are not computed anew.
"""

label_app = App(name="label", help=HELP, usage="Usage: gingham label [OPTIONS] IMAGES... CLASS")

Dataset = Annotated[Path | None, Parameter(help="The folder of images, instead of `dataset`.")]
Note = Annotated[str, Parameter(help="Remember these words with it.")]
Ambiguous = Annotated[bool, Parameter(negative="", help="Mark them: their class cannot be told for sure.")]


@label_app.default
def label(
    *images: Annotated[str, Parameter(help="Images by their paths; patterns in quotes; last, the class.")],
    new: Annotated[bool, Parameter(negative="", help="The class is one that the dataset does not have yet.")] = False,
    ambiguous: Ambiguous = False,
    note: Note = "",
    common: Common = COMMON,
    dataset: Dataset = None,
) -> None:
    """Give a class to images."""
    if len(images) < 2:
        raise UsageError("Name images, and last the class, such as: gingham label cat/1.jpg cat/2.jpg dog")
    *paths, name = images
    _annotate(common, dataset, paths, label=name, ambiguous=ambiguous, note=note, new_class=new)


@label_app.command
def exclude(
    *images: Annotated[str, Parameter(help="Images by their paths; patterns in quotes.")],
    note: Note = "",
    common: Common = COMMON,
    dataset: Dataset = None,
) -> None:
    """Leave images out of everything, wherever their files lie."""
    _annotate(common, dataset, images, excluded=True, note=note)


@label_app.command
def ambiguous(
    *images: Annotated[str, Parameter(help="Images by their paths; patterns in quotes.")],
    note: Note = "",
    common: Common = COMMON,
    dataset: Dataset = None,
) -> None:
    """Mark images whose class cannot be told for sure. They train and test all the same."""
    _annotate(common, dataset, images, ambiguous=True, note=note)


@label_app.command
def note(
    *images: Annotated[str, Parameter(help="Images by their paths; patterns in quotes; last, the note.")],
    common: Common = COMMON,
    dataset: Dataset = None,
) -> None:
    """Remember words with images: the last argument."""
    if len(images) < 2:
        raise UsageError('Name images, and last the note, such as: gingham label note cat/1.jpg "a lynx?"')
    *paths, words = images
    _annotate(common, dataset, paths, note=words)


@label_app.command
def clear(
    *images: Annotated[str, Parameter(help="Images by their paths; patterns in quotes.")],
    common: Common = COMMON,
    dataset: Dataset = None,
) -> None:
    """Take back all that was said of images."""
    _annotate(common, dataset, images, clear=True)


@label_app.command
def undo(*, common: Common = COMMON) -> None:
    """Take back what the latest of these commands said; again, what the one before it said."""
    call(common, None, "label_undo", render.undo)


@label_app.command
def history(
    image: Annotated[str | None, Parameter(help="Only what was said of this one.")] = None,
    /,
    *,
    count: Annotated[int, Parameter(name=["--count", "-n"], help="How many, the newest first.")] = 20,
    common: Common = COMMON,
    dataset: Dataset = None,
) -> None:
    """Show what was said, when, and whether it was taken back."""
    call(common, _config(dataset), "label_history", render.history, image=image, count=count)


@label_app.command
def apply(
    images: Images = None,
    /,
    *,
    dry_run: Annotated[bool, Parameter(negative="", help="Only say what would be moved.")] = False,
    undo: Annotated[bool, Parameter(negative="", help="Put every file back that this command has moved.")] = False,
    common: Common = COMMON,
) -> None:
    """Make the folders agree with the labels: moves files, excluded ones to .gingham/removed; can be undone."""
    if undo:
        call(common, None, "label_apply_undo", render.put_back)
    else:
        call(common, Config(), "label_apply", render.apply, images=images, dry_run=dry_run)


@label_app.command(name="export")
def export_table(
    file: Annotated[Path, Parameter(help="The table to write.")] = Path("annotations.csv"),
    /,
    *,
    common: Common = COMMON,
) -> None:
    """Write what holds of each annotated image to a CSV file: path, label, excluded, ambiguous, note, content."""
    call(common, None, "label_export", render.exported, file=file)


@label_app.command(name="import")
def import_table(
    file: Annotated[Path, Parameter(help="A CSV file with the columns path and label, or as `export` writes it.")],
    /,
    *,
    new: Annotated[bool, Parameter(negative="", help="It may hold classes that the dataset does not have.")] = False,
    common: Common = COMMON,
    dataset: Dataset = None,
) -> None:
    """Say what the rows of a CSV file say; all of it, or nothing if a row is wrong."""
    call(common, _config(dataset), "label_import", render.imported, file=file, new_classes=new)


def add_short_forms(app: App) -> None:
    """Let `gingham exclude`, `undo` and `history` stand for `gingham label exclude`, …."""
    for command in (exclude, undo, history):
        app.command(command, show=False)


def _config(dataset: Path | None) -> Config:
    if dataset is None:
        return Config()
    return Config.model_construct(_fields_set={"dataset"}, dataset=str(dataset))


def _annotate(common: Common, dataset: Path | None, images: Sequence[str], **said: Any) -> None:
    from gingham.export.image_paths import find_images

    found = find_images(images)
    if found.empty:
        raise UsageError(f"There is no image in {display_path(found.empty[0])}. Nothing has been changed.")
    call(common, _config(dataset), "label", render.annotate, images=found.paths, **said)
