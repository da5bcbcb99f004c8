"""Answer from a model file: images in, labels and probabilities out."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Sequence
from contextlib import closing
from functools import cached_property
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from gingham.errors import DataError, ImageError, UsageError
from gingham.executors import map_ordered, usable_cpus
from gingham.export.image_paths import GivenImages, content_of, given_images, name_of
from gingham.export.prediction import Prediction
from gingham.export.reading import read_model
from gingham.export.runtime import Outputs, Runtime
from gingham.images import network_input
from gingham.records import content_hash, display_path

if TYPE_CHECKING:
    from gingham.export.explanation import Explainer, Explanation

__all__ = ["Predictor", "load"]

CHUNK = 8
Progress = Callable[[int, int], None]


class Predictor:
    """A model file, ready to predict. Threads may share it.

    Parameters
    ----------
    path : str or path
    precision : {"auto", "bf16", "f32"}
        What the processor computes in; ``auto``: as in training, or f32 where it has no bf16.

    Raises
    ------
    UnavailableError
        If there is no such file, or it cannot be read.
    DataError
        If it is no model of Gingham's, or damaged.
    """

    def __init__(self, path: str | os.PathLike[str], precision: str = "auto") -> None:
        self.path = Path(path)
        data, _, self.info = read_model(self.path)
        try:
            self._runtime = Runtime(data, self.info, precision)
        except DataError as error:
            raise DataError(f"{display_path(str(self.path))} cannot be used. {error}") from error
        self.digest = content_hash(data)

    @property
    def labels(self) -> tuple[str, ...]:
        """The class names, in the order of the probabilities."""
        return self.info.labels

    @property
    def precision(self) -> str:
        """What the processor computes in: bf16 or f32."""
        return self._runtime.precision

    def __repr__(self) -> str:
        return f"Predictor({str(self.path)!r}, labels={list(self.labels)})"

    def predict(
        self,
        images: GivenImages,
        *,
        features: bool = False,
        progress: Progress | None = None,
    ) -> list[Prediction]:
        """Predict the class of every image file; one that cannot be read costs only its own answer.

        Parameters
        ----------
        images : path or bytes, or iterable of such
            Bytes are what is in an image file; their answers have an empty ``path``. One is answered by a list of one.
        features : bool
            Whether the answers carry the features too.
        progress : callable of (done, total), optional

        Returns
        -------
        list of Prediction
            In the order of ``images``.

        Raises
        ------
        UsageError
            For anything else, such as pictures that are open already.
        """
        size = self.info.resolution
        given = given_images(images, f"; uint8 arrays of shape (n, {size}, {size}, 3) go to predict_proba")
        names = [name_of(image) for image in given]
        answers: list[Prediction] = []
        for chunk in self._chunks(given):
            answers += self._answer(names[len(answers) : len(answers) + len(chunk)], chunk, features)
            if progress is not None:
                progress(len(answers), len(given))
        return answers

    def explain(self, images: GivenImages, label: str | None = None) -> Iterator[Explanation]:
        """Say where in each image the evidence for a class lies; what cannot be read is passed over.

        Parameters
        ----------
        images : path or bytes, or iterable of such
        label : str, optional
            The class; by default that which the model answers.

        Yields
        ------
        Explanation

        Raises
        ------
        UsageError
            If the network's features are not the mean of a map, or there is no such class.
        """
        explainer = self._explainer
        given = given_images(images, "")
        squares = (square for chunk in self._chunks(given) for square in chunk)
        with closing(squares):
            for name, square in zip(map(name_of, given), squares, strict=True):
                if not isinstance(square, ImageError):
                    chances = self.predict_proba(square[None])[0]
                    best = self.labels[int(chances.argmax())] if label is None else label
                    yield explainer.explain(name, square, best, chances)

    @cached_property
    def _explainer(self) -> Explainer:
        from gingham.export.explanation import Explainer

        _, model, info = read_model(self.path)
        return Explainer(model, info)

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
        return self.run(inputs).probabilities

    def run(self, inputs: NDArray[np.uint8]) -> Outputs:
        """Return all that the network says of inputs that are already square.

        Parameters
        ----------
        inputs : ndarray of uint8, shape (n, resolution, resolution, 3)

        Raises
        ------
        UsageError
            For another dtype or shape.
        """
        size = self.info.resolution
        inputs = np.asarray(inputs)
        if inputs.dtype != np.uint8 or inputs.ndim != 4 or inputs.shape[1:] != (size, size, 3):
            raise UsageError(
                f"The network takes uint8 of shape (n, {size}, {size}, 3), not {inputs.dtype} of shape"
                f" {inputs.shape}. Give image files to predict: it makes such squares of them."
            )
        return self._runtime.run(inputs)

    def predictions(self, names: Sequence[str], outputs: Outputs, *, features: bool = False) -> list[Prediction]:
        """Put what the network says of some images into words.

        Parameters
        ----------
        names : sequence of str
            What each answer bears as its ``path``.
        outputs : Outputs
            Of as many images.
        features : bool
            Whether the answers carry the features too.
        """
        limit = self.info.outlier_limit
        answers = []
        for row, name in enumerate(names):
            probabilities = outputs.probabilities[row]
            best = int(probabilities.argmax())
            distance = None if outputs.distances is None or limit is None else max(0.0, float(outputs.distances[row]))
            answers.append(
                Prediction(
                    path=name,
                    label=self.labels[best],
                    probability=float(probabilities[best]),
                    probabilities=dict(zip(self.labels, probabilities.tolist(), strict=True)),
                    sure=self.info.threshold is not None and float(probabilities[best]) >= self.info.threshold,
                    outlier_score=None if distance is None or limit is None else distance / (distance + limit),
                    is_outlier=distance is not None and limit is not None and distance > limit,
                    features=tuple(outputs.features[row].tolist()) if features else None,
                )
            )
        return answers

    def _chunks(self, given: Sequence[str | bytes]) -> Iterator[list[NDArray[np.uint8] | ImageError]]:
        """Yield what is read of the files, a few at a time; reading goes on meanwhile in threads."""
        workers = usable_cpus()
        with closing(map_ordered(self._input, given, workers, max(workers, 2 * CHUNK))) as read:
            while chunk := list(islice(read, CHUNK)):
                yield chunk

    def _input(self, image: str | bytes) -> NDArray[np.uint8] | ImageError:
        try:
            square: NDArray[np.uint8] = network_input(content_of(image), self.info.recipe)
        except ImageError as error:
            return error
        return square

    def _answer(
        self, names: Sequence[str], inputs: Sequence[NDArray[np.uint8] | ImageError], features: bool
    ) -> list[Prediction]:
        good = [name for name, given in zip(names, inputs, strict=True) if not isinstance(given, ImageError)]
        squares = [given for given in inputs if not isinstance(given, ImageError)]
        found = iter(self.predictions(good, self._runtime.run(np.stack(squares)), features=features) if good else ())
        return [
            Prediction.failed(name, given) if isinstance(given, ImageError) else next(found)
            for name, given in zip(names, inputs, strict=True)
        ]


def load(path: str | os.PathLike[str], precision: str = "auto") -> Predictor:
    """Load a model file; see :class:`Predictor`.

    Raises
    ------
    UnavailableError
        If there is no such file, or it cannot be read.
    DataError
        If it is no model of Gingham's, or damaged.
    """
    return Predictor(path, precision)
