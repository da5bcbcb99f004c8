"""The record of one run: what `runs/<run>/run.json` holds and `gingham run --json` prints."""

from __future__ import annotations

import datetime
import json
import math
import os
import re
from collections.abc import Mapping
from enum import Enum
from pathlib import PurePosixPath
from typing import Annotated, Any, Literal

from pydantic import AfterValidator, AwareDatetime, BaseModel, ConfigDict, Field, model_validator

from gingham.tracking.masking import MASK, is_secret_name, mask_secrets

__all__ = [
    "RUN_ID",
    "DatasetBlock",
    "EpochBlock",
    "FeaturizeBlock",
    "RefinementBlock",
    "RunRecord",
    "SkippedEntry",
    "SvmBlock",
    "masked_parameters",
]

RUN_ID = re.compile(r"\d{8}-\d{6}-[0-9a-f]{4}")


def _run_id(text: str) -> str:
    if RUN_ID.fullmatch(text) is None:
        raise ValueError("a run is called like 20261124-153012-ab12")
    return text


def _inside(name: str) -> str:
    path = PurePosixPath(name)
    if not path.parts or path.is_absolute() or ".." in path.parts or "\\" in name or str(path) != name:
        raise ValueError(f"{name!r} must be a path inside the run's folder, such as figures/roc.png")
    return name


def _utc(time: datetime.datetime) -> datetime.datetime:
    return time.astimezone(datetime.UTC)


UtcTime = Annotated[AwareDatetime, AfterValidator(_utc)]


