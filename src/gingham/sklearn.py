"""Gingham's parts as scikit-learn estimators: they go into a ``Pipeline``, ``clone`` and ``GridSearchCV``."""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from sklearn.base import BaseEstimator, TransformerMixin
from sklearn.utils.validation import check_is_fitted

from gingham.classifiers.svm_search import LinearSVMSearch
from gingham.errors import DataError, ImageError, UsageError
from gingham.records import Fit, SkipReason, Views, content_hash, display_path

__all__ = ["ImageFeaturizer", "LinearSVMSearch"]


class ImageFeaturizer(TransformerMixin, BaseEstimator):  # type: ignore[misc]
    """Turn paths of images into the features of a pretrained network.

    Parameters
    ----------
    backbone : str
        ``efficientnet_lite0``, ``_lite1``, ``_lite2``, or any timm name; joined by ``+``, several see more together.
    resolution : int
        Side of the network's input in pixels; divisible by 32.
    views : {"one", "flip", "crops", "crops-and-flips"}
        Over which the features are averaged; see :func:`gingham.records.views_of`.
    fit_images : {"crop", "squash"}
        Whether the centre of an image is seen, or the whole image, made square.
    weights : str or path, optional
        A local weights file.
    engine : {"auto", "openvino", "torch", "onnxruntime"}
    precision : {"auto", "bf16", "f32"}
    cache : str or path, optional
        A folder that remembers features by image content.

    Attributes
    ----------
    n_features_out_ : int
    """

    def __init__(
        self,
        backbone: str = "efficientnet_lite0",
        resolution: int = 224,
        views: Views = "one",
        fit_images: Fit = "crop",
        weights: str | os.PathLike[str] | None = None,
        engine: str = "auto",
        precision: str = "auto",
        cache: str | os.PathLike[str] | None = None,
    ) -> None:
        self.backbone = backbone
        self.resolution = resolution
        self.views = views
        self.fit_images = fit_images
        self.weights = weights
        self.engine = engine
        self.precision = precision
        self.cache = cache

    def fit(self, X: Sequence[str | os.PathLike[str]], y: Any = None) -> ImageFeaturizer:  # noqa: ARG002  (as every estimator)
        """Find the backbone; nothing is learned from the images.

        Raises
        ------
        ConfigError, UnavailableError
            If there is no such backbone, or its weights are not here.
        """
        from gingham.features import load_composed

        self.backbone_ = load_composed(
            self.backbone,
            Path(self.weights) if self.weights else None,
            self.resolution,
            self.views,
            directory=Path(self.cache) / "backbones" if self.cache else None,
        )
        self.n_features_out_ = self.backbone_.n_features
        return self

    def transform(self, X: Sequence[str | os.PathLike[str]]) -> NDArray[np.float32]:
        """Compute the features of images.

        Parameters
        ----------
        X : sequence of paths, length n

        Returns
        -------
        float32 array of shape (n, n_features)

        Raises
        ------
        UsageError
            If ``X`` is no list of paths.
        DataError
            If an image cannot be read: a row cannot be left out here.
        """
        from gingham.features import featurize_dataset

        check_is_fitted(self)
        if isinstance(X, str | os.PathLike) or not all(isinstance(path, str | os.PathLike) for path in X):
            raise UsageError("ImageFeaturizer takes a list of paths, such as ['cat/1.jpg', 'dog/2.jpg'].")
        paths = [str(Path(path).absolute()) for path in X]
        result = featurize_dataset(
            [(_content(path), path) for path in paths],
            root=Path("/"),
            backbone=self.backbone_,
            recipe=self.backbone_.recipe(self.resolution, self.fit_images),
            engine=self.engine,
            precision=self.precision,
            cache=Path(self.cache) / "features" if self.cache else None,
        )
        if result.skipped:
            first = result.skipped[0]
            raise _unusable(first.path, first.reason)
        return result.features

    def get_feature_names_out(self, input_features: Any = None) -> NDArray[np.object_]:  # noqa: ARG002
        """Return the names of the columns: backbone and number."""
        check_is_fitted(self)
        return np.array([f"{self.backbone}_{i}" for i in range(self.n_features_out_)], dtype=object)

    def __sklearn_tags__(self) -> Any:
        tags = super().__sklearn_tags__()
        tags.input_tags.two_d_array = False
        tags.input_tags.string = True
        tags.requires_fit = True
        return tags


def _content(path: str) -> str:
    from gingham.images import open_bytes

    try:
        return content_hash(open_bytes(path))
    except ImageError as error:
        raise _unusable(path, error.reason) from error


def _unusable(path: str, reason: SkipReason) -> DataError:
    return DataError(f"{display_path(path)} cannot be used: {reason}. Leave it out and try again.")
