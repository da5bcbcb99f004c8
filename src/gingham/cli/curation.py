"""The commands that find out what is wrong with a folder of images, and put it right."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

from cyclopts import Parameter

from gingham.cli import render_curation as render
from gingham.cli.calling import COMMON, Common, Images, Parameters, call
from gingham.errors import UsageError

__all__ = ["check", "dedupe", "learning_curve", "next_up"]


def check(
    images: Images = None,
    /,
    *,
    by_embedding: Annotated[
        bool, Parameter(negative="", help="Also find lookalikes: crops, mirror images, shots of one scene.")
    ] = False,
    labels: Annotated[
        bool, Parameter(help="Whether to look for wrong labels, for which features are computed.")
    ] = True,
    output: Annotated[
        Path | None,
        Parameter(name=["--output", "-o"], help="The page, *.html; the table, *.csv, lies beside it. Else in check/."),
    ] = None,
    common: Common = COMMON,
    config: Parameters = None,
) -> None:
    """Find out what is wrong with the images: unreadable files, copies, wrong labels, odd images, shortcuts.

    Writes a page with pictures, and a table with a score of every image for every issue. Nothing else is changed.
    """
    arguments = {"images": images, "by_embedding": by_embedding, "labels": labels, "output": output}
    call(common, config, "check", render.check, **arguments)


def dedupe(
    images: Images = None,
    /,
    *,
    apply: Annotated[bool, Parameter(negative="", help="Move the copies to .gingham/removed.")] = False,
    undo: Annotated[bool, Parameter(negative="", help="Put every file back that this command has moved.")] = False,
    common: Common = COMMON,
    config: Parameters = None,
) -> None:
    """List the copies of each picture and which of them to keep: the largest, the sharpest, the first.

    Copies under different labels are listed too; none of them is moved. `splits.near_duplicate_bits` says what a copy
    is; with 0, all 256 bits must agree.
    """
    if apply and undo:
        raise UsageError("Give --apply or --undo, not both.")
    if undo:
        call(common, None, "dedupe_undo", render.put_back)
    else:
        call(common, config, "dedupe", render.dedupe, images=images, apply=apply)


def next_up(
    images: Images = None,
    /,
    *,
    count: Annotated[int, Parameter(name=["--count", "-n"], help="How many, for each reason.")] = 12,
    output: Annotated[
        Path | None,
        Parameter(name=["--output", "-o"], help="The page, *.html; the table, *.csv, lies beside it. Else in next/."),
    ] = None,
    common: Common = COMMON,
    config: Parameters = None,
) -> None:
    """Say which images it pays to look at: suspect labels, then unsure ones, then those unlike anything labelled.

    Images in a folder `unlabelled`, beside those of the classes, are predicted on.
    """
    call(common, config, "next", render.next_up, images=images, count=count, output=output)


def learning_curve(
    images: Images = None,
    /,
    *,
    more: Annotated[int, Parameter(help="So many more images of a class are thought of.")] = 50,
    common: Common = COMMON,
    config: Parameters = None,
) -> None:
    """Say which class needs more photos, and what they would buy: accuracy against the number of images, and beyond."""
    call(common, config, "learning_curve", render.learning_curve, images=images, more=more)