class _Block(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class SkippedEntry(_Block):
    """A file that was left out."""

    path: str
    reason: str
    detail: str = ""


class DatasetBlock(_Block):
    """The images that a run was made of.

    Parameters
    ----------
    name : str
        The dataset as the user calls it.
    images, train, test : int
        How many were used, learnt from, and tested on.
    classes : tuple of str
    train_per_class, test_per_class : dict
        Class to its number of images.
    split : str
        What assigned the sides: ``stratified``, ``splits.csv``, …
    skipped : tuple of SkippedEntry
    duplicates : tuple of tuple of str
        Paths of the same or nearly the same picture, a tuple a group.
    conflicts : tuple of tuple of str
        Paths of the same picture under different labels.
    fingerprint : str
        Of all images and labels.
    test_fingerprint : str
        Of the test images and their labels; only runs with equal ones may be compared.
    """

    name: str
    images: int = Field(ge=0)
    classes: tuple[str, ...]
    train: int = Field(ge=0)
    test: int = Field(ge=0)
    train_per_class: dict[str, int] = {}
    test_per_class: dict[str, int] = {}
    split: str = ""
    skipped: tuple[SkippedEntry, ...] = ()
    duplicates: tuple[tuple[str, ...], ...] = ()
    conflicts: tuple[tuple[str, ...], ...] = ()
    fingerprint: str
    test_fingerprint: str


class SvmBlock(_Block):
    """The chosen C, and the mean cross-validation accuracy of every C that was tried, by its decimal text.

    ``threshold`` is the probability below which the answer is "not sure", and ``coverage`` the share of training
    images above it, out of fold; None where the wanted precision cannot be reached.
    """

    c: float
    cv_accuracy: dict[str, float | None]
    threshold: float | None = None
    coverage: float | None = None


class EpochBlock(_Block):
    """One epoch of a refinement, as :class:`gingham.records.Epoch`."""

    epoch: int = Field(ge=1)
    train_loss: float | None
    train_error: float
    validation_loss: float | None
    validation_error: float | None
    test_error: float | None
    learning_rate: float
    images_per_second: float
    seconds: float
    training: int = Field(1, ge=1)


class RefinementBlock(_Block):
    """How the network was refined.

    Parameters
    ----------
    depth : str
        What was trained, such as ``last-3-stages``.
    device, precision : str
    train, validation : int
        Images that it was trained on, and those that only chose what is kept, and calibrated.
    trained_parameters, parameters : int
        Numbers that were trained, of all.
    epochs : tuple of EpochBlock
    kept_epochs : tuple of int
        After which the weights were taken; those of several trainings are averaged.
    validation_error : float or None
        Share of the validation images that the network classifies wrongly, as it was trained.
    stopped : {"", "patience", "interrupted"}
        Why it ended early.
    held_out_accuracy, threshold, coverage : float or None
        On the validation part; the latter two as in `SvmBlock`.
    diagnosis : tuple of str
        What the curves say, in words.
    key : str
        By which the project knows the weights.
    """

    depth: str
    device: str
    precision: str
    train: int = Field(ge=0)
    validation: int = Field(ge=0)
    trained_parameters: int = Field(ge=0)
    parameters: int = Field(ge=0)
    epochs: tuple[EpochBlock, ...]
    kept_epochs: tuple[int, ...] = ()
    validation_error: float | None = None
    stopped: str = ""
    held_out_accuracy: float | None = None
    threshold: float | None = None
    coverage: float | None = None
    diagnosis: tuple[str, ...] = ()
    key: str = ""


class FeaturizeBlock(_Block):
    """How the features came about; ``images_per_second`` is None where all came from the cache."""

    images: int = Field(ge=0)
    from_cache: int = Field(ge=0)
    recomputed: int = Field(0, ge=0)
    images_per_second: float | None
    engine: str


class RunRecord(_Block):
    """One run, whole: parameters, data, numbers, versions, files.

    Built from Python values (numpy scalars, enums, paths and other pydantic models are taken), it holds only what
    JSON can: numbers are finite or None, text is valid Unicode (undecodable bytes of a file name are escaped).
    Passwords and tokens are masked at birth. Unknown fields are refused when a record is made, and ignored when
    one is read, so that files of a newer Gingham load.

    Parameters
    ----------
    run_id : str
        ``YYYYMMDD-HHMMSS-xxxx``: sorts by time.
    status : {"finished", "failed"}
    error : str or None
        Why it failed.
    created, finished : datetime
        Aware; kept in UTC.
    gingham_version : str
    classifier, backbone : str
    resolution : int
        Side of the network's input, in pixels.
    dataset : DatasetBlock
    metrics : dict
        The metrics of the test set, JSON values; empty for a failed run.
    svm : SvmBlock or None
        None for the last layer of a network.
    refinement : RefinementBlock or None
        None for a network that was not trained.
    seconds : dict
        Step to wall-clock seconds; ``total`` among them.
    featurize : FeaturizeBlock or None
    report, model : str or None
        Where they lie, relative to the project.
    parameters : dict
        Nested as in ``gingham.toml``.
    fingerprints : dict
        ``parameters`` and ``data`` decide whether a run is up to date; further ones are kept.
    versions : dict
        Package to version.
    warnings : tuple of str
    files : tuple of str
        Relative to the run's folder, ``/``-separated; filled in by the store.

    Raises
    ------
    pydantic.ValidationError
        If a field is missing, unknown or of the wrong type.
    TypeError
        If a value is nothing that JSON can hold.
    """

    format_version: int = 1
    run_id: Annotated[str, AfterValidator(_run_id)]
    status: Literal["finished", "failed"] = "finished"
    error: str | None = None
    created: UtcTime
    finished: UtcTime
    gingham_version: str
    classifier: str
    backbone: str
    resolution: int = Field(ge=1)
    dataset: DatasetBlock
    metrics: dict[str, Any] = {}
    svm: SvmBlock | None = None
    refinement: RefinementBlock | None = None
    seconds: dict[str, float] = {}
    featurize: FeaturizeBlock | None = None
    report: str | None = None
    model: str | None = None
    parameters: dict[str, Any] = {}
    fingerprints: dict[str, str] = {}
    versions: dict[str, str] = {}
    warnings: tuple[str, ...] = ()
    files: tuple[Annotated[str, AfterValidator(_inside)], ...] = ()

    @model_validator(mode="before")
    @classmethod
    def _only_json(cls, fields: Any) -> Any:
        if not isinstance(fields, Mapping):
            return fields
        return {
            key: masked_parameters(value) if key == "parameters" and isinstance(value, Mapping) else _json_value(value)
            for key, value in fields.items()
        }

    def to_dict(self) -> dict[str, Any]:
        """Return the record as JSON values; a superset of what `gingham run --json` promises."""
        return self.model_dump(mode="json")

    def to_json(self) -> str:
        """Return the text of ``run.json``; the same record always gives the same text."""
        return json.dumps(self.to_dict(), ensure_ascii=False, allow_nan=False, indent=2) + "\n"

    @classmethod
    def from_json(cls, text: str | bytes) -> RunRecord:
        """Read what ``to_json`` wrote, in this version or a newer one.

        Raises
        ------
        pydantic.ValidationError
            If the text is not JSON, or not the record of a run.
        """
        return cls.model_validate_json(text, extra="ignore")


def masked_parameters(parameters: Mapping[str, Any]) -> dict[str, Any]:
    """Return nested parameters as the record of a run keeps them: JSON values, without passwords and tokens.

    Parameters
    ----------
    parameters : mapping
        Nested as in ``gingham.toml``.

    Examples
    --------
    >>> masked_parameters({"seed": 0, "tracking": {"uri": "https://ann:s3cret@mlflow.example/"}, "api_key": "s3cret"})
    {'seed': 0, 'tracking': {'uri': 'https://***@mlflow.example/'}, 'api_key': '***'}
    """
    return {**_json_value(parameters, masked=True)}


def _json_value(value: Any, *, masked: bool = False) -> Any:
    """Return ``value`` as what JSON can hold; where ``masked``, without the values of secret names."""
    if isinstance(value, BaseModel):
        value = value.model_dump()
    if isinstance(value, Enum):
        value = value.value
    if hasattr(value, "tolist"):  # a numpy scalar or array, without importing numpy
        value = value.tolist()
    if value is None or isinstance(value, bool | int | datetime.datetime):
        return value
    if isinstance(value, float):
        return value if math.isfinite(value) else None
    if isinstance(value, str | os.PathLike):
        return mask_secrets(_valid_unicode(os.fsdecode(value)))
    if isinstance(value, Mapping):
        return {
            _valid_unicode(str(key)): MASK
            if masked and item and isinstance(item, str) and is_secret_name(str(key))
            else _json_value(item, masked=masked)
            for key, item in value.items()
        }
    if isinstance(value, list | tuple | set | frozenset):
        items = sorted(value) if isinstance(value, set | frozenset) else value
        return [_json_value(item, masked=masked) for item in items]
    raise TypeError(f"the record of a run holds JSON values, not {type(value).__name__}")


def _valid_unicode(text: str) -> str:
    try:
        return text.encode("utf-8", "surrogateescape").decode("utf-8", "backslashreplace")
    except UnicodeEncodeError:  # a surrogate that no file name gave
        return text.encode("utf-8", "backslashreplace").decode("utf-8")
