"""What the tests of the run history share: a way to make records, and a store in a fresh project."""

from __future__ import annotations

import datetime
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from gingham.tracking import DatasetBlock, FeaturizeBlock, RunRecord, RunStore, SvmBlock

NOON = datetime.datetime(2026, 11, 24, 12, 0, 0, tzinfo=datetime.UTC)


@pytest.fixture
def noon() -> datetime.datetime:
    return NOON


@pytest.fixture
def make_record() -> Callable[..., RunRecord]:
    def make(run_id: str = "20261124-120000-ab12", **changes: Any) -> RunRecord:
        fields: dict[str, Any] = {
            "run_id": run_id,
            "created": NOON,
            "finished": NOON + datetime.timedelta(seconds=4.4),
            "gingham_version": "0.1.0",
            "classifier": "svm",
            "backbone": "efficientnet_lite0",
            "resolution": 224,
            "dataset": DatasetBlock(
                name="textures",
                images=428,
                classes=("dotted", "leopard", "striped"),
                train=321,
                test=107,
                fingerprint="d1",
                test_fingerprint="t1",
            ),
            "metrics": {
                "accuracy": 0.93,
                "accuracy_ci": [0.87, 0.97],
                "per_class_accuracy": {"dotted": 0.9, "leopard": None},
                "confusion_matrix": [[1, 2], [3, 4]],
            },
            "svm": SvmBlock(c=1.0, cv_accuracy={"0.1": 0.9, "1.0": 0.92}),
            "seconds": {"total": 4.4},
            "featurize": FeaturizeBlock(images=428, from_cache=0, images_per_second=140.0, engine="openvino-bf16"),
            "parameters": {"seed": 0, "svm": {"folds": 5, "c_grid": [0.1, 1.0]}, "tracking": {"uri": ""}},
            "fingerprints": {"parameters": "p1", "data": "d1"},
            "versions": {"python": "3.11.7"},
        }
        return RunRecord(**(fields | changes))

    return make


@pytest.fixture
def store(tmp_path: Path) -> RunStore:
    return RunStore(tmp_path / "runs", tmp_path / ".gingham" / "runs.sqlite")


@pytest.fixture
def publish(store: RunStore, make_record: Callable[..., RunRecord]) -> Callable[..., RunRecord]:
    """Publish one run with a report; return its record."""

    def publish(minute: int = 0, **changes: Any) -> RunRecord:
        created = NOON + datetime.timedelta(minutes=minute)
        with store.stage(created) as staged:
            (staged.path / "figures").mkdir()
            (staged.path / "figures" / "roc.png").write_bytes(b"png")
            (staged.path / "report.html").write_text("<p>fine</p>")
            return store.publish(staged.path, make_record(staged.run_id, **({"created": created} | changes)))

    return publish
