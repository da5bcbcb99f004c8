"""The linear head: what maps features to scores and to calibrated probabilities, and how it is kept on disk."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from gingham.errors import DataError
from gingham.records import display_path

__all__ = ["LinearHead", "fit_head"]

Floats = NDArray[np.float64]
ARRAYS = ("coef", "intercept", "calibration_offsets", "centres")


@dataclass(frozen=True)
class LinearHead:
    """A linear classifier on features, with its calibration.

    Parameters
    ----------
    classes : tuple of str
    coef : float64 array of shape (n_classes, n_features)
    intercept : float64 array of shape (n_classes,)
    normalize : bool
        Whether features are scaled to unit length first.
    calibration_scale : float
    calibration_offsets : float64 array of shape (n_classes,)
        Probabilities are softmax(scale * scores + offsets).
    c : float or None
        The chosen C; None of the last layer of a network.
    cv_accuracy : mapping of float to float
        Mean accuracy on training images that were held out, for each C that was tried.
    threshold, coverage : float or None
        The probability below which the answer is "not sure", and the share of training images above it, out of fold;
        None where the wanted precision cannot be reached.
    centres : float32 array of shape (n_classes, n_features)
        Directions of the classes; see :func:`gingham.classifiers.outliers.class_centres`.
    outlier_limit : float
        Images farther from every centre than this are outliers.
    held_out_accuracy : float or None
        On training images that were held out: by cross-validation, or as the validation part; None without such.
    """

    classes: tuple[str, ...]
    coef: Floats
    intercept: Floats
    normalize: bool
    calibration_scale: float
    calibration_offsets: Floats
    c: float | None
    cv_accuracy: Mapping[float, float]
    threshold: float | None
    coverage: float | None
    centres: NDArray[np.float32]
    outlier_limit: float
    held_out_accuracy: float | None = None

    def scores(self, features: NDArray[np.floating[Any]]) -> Floats:
        """Return the decision value of every class.

        Parameters
        ----------
        features : float array of shape (n, n_features)

        Returns
        -------
        float64 array of shape (n, n_classes)
        """
        scores = features @ self.coef.T.astype(features.dtype)
        if self.normalize:
            length = np.linalg.norm(features, axis=1, keepdims=True)
            scores = scores / np.where(length == 0, 1, length)
        return np.asarray(scores + self.intercept, dtype=np.float64)

    def probabilities(self, features: NDArray[np.floating[Any]]) -> Floats:
        """Return the calibrated probability of every class.

        Parameters
        ----------
        features : float array of shape (n, n_features)

        Returns
        -------
        float64 array of shape (n, n_classes)
        """
        logits = self.calibration_scale * self.scores(features) + self.calibration_offsets
        logits -= logits.max(axis=1, keepdims=True)
        exponentials = np.exp(logits)
        return np.asarray(exponentials / exponentials.sum(axis=1, keepdims=True))

    def distances(self, features: NDArray[np.floating[Any]]) -> NDArray[np.float32]:
        """Return how far from the nearest class each image lies.

        Parameters
        ----------
        features : float array of shape (n, n_features)

        Returns
        -------
        float32 array of shape (n,)
        """
        from gingham.classifiers.outliers import outlier_distances

        return outlier_distances(features, self.centres)

    def to_bytes(self) -> bytes:
        """Write the head as safetensors."""
        from safetensors.numpy import save

        about = {
            "classes": [name.encode("utf-8", "surrogateescape").hex() for name in self.classes],
            "normalize": self.normalize,
            "calibration_scale": self.calibration_scale,
            "c": self.c,
            "cv_accuracy": list(self.cv_accuracy.items()),
            "threshold": self.threshold,
            "coverage": self.coverage,
            "outlier_limit": self.outlier_limit,
            "held_out_accuracy": self.held_out_accuracy,
        }
        arrays = {name: getattr(self, name) for name in ARRAYS}
        # One entry, because safetensors writes several in any order: the same head is the same bytes.
        text = json.dumps({**about, "checksum": _checksum(about, arrays)})
        return save({name: np.ascontiguousarray(array) for name, array in arrays.items()}, {"head": text})

    @classmethod
    def read(cls, file: Path) -> LinearHead | None:
        """Read what ``to_bytes`` wrote; None if there is no such file or it is damaged."""
        from safetensors import SafetensorError, safe_open

        try:
            with safe_open(file, framework="numpy") as tensors:
                about = json.loads(tensors.metadata()["head"])
                arrays = {name: tensors.get_tensor(name) for name in tensors.keys()}  # noqa: SIM118
        except (OSError, SafetensorError, ValueError, KeyError, TypeError):
            return None
        if not isinstance(about, dict) or about.pop("checksum", None) != _checksum(about, arrays):
            return None
        if arrays.keys() != set(ARRAYS):  # whole, but written by an earlier Gingham
            return None
        classes = tuple(bytes.fromhex(name).decode("utf-8", "surrogateescape") for name in about.pop("classes"))
        return cls(classes=classes, cv_accuracy=dict(about.pop("cv_accuracy")), **about, **arrays)


def _checksum(about: Mapping[str, Any], arrays: Mapping[str, NDArray[Any]]) -> str:
    digest = hashlib.blake2b(json.dumps(about).encode(), digest_size=16)
    for name in sorted(arrays):
        digest.update(f"{name} {arrays[name].shape} {arrays[name].dtype}".encode())
        digest.update(arrays[name].tobytes())
    return digest.hexdigest()


def fit_head(
    features: NDArray[np.float32],
    labels: NDArray[np.int64],
    groups: NDArray[np.int64],
    *,
    classes: Sequence[str],
    c_grid: Sequence[float],
    folds: int,
    class_weight: str,
    normalize: bool,
    wanted_precision: float,
    seed: int,
    progress: Callable[[int, int], None] | None = None,
) -> LinearHead:
    """Search C by cross-validation, fit on all training images, calibrate on the out-of-fold scores.

    The limit of what is an outlier comes from the same folds.

    Parameters
    ----------
    features : float32 array of shape (n, n_features)
    labels : int64 array of shape (n,)
        Positions in ``classes``; every class must occur.
    groups : int64 array of shape (n,)
        Images of one group stay in one fold.
    wanted_precision : float
        Of the answers that are not "not sure".
    progress : callable of (done, total), optional

    Returns
    -------
    LinearHead

    Raises
    ------
    DataError
        If a class has no training image, or a feature is not finite.
    """
    from gingham.classifiers.abstention import abstention_threshold
    from gingham.classifiers.outliers import class_centres, outlier_limit
    from gingham.classifiers.svm_search import LinearSVMSearch

    # The search numbers the classes that it sees: one that is missing would give its name to the next.
    missing = np.setdiff1d(np.arange(len(classes)), labels)
    if len(missing):
        names = ", ".join(display_path(classes[k]) for k in missing)
        raise DataError(
            f"No training image is left of the class {names}. Add images to it, or remove its folder, and run again."
        )
    search = LinearSVMSearch(
        c_grid=tuple(c_grid),
        folds=folds,
        class_weight=None if class_weight == "none" else class_weight,
        normalize=normalize,
        random_state=seed,
        progress=progress,
    ).fit(features, labels, groups)
    calibration = search.calibration_
    threshold, coverage = abstention_threshold(calibration.apply(search.oof_scores_), labels, wanted_precision)
    coef = two_sided(search.coef_.T).T
    return LinearHead(
        classes=tuple(classes),
        coef=np.asarray(coef, dtype=np.float64),
        intercept=np.asarray(two_sided(search.intercept_[None])[0], dtype=np.float64),
        normalize=normalize,
        calibration_scale=calibration.scale,
        calibration_offsets=calibration.offsets,
        c=float(search.c_),
        cv_accuracy={float(c): float(accuracy) for c, accuracy in search.cv_accuracy_.items()},
        threshold=threshold,
        coverage=coverage,
        centres=class_centres(features, labels, len(classes)),
        outlier_limit=outlier_limit(features, labels, search.fold_),
        held_out_accuracy=float(search.cv_accuracy_[search.c_]),
    )


def two_sided(columns: NDArray[Any]) -> NDArray[Any]:
    """Give the first of two classes the negated column of the second, where there is only that one.

    >>> two_sided(np.array([[0.5], [-2.0]]))
    array([[-0.5,  0.5], [ 2. , -2. ]])
    """
    columns = columns[:, None] if columns.ndim == 1 else columns
    return np.hstack([-columns, columns]) if columns.shape[1] == 1 else columns
