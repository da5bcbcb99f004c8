"""What a run's model file must answer: the training path's own numbers for some of the run's images."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from gingham.errors import ImageError
from gingham.export.parity import Agreement, Expected, check_parity, head_outputs
from gingham.export.probes import Probe, squares
from gingham.images import open_bytes
from gingham.records import content_hash, display_path

if TYPE_CHECKING:
    from gingham.features.engines import Engine
    from gingham.workflow.steps import Steps

__all__ = ["check_run", "features_by", "spread"]

PHOTOS = 4  # a run is checked in passing; `gingham export` looks closer


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
        try:
            data = open_bytes(steps.root / image.path, root=steps.root)
        except ImageError:  # gone since it was featurized
            continue
        if content_hash(data) == image.content:
            probes.append(Probe(display_path(image.path), data))
            rows.append(row)
    if not probes:
        return ()
    inputs = squares(probes, steps.recipe)
    engine = open_engine(steps.backbone, steps.recipe.resolution, "openvino", "f32")
    expected = Expected(
        name="the training path",
        labels=steps.classes,
        recipe=steps.recipe,
        exact=head_outputs(steps.head, features_by(engine, inputs)),
        own=head_outputs(steps.head, steps.featurized.features[rows]),
        engine=steps.featurized.engine,
    )
    return check_parity(file, probes, expected)


def features_by(engine: Engine, inputs: NDArray[np.uint8]) -> NDArray[np.float32]:
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
