"""Made-up answers of a classifier, and the report data made of them."""

from __future__ import annotations

import io
from collections.abc import Callable, Sequence
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

import numpy as np
import pytest
from PIL import Image

from gingham.evaluate.metrics import compute_metrics
from gingham.evaluate.predictions import PredictionTable
from gingham.evaluate.report_data import ReportData, images_to_show
from gingham.evaluate.tuning import TuningRow


def draw_scores(
    n: int, n_classes: int, *, signal: float = 2.5, seed: int = 0
) -> tuple[np.ndarray[Any, Any], np.ndarray[Any, Any]]:
    """Return true classes and probabilities that know them about as well as ``signal`` says."""
    rng = np.random.default_rng(seed)
    truth = rng.integers(0, n_classes, n)
    scores = rng.normal(size=(n, n_classes))
    scores[np.arange(n), truth] += signal
    probabilities = np.exp(scores)
    return truth, probabilities / probabilities.sum(axis=1, keepdims=True)


@pytest.fixture
def scores() -> Callable[..., Any]:
    return draw_scores


@pytest.fixture
def report_data() -> Callable[..., ReportData]:
    def make(
        n: int = 60,
        classes: Sequence[str] = ("dotted", "leopard", "striped"),
        *,
        paths: Sequence[str] = (),
        signal: float = 2.5,
        **changes: Any,
    ) -> ReportData:
        truth, probabilities = draw_scores(n, len(classes), signal=signal)
        answers = probabilities.argmax(axis=1)
        names = [*paths, *(f"{classes[k]}/{i}.jpg" for i, k in enumerate(truth))][:n]
        table = PredictionTable(
            paths=tuple(names),
            contents=tuple(f"{i:032x}" for i in range(n)),
            splits=("test",) * n,
            labels=tuple(classes[k] for k in truth),
            predicted=tuple(classes[k] for k in answers),
            classes=tuple(classes),
            confidence=probabilities.max(axis=1),
            probabilities=probabilities,
        )
        data = ReportData(
            title="Garment patterns",
            run_id="r1",
            created=datetime(2026, 11, 28, 14, 3, tzinfo=UTC),
            classifier="svm",
            backbone="efficientnet_lite0",
            resolution=224,
            n_images=4 * n,
            metrics=compute_metrics(truth, probabilities, answers, classes),
            predictions=table,
            cv_accuracy={0.1: 0.8, 1.0: 0.9, 10.0: 0.88},
            c=1.0,
            thumbnails=dict.fromkeys(images_to_show(table, 24), jpeg()),
        )
        return replace(data, **changes)

    return make


def jpeg() -> bytes:
    buffer = io.BytesIO()
    Image.effect_noise((160, 160), 60).save(buffer, "JPEG", quality=80)
    return buffer.getvalue()


@pytest.fixture
def row() -> Callable[..., TuningRow]:
    """Make the candidate of a number: the larger, the faster and the less accurate; the second is recommended."""

    def make(number: int, **changes: Any) -> TuningRow:
        values: dict[str, Any] = {
            "name": f"svm, network{number} at 224",
            "classifier": "svm",
            "flags": "--classifier svm",
            "accuracy": 0.9 - number / 100,
            "interval": (0.85 - number / 100, 0.94 - number / 100),
            "held_out": 635,
            "milliseconds": 9.0 / (number + 1),
            "megabytes": 13.0,
            "pareto": True,
            "as_good": True,
            "best": number == 0,
            "recommended": number == 1,
        }
        return TuningRow(**(values | changes))

    return make
