"""What a run's model file must answer: the training path's own numbers for some of the run's images."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from gingham.config import Features
from gingham.errors import GinghamError, ImageError, UnavailableError, UsageError
from gingham.export.parity import Agreement, Expected, check_parity, head_outputs
from gingham.export.probes import Probe, disguises, drawn_photo, squares
from gingham.export.reading import read_model
from gingham.export.rebuild import read_head
from gingham.export.runtime import Outputs, Runtime
from gingham.images import open_bytes
from gingham.records import content_hash, display_path
from gingham.workflow.backbones import pretrained_backbone, refined_backbone

if TYPE_CHECKING:
    from gingham.classifiers import LinearHead
    from gingham.export.model_file import ModelInfo
    from gingham.features.engines import Engine
    from gingham.project import ProjectFolder
    from gingham.workflow.results import RunResult
    from gingham.workflow.steps import Steps

__all__ = ["check_run", "engine_of", "expected_of", "probes_of", "spread"]

PHOTOS = 4  # a run is checked in passing
PHOTOS_OF_EXPORT = 8


def check_run(steps: Steps, file: Path) -> tuple[Agreement, ...]:
    """Compare a run's model file with the features and probabilities that the run was evaluated on.

    Raises
    ------
    DataError
        If they disagree.
    """
    from gingham.features.engines import open_engine

    test = steps.rows("test")
    probes, rows = [], []
    for row in test[spread(steps.labels[test], PHOTOS)]:
        image = steps.files[row]
        if (probe := _photo(steps.root, image.path, image.content)) is not None:
            probes.append(probe)
            rows.append(row)
    if not probes:
        return ()
    inputs = squares(probes, steps.recipe)
    engine = open_engine(steps.backbone, steps.recipe.resolution, "openvino", "f32")
    expected = Expected(
        name="the training path",
        labels=steps.classes,
        exact=head_outputs(steps.head, _features_by(engine, inputs)),
        own=head_outputs(steps.head, steps.featurized.features[rows]),
        engine=steps.featurized.engine,
    )
    return check_parity(file, probes, expected)


def probes_of(folder: ProjectFolder, run: RunResult) -> tuple[list[Probe], NDArray[np.float64] | None]:
    """Return test images of a run, those that are still there, and one of them in every guise.

    Returns
    -------
    probes : list of Probe
        The photos come first; where none is left, a drawn picture stands for them.
    recorded : float64 array of shape (n_photos, n_classes), or None
        The probabilities that the run was evaluated on.
    """
    from gingham.evaluate import read_predictions

    photos, rows = [], []
    try:
        with (folder.runs / run.run_id / "predictions.csv").open(encoding="utf-8", newline="") as stream:
            table = read_predictions(stream).of_split("test")
    except (OSError, UnicodeDecodeError, UsageError):
        return disguises("a drawn picture", drawn_photo()), None
    root = folder.dataset(run.record.dataset.name)
    for row in spread(table.labels, PHOTOS_OF_EXPORT):
        if (probe := _photo(root, table.paths[row], table.contents[row])) is not None:
            photos.append(probe)
            rows.append(row)
    if not photos:
        return disguises("a drawn picture", drawn_photo()), None
    recorded = None if table.probabilities is None else table.probabilities[rows]
    return [*photos, *disguises(photos[0].name, photos[0].data)], recorded


def _photo(root: Path, path: str, content: str) -> Probe | None:
    """Read an image; None if it is gone, or another by now."""
    try:
        data = open_bytes(root / path, root=root)
    except ImageError:
        return None
    return Probe(display_path(path), data) if content_hash(data) == content else None


def expected_of(
    folder: ProjectFolder, run: RunResult, probes: Sequence[Probe], recorded: NDArray[np.float64] | None, *, whole: bool
) -> Expected:
    """Return what a run's model must answer: by its backbone and head, or, where the backbone is gone, by its file.

    Parameters
    ----------
    folder : ProjectFolder
    run : RunResult
    probes : sequence of Probe
    recorded : float64 array of shape (m, n_classes), or None
        The run's own probabilities for the first m probes.
    whole : bool
        Decode JPEGs at full size.
    """
    _, model, info = read_model(run.model)
    head = read_head(model, info)
    inputs = squares(probes, info.recipe, whole=whole)
    try:
        runners = [engine_of(folder, run, info, precision) for precision in ("f32", None)]
        exact, own = (_answers(head, _features_by(runner, inputs)) for runner in runners)
        name, engine = "the training path", runners[1].name
    except GinghamError:
        data = run.model.read_bytes()
        runtimes = [Runtime(data, info, precision) for precision in ("f32", "auto")]
        exact, own = (runtime.run(inputs) for runtime in runtimes)
        name, engine = "the run's model file", f"openvino-{runtimes[1].precision}"
    recorded_by = run.record.featurize.engine if run.record.featurize else ""
    return Expected(name, info.labels, exact, own, engine, recorded, recorded_by)


def engine_of(folder: ProjectFolder, run: RunResult, info: ModelInfo, precision: str | None) -> Engine:
    """Open the run's backbone as it was trained with, or at another precision on the CPU."""
    from gingham.features.engines import open_engine

    settings = Features.model_validate(run.record.parameters.get("features", {}))
    if run.record.refinement is not None:
        backbone = refined_backbone(folder, settings, run.record.refinement.key)
    else:
        backbone = pretrained_backbone(folder, settings)
    if backbone.weights_sha256 != info.weights_sha256:
        raise UnavailableError("The backbone's weights are no longer those of the run.")
    if precision is None:
        return open_engine(backbone, info.resolution, settings.engine, settings.precision)
    return open_engine(backbone, info.resolution, "openvino", precision)


def _answers(head: LinearHead, features: NDArray[np.float32]) -> Outputs:
    answers = head_outputs(head, features)
    return answers if len(head.centres) else dataclasses.replace(answers, distances=None)


def _features_by(engine: Engine, inputs: NDArray[np.uint8]) -> NDArray[np.float32]:
    """Return the features of inputs, float32 of shape (n, n_features)."""
    size = engine.batch_size
    return np.concatenate(list(engine.features(inputs[start : start + size] for start in range(0, len(inputs), size))))


def spread(labels: Sequence[Any] | NDArray[Any], count: int) -> NDArray[np.intp]:
    """Return the positions of up to ``count`` items, in turn from every class.

    >>> spread(["a", "a", "b", "a", "c"], 4).tolist()
    [0, 1, 2, 4]
    """
    labels = np.asarray(labels)
    turn = np.empty(len(labels), int)
    for label in np.unique(labels):
        rows = np.flatnonzero(labels == label)
        turn[rows] = np.arange(len(rows))
    return np.sort(np.argsort(turn, kind="stable")[:count])
