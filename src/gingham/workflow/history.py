"""The run history: list, show, compare."""

from __future__ import annotations

import datetime
from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Any

from pydantic import ValidationError

from gingham import __version__
from gingham.errors import UnavailableError, UsageError
from gingham.evaluate.metrics import Metrics
from gingham.project import ProjectFolder
from gingham.tracking import RunRecord, RunStore
from gingham.workflow.results import Comparison, RunList, RunResult

if TYPE_CHECKING:
    from gingham.evaluate import PredictionTable

__all__ = ["compare", "runs", "runs_on_the_same_test", "show", "store"]


def store(folder: ProjectFolder) -> RunStore:
    """Return the run store of a project."""
    return RunStore(folder.runs, folder.run_index, folder.staging)


def runs(folder: ProjectFolder) -> RunList:
    """Return every run, newest first, with a sentence for each folder in ``runs/`` that is none or cannot be read."""
    records, passed_over = store(folder).records()
    found, warnings = [], [*passed_over]
    for record in records:
        try:
            found.append(_result(folder, record))
        except UnavailableError as error:
            warnings.append(str(error))
    return RunList(tuple(found), tuple(warnings))


def show(folder: ProjectFolder, run: str) -> RunResult:
    """Return one run by its id, the beginning of its id, or ``latest``.

    Raises
    ------
    UnavailableError
        If there is no such run, or it cannot be read.
    """
    return _result(folder, store(folder).get(run))


def runs_on_the_same_test(folder: ProjectFolder, run: RunResult) -> int:
    """Return how many other runs have met the test images of a run."""
    met = [other.run_id for other in store(folder).list(status="finished").runs
           if other.test_fingerprint == run.record.dataset.test_fingerprint]  # fmt: skip
    return len(set(met) - {run.run_id})


def compare(folder: ProjectFolder, a: str, b: str) -> Comparison:
    """Compare two runs on the same test images.

    Parameters
    ----------
    folder : ProjectFolder
    a, b : str
        Ids, beginnings of ids, or ``latest``; ``a`` may be ``previous``: the run before ``b`` on the same test images.

    Raises
    ------
    UsageError
        If they were tested on different images.
    UnavailableError
        If there is no such run, or its predictions or metrics cannot be read.
    """
    from gingham.evaluate import compare_predictions

    second = show(folder, b)
    first = _previous(folder, second) if a == "previous" else show(folder, a)
    if first.run_id == second.run_id:
        raise UsageError(f"{a} and {b} are the same run, {first.run_id}. `gingham runs list` shows the others.")
    predictions = compare_predictions(
        _predictions(folder, first),
        _predictions(folder, second),
        test_fingerprints=(first.record.dataset.test_fingerprint, second.record.dataset.test_fingerprint),
        metrics=(first.metrics, second.metrics),
    )
    parameters = dict(_differing(first.record.parameters, second.record.parameters))
    return Comparison(first, second, parameters, predictions)


def _result(folder: ProjectFolder, record: RunRecord) -> RunResult:
    """Return a run without the metrics that only a newer Gingham knows.

    Raises
    ------
    UnavailableError
        If those that are left are not whole.
    """
    if record.status == "finished":
        known = {name: value for name, value in record.metrics.items() if name in Metrics.model_fields}
        try:
            Metrics.model_validate(known)
        except ValidationError as error:
            first = error.errors(include_url=False, include_context=False, include_input=False)[0]
            raise UnavailableError(
                f"The metrics of {record.run_id} cannot be read "
                f"({'.'.join(map(str, first['loc']))}: {first['msg']}). Gingham {record.gingham_version} wrote them, "
                f"this is {__version__}: if that one is newer, type `pip install --upgrade gingham`."
            ) from None
        record = record.model_copy(update={"metrics": known})
    return RunResult(record, folder.root)


def _previous(folder: ProjectFolder, run: RunResult) -> RunResult:
    for other in store(folder).list(status="finished").runs:
        same_test = other.test_fingerprint == run.record.dataset.test_fingerprint
        if same_test and datetime.datetime.fromisoformat(other.created) < run.record.created:
            return show(folder, other.run_id)
    raise UnavailableError(
        f"No run before {run.run_id} was tested on the same images, so there is nothing to compare it with. "
        "Run again with another parameter, such as `gingham run --features.resolution 320`."
    )


def _predictions(folder: ProjectFolder, run: RunResult) -> PredictionTable:
    from gingham.evaluate import read_predictions

    file = folder.runs / run.run_id / "predictions.csv"
    try:
        with file.open(encoding="utf-8", newline="") as stream:
            return read_predictions(stream)
    except FileNotFoundError:
        raise UnavailableError(f"{file} is gone, so {run.run_id} cannot be compared.") from None
    except UnicodeDecodeError as error:
        problem = f"byte {error.object[error.start]:#04x} is no UTF-8"
    except OSError as error:
        problem = error.strerror or str(error)
    except UsageError as error:
        problem = str(error)
    raise UnavailableError(
        f"{file} cannot be read, so {run.run_id} cannot be compared: {problem}. `gingham runs list` shows the others."
    )


def _differing(a: Mapping[str, Any], b: Mapping[str, Any], prefix: str = "") -> Iterator[tuple[str, tuple[Any, Any]]]:
    """Yield the dotted names at which two nested tables differ, with both values."""
    for name in sorted(a.keys() | b.keys()):
        left, right = a.get(name), b.get(name)
        if isinstance(left, Mapping) and isinstance(right, Mapping):
            yield from _differing(left, right, f"{prefix}{name}.")
        elif left != right:
            yield prefix + name, (left, right)
