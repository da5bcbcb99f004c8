"""Many images and what a model, here or behind a service, says of them."""

from __future__ import annotations

import io
import os
import re
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

from cyclopts import Parameter

from gingham.cli.named_images import named_images
from gingham.errors import UsageError
from gingham.records import display_path, encodable

if TYPE_CHECKING:
    from gingham.export import Prediction, Predictor

__all__ = ["Batch", "BatchOptions", "predict_batch"]

TOKEN_VARIABLE = "GINGHAM_SERVICE__TOKEN"  # noqa: S105
ADDRESS_WITHOUT_SCHEME = re.compile(r"(?:[\w-]+\.)*[\w-]+:\d{1,5}")
QUIET_SECONDS = 1.0
"""What is done sooner shows no progress."""


@Parameter(name="*")
@dataclass(frozen=True)
class BatchOptions:
    """How images are predicted, and how the answers are written."""

    csv: Annotated[bool, Parameter(negative="")] = False
    """Print a table for a spreadsheet instead of words."""
    output: Annotated[Path | None, Parameter(alias="-o")] = None
    """Also write that table to this file, *.csv."""
    top_k: int | None = None
    """Also show the next classes, so many in all; with --json, only so many."""
    features: Annotated[bool, Parameter(negative="")] = False
    """With --json: the features of every image too."""
    explain: Path | None = None
    """Also write a picture of each image to this folder, with what spoke for its answer in colour; of a model file
    only."""
    token: str | None = None
    """What the service wants; better as the variable GINGHAM_SERVICE__TOKEN than as a flag."""
    precision: Literal["auto", "bf16", "f32"] = "auto"
    """What a model file is computed in; auto: as in training, or f32 where it has no bf16."""
    concurrency: int | None = None
    """Requests to the service at once; without it, 8."""

    def refuse_contradictions(self, *, of_service: bool, as_json: bool) -> None:
        """Refuse what is out of range, and what would silently have no effect.

        Raises
        ------
        UsageError
        """
        for name in ("top_k", "concurrency"):
            value = getattr(self, name)
            if value is not None and value < 1:
                raise UsageError(f"--{name.replace('_', '-')} must be at least 1, not {value}.")
        if self.output is not None and self.output.suffix.lower() != ".csv":
            raise UsageError(f"The table is written to a .csv file, not to {self.output.name}. Type: -o answers.csv")
        if self.csv and as_json:
            raise UsageError(
                "Give --json or --csv, not both; --json --output FILE prints the one and writes the other."
            )
        if self.features and not as_json:
            raise UsageError("--features has no effect without --json.")
        if of_service and self.explain is not None:
            raise UsageError("--explain is for a model file: a service does not say where it looked.")
        if of_service and self.precision != "auto":
            raise UsageError("--precision is for a model file; `gingham serve` decides what a service computes in.")
        if not of_service and (self.token is not None or self.concurrency is not None):
            raise UsageError("--token and --concurrency are for the address of a service, not for a model file.")


@dataclass(frozen=True)
class Batch:
    """Many images and what was said of them.

    Parameters
    ----------
    model : dict
        ``id``, ``run_id``, ``labels``, and the ``path`` of the file or the ``url`` of the service.
    predictions : tuple of Prediction
    seconds : float
        Without loading the model.
    top_k : int or None
    notes : tuple of str
        What was named and is not there.
    """

    model: dict[str, Any]
    predictions: tuple[Prediction, ...]
    seconds: float
    top_k: int | None
    notes: tuple[str, ...]

    @property
    def unreadable(self) -> int:
        """How many images could not be read."""
        return sum(each.error is not None for each in self.predictions)

    @property
    def exit_status(self) -> int:
        """0, or 3 if no image could be read."""
        return 3 if self.unreadable == len(self.predictions) else 0

    @property
    def images_per_second(self) -> float:
        """Images, readable or not, in a second."""
        return len(self.predictions) / max(self.seconds, 1e-6)

    def to_json(self) -> dict[str, Any]:
        """Return the batch as one JSON object; undecodable names are escaped."""
        return {
            "model": self.model,
            "predictions": [each.to_json(self.top_k) | {"path": encodable(each.path)} for each in self.predictions],
            "images": len(self.predictions),
            "unreadable": self.unreadable,
            "seconds": round(self.seconds, 3),
            "images_per_second": round(self.images_per_second, 1),
        }

    def to_csv(self) -> str:
        """Return the batch as a table for a spreadsheet."""
        from gingham.export.prediction_csv import write_csv

        table = io.StringIO(newline="")
        write_csv(self.predictions, self.model["labels"], table)
        return table.getvalue()


def predict_batch(
    model: str, images: Sequence[str], options: BatchOptions, project: Path, progress: Callable[[str, int, int], None]
) -> Batch:
    """Find the images, ask the model.

    Parameters
    ----------
    model : str
        A model file, a run of the project, or the address of a service.
    images : sequence of str
        Files, folders and patterns.
    options : BatchOptions
    project : Path
    progress : callable of (step, done, total)

    Raises
    ------
    UsageError
        If no image is named or found.
    UnavailableError, DataError
        If the model cannot be had.
    """
    if ADDRESS_WITHOUT_SCHEME.fullmatch(model):
        raise UsageError(f"{model} is an address without its beginning: http://{model}")
    paths, notes = named_images(images, "predict", model, "model")
    with _opened(model, options, project) as (about, predict):
        began = time.monotonic()

        def shown(done: int, total: int) -> None:
            if time.monotonic() - began > QUIET_SECONDS:
                progress("predict", done, total)

        predictions = predict(paths, features=options.features, progress=shown)
        seconds = time.monotonic() - began
        if options.explain is not None:
            notes += _explained(predict.__self__, paths, options.explain, progress)
    return Batch(about, tuple(predictions), seconds, options.top_k, tuple(notes))


def _explained(
    predictor: Predictor, paths: Sequence[str], folder: Path, progress: Callable[[str, int, int], None]
) -> list[str]:
    from gingham.export.explanation_files import write_explanations

    written = write_explanations(predictor, paths, folder, lambda done, total: progress("explain", done, total))
    if not written:
        return []
    pictures = "1 picture" if len(written) == 1 else f"{len(written):,} pictures"
    return [f"Wrote {pictures} to {display_path(str(folder))}: what spoke for the answer is in colour."]


@contextmanager
def _opened(model: str, options: BatchOptions, project: Path) -> Iterator[tuple[dict[str, Any], Any]]:
    """Open a model; yield what it is, and what predicts with it."""
    if "://" in model:
        from gingham.client import CONCURRENCY, Client

        token = options.token if options.token is not None else os.environ.get(TOKEN_VARIABLE)
        with Client(model, token, concurrency=options.concurrency or CONCURRENCY) as client:
            told = client.model()
            info = told["info"]
            about = {"id": told["id"], "run_id": info.get("run_id", ""), "url": str(client.address)}
            yield about | {"labels": info["labels"]}, client.predict
    else:
        from gingham.api import Project
        from gingham.export import Predictor

        predictor = Predictor(Project(project).model_file(model), options.precision)
        about = {"id": predictor.digest, "run_id": predictor.info.run_id, "path": encodable(str(predictor.path))}
        yield about | {"labels": list(predictor.labels)}, predictor.predict
