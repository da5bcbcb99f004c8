"""The commands that fetch images from the web."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

from cyclopts import App, Parameter

from gingham.cli import render_collect as render
from gingham.cli.calling import COMMON, Common, call
from gingham.config import Collection, Config

if TYPE_CHECKING:
    from gingham.workflow import CollectResult

__all__ = ["collect_app"]

HELP = """Fetch images from the web: from a list of links, by searching, or a public dataset.

Every link ends in a ledger, with what became of it; the same command goes on from where it was.
"""

collect_app = App(name="collect", help=HELP)

Into = Annotated[
    Path | None, Parameter(help="The folder for the images, one sub-folder per class; without it, one in images/.")
]
Retry = Annotated[
    Literal["failed", "missing"] | None,
    Parameter(help="Also fetch again: failed, what gave no image; missing, what was stored and is no longer there."),
]
Settings = Annotated[Collection | None, Parameter(name="*", group="Collection")]
Dataset = Annotated[Path | None, Parameter(help="The folder of images; without it, `dataset` of the project.")]


@collect_app.command
def urls(
    file: Annotated[Path, Parameter(help="TSV, CSV or Parquet with the columns label and url.")],
    /,
    *,
    into: Into = None,
    retry: Retry = None,
    common: Common = COMMON,
    collection: Settings = None,
) -> int:
    """Fetch the images of a list of labels and links. Broken links are normal: each is told with its reason."""
    return _collect(common, collection, "collect_urls", file=file, into=into, retry=retry)


@collect_app.command
def search(
    *,
    query: Annotated[str, Parameter(help="What to search for; braces make combinations: '{red,blue} shirt'.")],
    label: Annotated[
        str | None, Parameter(help="The class, from the braces: '{1}' is the first group; '{0}' the whole query.")
    ] = None,
    into: Into = None,
    retry: Retry = None,
    common: Common = COMMON,
    collection: Settings = None,
) -> int:
    """Search Openverse, Wikimedia Commons and others, and fetch what they find, with its licence and its maker."""
    return _collect(common, collection, "collect_search", query=query, label=label, into=into, retry=retry)


@collect_app.command
def dataset(
    name: Annotated[str, Parameter(help="Its name: clothing.")],
    /,
    *,
    into: Into = None,
    retry: Retry = None,
    common: Common = COMMON,
    collection: Settings = None,
) -> int:
    """Fetch a public dataset: clothing, 2,147 photos of garments in 10 classes (CC0, 60 MB)."""
    return _collect(common, collection, "collect_dataset", name=name, into=into, retry=retry)


@collect_app.command
def status(
    images: Dataset = None,
    /,
    *,
    output: Annotated[
        Path | None, Parameter(name=["--output", "-o"], help="Also write every link and what became of it: *.csv.")
    ] = None,
    common: Common = COMMON,
) -> None:
    """Say what became of the links of a dataset."""
    call(common, None, "collect_status", render.status, images=images, output=output)


@collect_app.command
def attribution(
    images: Dataset = None,
    /,
    *,
    output: Annotated[Path, Parameter(name=["--output", "-o"], help="The file to write, *.md or *.csv.")] = Path(
        "CREDITS.md"
    ),
    common: Common = COMMON,
) -> None:
    """Write the credits: of each image its maker, its licence, and where it was found."""
    call(common, None, "collect_attribution", render.attribution, images=images, output=output)


def _collect(common: Common, collection: Collection | None, verb: str, **arguments: Any) -> int:
    config = Config()
    if collection is not None:
        config = Config.model_construct(_fields_set={"collection"}, collection=collection)
    result: CollectResult = call(common, config, verb, render.collect, **arguments)
    return result.exit_status
