from __future__ import annotations

import datetime
import json
import math
from collections.abc import Callable
from enum import StrEnum
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from pydantic import BaseModel, ValidationError

from gingham.tracking import RunRecord, masked_parameters

MakeRecord = Callable[..., RunRecord]


class Colour(StrEnum):
    RED = "red"


class Metrics(BaseModel):
    accuracy: float = 0.5


def test_its_text_round_trips_and_is_stable(make_record: MakeRecord) -> None:
    record = make_record()
    read = RunRecord.from_json(record.to_json())
    assert read == record
    assert read.to_json() == record.to_json() == RunRecord.from_json(record.to_json().encode()).to_json()


def test_it_holds_what_gingham_run_promises(make_record: MakeRecord) -> None:
    printed = make_record().to_dict()
    assert printed.keys() >= {
        "run_id", "classifier", "backbone", "resolution", "dataset", "metrics", "svm", "seconds", "featurize",
        "report", "model",
    }  # fmt: skip
    assert printed["dataset"].keys() >= {
        "name", "images", "classes", "train", "test", "skipped", "fingerprint", "test_fingerprint",
    }  # fmt: skip
    assert (printed["svm"]["c"], printed["svm"]["cv_accuracy"]) == (1.0, {"0.1": 0.9, "1.0": 0.92})
    assert printed["featurize"].keys() >= {"images", "from_cache", "images_per_second", "engine"}


@pytest.mark.parametrize(
    ("value", "kept"),
    [
        pytest.param(math.nan, None, id="nan"),
        pytest.param(-math.inf, None, id="infinity"),
        pytest.param(np.float32(0.5), 0.5, id="numpy scalar"),
        pytest.param(np.float64("nan"), None, id="numpy nan"),
        pytest.param(np.array([[1, 2]]), [[1, 2]], id="numpy array"),
        pytest.param((1, math.nan), [1, None], id="tuple"),
        pytest.param({0.001: np.int64(1)}, {"0.001": 1}, id="numbers as keys"),
        pytest.param(Colour.RED, "red", id="enum"),
        pytest.param(Path("a/b"), "a/b", id="path"),
        pytest.param(Metrics(), {"accuracy": 0.5}, id="model"),
        pytest.param("caf\udce9.jpg", "caf\\xe9.jpg", id="undecodable byte"),
        pytest.param("\ud800", "\\ud800", id="stray surrogate"),
        pytest.param("格子\n", "格子\n", id="any script"),
        pytest.param(True, True, id="bool"),
    ],
)
def test_it_takes_python_values_and_keeps_json(make_record: MakeRecord, value: Any, kept: Any) -> None:
    record = make_record(metrics={"x": value})
    assert record.metrics["x"] == kept
    text = record.to_json()
    assert json.loads(text.encode())["metrics"]["x"] == kept
    assert RunRecord.from_json(text).metrics["x"] == kept


def test_it_refuses_what_json_cannot_hold(make_record: MakeRecord) -> None:
    with pytest.raises(TypeError, match="not object"):
        make_record(metrics={"x": object()})


def test_an_unknown_field_is_refused_when_made_and_ignored_when_read(make_record: MakeRecord) -> None:
    with pytest.raises(ValidationError, match="colour"):
        make_record(colour="red")
    newer = make_record().to_dict() | {"colour": "red"}
    newer["dataset"]["licence"] = "CC0"
    assert RunRecord.from_json(json.dumps(newer)) == make_record()


@pytest.mark.parametrize(
    "changes",
    [
        pytest.param({"run_id": "../../etc"}, id="run id with a path"),
        pytest.param({"status": "perhaps"}, id="status"),
        pytest.param({"created": datetime.datetime(2026, 11, 24)}, id="time without a zone"),
        pytest.param({"files": ("../secret",)}, id="file outside"),
        pytest.param({"files": ("/etc/passwd",)}, id="absolute file"),
        pytest.param({"files": ("a\\b",)}, id="backslash"),
        pytest.param({"files": ("",)}, id="no name"),
    ],
)
def test_it_refuses(make_record: MakeRecord, changes: dict[str, Any]) -> None:
    with pytest.raises(ValidationError):
        make_record(**changes)


def test_times_are_utc(make_record: MakeRecord) -> None:
    tokyo = datetime.timezone(datetime.timedelta(hours=9))
    created = datetime.datetime(2026, 11, 24, 21, tzinfo=tokyo)
    assert make_record(created=created).to_dict()["created"] == "2026-11-24T12:00:00Z"


def test_it_holds_no_secret(make_record: MakeRecord) -> None:
    given = {
        "tracking": {"uri": "https://ann:s3cret@mlflow.example/?sig=s3cret"},
        "service": {"token": "s3cret", "credential": "s3cret", "port": 80},
        "collection": {"flickr_api_key": "s3cret"},
    }
    text = make_record(parameters=given, warnings=("no answer from postgresql://ann:s3cret@db/x",)).to_json()
    assert "s3cret" not in text
    kept = json.loads(text)["parameters"]
    assert kept["tracking"]["uri"] == "https://***@mlflow.example/?sig=***"
    assert kept["service"] == {"token": "***", "credential": "***", "port": 80}
    assert masked_parameters(given) == kept, "so that a page shows the same"
