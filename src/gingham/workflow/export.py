"""The verb export: a run's model file, written once it is proven to answer as the run was trained to."""

from __future__ import annotations

import os
import tempfile
import time
from functools import partial
from pathlib import Path

from gingham.errors import UnavailableError, UsageError
from gingham.export.parity import check_parity, check_resizing
from gingham.export.probes import refuse_unlike_twins, squares
from gingham.export.reading import read_model
from gingham.export.rebuild import rebuild
from gingham.project import ProjectFolder, write_whole
from gingham.project.files import refuse_unwritable, user_path
from gingham.workflow.history import show
from gingham.workflow.parity import expected_of, probes_of
from gingham.workflow.results import ExportResult
from gingham.workflow.service_leg import ask_service
from gingham.workflow.steps import Progress

__all__ = ["export"]

PRECISIONS = ("f32", "f16")


def export(
    folder: ProjectFolder,
    run: str,
    output: str | os.PathLike[str],
    precision: str,
    with_resize: bool,
    progress: Progress | None,
) -> ExportResult:
    """Write a run's model as one ONNX file.

    It is made from the run's own file, so nothing is trained again. Before it is written, real photos of the run and
    one of them in every guise go through the training path, ONNX Runtime, OpenVINO and a service; see
    :func:`gingham.export.parity.check_parity`.

    Parameters
    ----------
    folder : ProjectFolder
    run : str
        Id of a run, the beginning of one, or ``latest``.
    output : path
        The file to write; relative to the current folder.
    precision : {"f32", "f16"}
        In which the weights are stored.
    with_resize : bool
        Whether the graph takes one picture of any size and resizes it itself.
    progress : callable, optional

    Raises
    ------
    UsageError
        For another precision, a name that does not end in ``.onnx``, or a run's own file.
    UnavailableError
        If there is no such run, it has no model file, or ``output`` cannot be written.
    DataError
        If the ways disagree; nothing is written.
    """
    began = time.perf_counter()
    file = _writable(folder, output)
    if precision not in PRECISIONS:
        raise UsageError(f"There is no precision {precision}. Allowed: {', '.join(PRECISIONS)}.")
    found = show(folder, run)
    if found.record.model is None:
        raise UnavailableError(
            f"The run {found.run_id} did not finish and has no model. `gingham runs list` shows which did."
        )
    report = progress or (lambda _step, _done, _total: None)
    report("export", 0, 4)
    _, model, info = read_model(found.model)
    data = rebuild(model, info, precision=precision, with_resize=with_resize)
    probes, recorded = probes_of(folder, found)
    expected = expected_of(folder, found, probes, recorded, whole=with_resize)
    report("export", 1, 4)
    with tempfile.TemporaryDirectory(prefix="gingham-") as place:
        candidate = Path(place) / "model.onnx"
        candidate.write_bytes(data)
        if with_resize:
            parity = check_resizing(candidate, probes, expected)
        else:
            refuse_unlike_twins(probes, squares(probes, info.recipe))
            parity = check_parity(candidate, probes, expected, partial(ask_service, info=info))
    report("export", 3, 4)
    write_whole(file, data)
    report("export", 4, 4)
    return ExportResult(
        path=file,
        run_id=found.run_id,
        bytes=len(data),
        precision=precision,
        input="image" if with_resize else "images",
        images=len(probes),
        parity=parity,
        seconds={"total": round(time.perf_counter() - began, 3)},
    )


def _writable(folder: ProjectFolder, output: str | os.PathLike[str]) -> Path:
    """Return where to write, after all that could be wrong with it has been looked for."""
    file = user_path(output).absolute()
    if file.suffix != ".onnx":
        raise UsageError(f"The model is written as an .onnx file, not {file.name}. Type: -o model.onnx")
    if file.resolve().is_relative_to(folder.runs.resolve()):
        raise UsageError(f"{file} lies among the runs, which are not changed. Type: -o model.onnx")
    refuse_unwritable(file)
    return file
