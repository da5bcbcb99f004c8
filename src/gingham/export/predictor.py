"""Answer from a model file: images in, labels and probabilities out."""

from __future__ import annotations

import os
import threading
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from gingham.errors import DataError, ImageError, UnavailableError, UsageError
from gingham.export.checks import refuse_data_elsewhere, refuse_other_shapes
from gingham.export.model_file import ModelInfo
from gingham.images import network_input, open_bytes
from gingham.records import SkipReason, display_path

__all__ = ["Prediction", "Predictor", "load"]

BATCH = 8


@dataclass(frozen=True)
class Prediction:
    """What the model says of one image.

    Parameters
    ----------
    path : str
        As it was given.
    label : str or None
        The most probable class; None where the image could not be read.
    probability : float or None
        Of that class.
    probabilities : dict of str to float
        Of every class, in the order of the model's labels.
    sure : bool
        Whether the probability reaches the threshold that the wanted precision needs; False where no threshold reaches
        that precision.
    error : str or None
        Why the image could not be read: the reason code, then the reason in words.
    """

    path: str
    label: str | None = None
    probability: float | None = None
    probabilities: dict[str, float] | None = None
    sure: bool = False
    error: str | None = None


class Predictor:
    """A model file, ready to predict. Threads may share it.

    Parameters
    ----------
    path : str or path

    Raises
    ------
    UnavailableError
        If there is no such file, or it cannot be read.
    DataError
        If it is no model of Gingham's, or damaged.
    """

    def __init__(self, path: str | os.PathLike[str]) -> None:
        self.path = Path(path)
        model, self.info = _read(self.path)
        self._request = _compile(model, self.info, self.path)
        # One request at a time: it uses every processor already.
        self._busy = threading.Lock()

    @property
    def labels(self) -> tuple[str, ...]:
        """The class names, in the order of the probabilities."""
        return self.info.labels

    def __repr__(self) -> str:
        return f"Predictor({str(self.path)!r}, labels={list(self.labels)})"

    def predict(self, images: str | os.PathLike[str] | Iterable[str | os.PathLike[str]]) -> list[Prediction]:
        """Predict the class of every image file; one that cannot be read costs only its own answer.

        Parameters
        ----------
        images : path, or iterable of paths
            One path is answered by a list of one.

        Returns
        -------
        list of Prediction
            In the order of ``images``.

        Raises
        ------
        UsageError
            For anything but paths, such as pictures that are open already.
        """
        paths = self._paths(images)
        answers: list[Prediction] = []
        for start in range(0, len(paths), BATCH):
            answers += self._predict_batch(paths[start : start + BATCH])
        return answers

    def predict_proba(self, inputs: NDArray[np.uint8]) -> NDArray[np.float32]:
        """Return the probabilities for inputs that are already square.

        Parameters
        ----------
        inputs : ndarray of uint8, shape (n, resolution, resolution, 3)

        Returns
        -------
        ndarray of float32, shape (n, n_classes)

        Raises
        ------
        UsageError
            For another dtype or shape.
        """
        size = self.info.resolution
        inputs = np.asarray(inputs)
        if inputs.dtype != np.uint8 or inputs.ndim != 4 or inputs.shape[1:] != (size, size, 3):
            raise UsageError(
                f"predict_proba takes uint8 of shape (n, {size}, {size}, 3), not {inputs.dtype} of shape"
                f" {inputs.shape}. Give image files to predict: it makes such squares of them."
            )
        blocks = []
        for start in range(0, len(inputs), BATCH):
            block = inputs[start : start + BATCH]
            padded = np.zeros((BATCH, *block.shape[1:]), np.uint8)
            padded[: len(block)] = block
            with self._busy:
                result = self._request.infer({"images": padded})
                blocks.append(np.array(result["probabilities"][: len(block)]))
        return np.concatenate(blocks) if blocks else np.empty((0, len(self.labels)), np.float32)

    def _paths(self, images: Any) -> list[str]:
        """Return one path or many as a list of text."""
        if isinstance(images, str | os.PathLike):
            images = [images]
        try:
            images = list(images)
        except TypeError:
            images = [images]
        for image in images:
            if not isinstance(image, str | os.PathLike):
                size = self.info.resolution
                raise UsageError(
                    f"predict takes paths of image files, one or many, not {type(image).__name__}: for example"
                    f' predict(["a.jpg", "b.png"]). Save a picture to a file first; uint8 arrays of shape'
                    f" (n, {size}, {size}, 3) go to predict_proba."
                )
        return [os.fsdecode(image) for image in images]

    def _predict_batch(self, paths: Sequence[str]) -> list[Prediction]:
        answers: list[Prediction | None] = []
        inputs = []
        for path in paths:
            try:
                inputs.append(network_input(open_bytes(path), self.info.recipe))
                answers.append(None)
            except ImageError as error:
                answers.append(Prediction(path, error=_in_words(error)))
        if inputs:
            rows = iter(self.predict_proba(np.stack(inputs)))
        return [self._prediction(path, next(rows)) if a is None else a for path, a in zip(paths, answers, strict=True)]

    def _prediction(self, path: str, probabilities: NDArray[np.float32]) -> Prediction:
        best = int(probabilities.argmax())
        threshold = self.info.threshold
        return Prediction(
            path=path,
            label=self.labels[best],
            probability=float(probabilities[best]),
            probabilities={label: float(p) for label, p in zip(self.labels, probabilities, strict=True)},
            sure=threshold is not None and float(probabilities[best]) >= threshold,
        )


def load(path: str | os.PathLike[str]) -> Predictor:
    """Load a model file.

    Raises
    ------
    UnavailableError
        If there is no such file, or it cannot be read.
    DataError
        If it is no model of Gingham's, or damaged.
    """
    return Predictor(path)


def _in_words(error: ImageError) -> str:
    # Unlike in a folder that was listed a moment ago, the path was never there for all we know.
    detail = "there is no such file" if error.reason is SkipReason.VANISHED else error.detail
    return f"{error.reason.value}: {detail}".rstrip(": ")


def _read(path: Path) -> tuple[bytes, ModelInfo]:
    import onnx
    from google.protobuf.message import DecodeError

    try:
        data = path.read_bytes()
    except FileNotFoundError:
        raise UnavailableError(f"There is no model file {display_path(str(path))}. `gingham run` writes one.") from None
    except OSError as error:
        raise UnavailableError(f"{display_path(str(path))} cannot be read: {error.strerror}.") from error
    try:
        model = onnx.load_model_from_string(data)
    except DecodeError as error:
        raise DataError(f"{display_path(str(path))} is not an ONNX file, or is damaged.") from error
    try:
        info = ModelInfo.of(model)
        refuse_data_elsewhere(model)
    except DataError as error:
        raise _named(error, path) from error
    return data, info


def _compile(model: bytes, info: ModelInfo, path: Path) -> Any:
    import openvino

    core = openvino.Core()

    try:
        compiled = core.compile_model(core.read_model(model), "CPU", {"PERFORMANCE_HINT": "LATENCY"})
    except RuntimeError as error:
        raise DataError(f"{display_path(str(path))} cannot be run: {str(error).strip().splitlines()[-1]}") from error
    try:
        refuse_other_shapes(compiled, info, BATCH)
    except DataError as error:
        raise _named(error, path) from error
    return compiled.create_infer_request()


def _named(error: DataError, path: Path) -> DataError:
    return DataError(f"{display_path(str(path))} cannot be used. {error}")
