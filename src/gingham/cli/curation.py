"""The commands that find out what is wrong with a folder of images, and put it right."""

from __future__ import annotations

from typing import Annotated

from cyclopts import Parameter

from gingham.cli import render_curation as render
from gingham.cli.calling import COMMON, Common, Images, Parameters, call
from gingham.errors import UsageError

__all__ = ["dedupe"]


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
