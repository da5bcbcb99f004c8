"""From image files to a matrix of features: decoding beside inference, in bounded memory."""

from __future__ import annotations

import math
import time
from collections import deque
from collections.abc import Callable, Generator, Sequence
from contextlib import closing, nullcontext
from dataclasses import dataclass
from pathlib import Path
from typing import cast

import numpy as np
import numpy.typing as npt

from gingham.errors import ImageError
from gingham.executors import map_ordered, usable_cpus
from gingham.features.backbones import Backbone
from gingham.features.cache import CacheHits, FeatureCache, key_digest
from gingham.features.engines import Engine, open_engine
from gingham.images import network_input, open_bytes, resampler
from gingham.records import InputRecipe, Skipped, SkipReason, content_hash

__all__ = ["FeaturizeResult", "feature_key", "featurize", "featurize_dataset"]

Images = npt.NDArray[np.uint8]
Rows = npt.NDArray[np.float32]
Places = npt.NDArray[np.intp]
Item = tuple[str, str]
Progress = Callable[[int, int], None]

_FORMAT = 2
"""Part of every cache key: raise it when the same image, recipe and engine come to give other features."""
_WINDOW_BYTES = 64 << 20
"""What may wait, decoded, for the network; the threads' own work comes on top."""


@dataclass(frozen=True, slots=True)
class FeaturizeResult:
    """The features of some images.

    Parameters
    ----------
    features : ndarray of shape (n, n_features), float32
        In the order of the images; NaN in the rows of those that were skipped.
    ok : ndarray of shape (n,), bool
        False in the rows of those that were skipped.
    skipped : tuple of Skipped
        Images that could not be read, with the reason.
    from_cache : int
        Images whose features were there already.
    recomputed : int
        Cache entries that were found damaged.
    images_per_second : float or None
        Of the images that were computed, network loading left out; None where there were none.
    engine : str
        Such as ``openvino-bf16``.
    key : str
        Digest of all that the features depend on besides the images.
    """

    features: Rows
    ok: npt.NDArray[np.bool_]
    skipped: tuple[Skipped, ...]
    from_cache: int
    recomputed: int
    images_per_second: float | None
    engine: str
    key: str


def feature_key(engine: Engine, recipe: InputRecipe) -> dict[str, str | int | float | bool]:
    """Return all that a feature row depends on besides the image's content."""
    backbone = engine.backbone
    views: dict[str, str | int | float | bool] = {}
    if backbone.views != "one":
        views = {"views": backbone.views, "view": backbone.view_resolution(recipe.resolution)}
    return views | {
        "format": _FORMAT,
        "backbone": backbone.name,
        "weights": backbone.weights_sha256,
        "engine": engine.name,
        "resolution": recipe.resolution,
        "fit": recipe.fit,
        "crop_fraction": recipe.crop_fraction,
        "interpolation": recipe.interpolation,
        "resampler": resampler(),
    }


def featurize_dataset(
    items: Sequence[Item],
    *,
    root: Path,
    backbone: Backbone,
    recipe: InputRecipe,
    engine: str = "auto",
    precision: str = "auto",
    cache: Path | None = None,
    max_pixels: int | None = None,
    progress: Progress | None = None,
    workers: int | None = None,
) -> FeaturizeResult:
    """Open engine and cache, and `featurize`.

    Parameters
    ----------
    items, root, recipe, max_pixels, progress, workers
        As `featurize`.
    backbone : Backbone
    engine, precision : str
        As `open_engine`.
    cache : Path, optional
        The folder of the feature cache; by default nothing is remembered.

    Returns
    -------
    FeaturizeResult

    Raises
    ------
    ConfigError, UnavailableError
        As `open_engine`; and UnavailableError where the cache cannot be written.
    """
    runner = open_engine(backbone, recipe.resolution, engine, precision)
    with FeatureCache(cache, feature_key(runner, recipe), backbone.n_features) if cache else nullcontext() as store:
        return featurize(
            items,
            recipe,
            runner,
            root=root,
            cache=store,
            max_pixels=max_pixels,
            progress=progress,
            workers=workers,
        )


def featurize(
    items: Sequence[Item],
    recipe: InputRecipe,
    engine: Engine,
    *,
    root: Path,
    cache: FeatureCache | None = None,
    max_pixels: int | None = None,
    progress: Progress | None = None,
    workers: int | None = None,
) -> FeaturizeResult:
    """Compute the features of images, or take them from the cache.

    Files are read and decoded in threads while the network computes; what waits between them is bounded, whatever
    the number of images. Equal files are computed once. If it is interrupted, what was computed is in the cache,
    once that is closed.

    Parameters
    ----------
    items : sequence of (content, path)
        BLAKE2b-128 of the file in hexadecimal; path relative to ``root``. A file that has another content by now is
        skipped.
    recipe : InputRecipe
        How an image becomes the network's input; its resolution is the engine's.
    engine : Engine
    root : Path
        Nothing outside it is read.
    cache : FeatureCache, optional
    max_pixels : int, optional
        An image that claims more is skipped before it is decoded; by default the reader's own limit.
    progress : callable of (done, total), optional
    workers : int, optional
        Decoding threads; by default one per processor.

    Returns
    -------
    FeaturizeResult

    Raises
    ------
    ValueError
        If the recipe's resolution is not the engine's.
    ConfigError, DataError, UnavailableError
        If the network cannot be loaded, or the cache cannot be written.
    """
    if recipe.resolution != engine.resolution:
        raise ValueError(f"the recipe is for {recipe.resolution} pixels, the engine for {engine.resolution}")
    work = _Work(items, recipe, engine, root, cache, max_pixels, progress, workers)
    return work.run()


class _Work:
    """One call of `featurize`."""

    def __init__(
        self,
        items: Sequence[Item],
        recipe: InputRecipe,
        engine: Engine,
        root: Path,
        cache: FeatureCache | None,
        max_pixels: int | None,
        progress: Progress | None,
        workers: int | None,
    ) -> None:
        self.items = items
        self.recipe = recipe
        self.engine = engine
        self.root = root
        self.cache = cache
        self.limits = {} if max_pixels is None else {"max_pixels": max_pixels}
        self.progress = progress or (lambda _done, _total: None)
        self.workers = workers or usable_cpus()
        # Its memory is taken as rows come, not while the network, which needs most when it is loaded, is.
        self.features = np.empty((len(items), engine.backbone.n_features), np.float32)
        self.ok = np.zeros(len(items), bool)
        self.skipped: dict[int, Skipped] = {}

    def run(self) -> FeaturizeResult:
        hits = self._from_cache()
        self.ok |= hits.found
        owners = _owners([content for content, _ in self.items])
        places = np.flatnonzero(~self.ok)
        alone, twins = places[owners[places] == places], places[owners[places] != places]
        seconds = self._compute(alone) if len(alone) else 0.0
        self.features[twins] = self.features[owners[twins]]
        self.ok[twins] = self.ok[owners[twins]]
        orphans = twins[~self.ok[twins]]
        seconds += self._compute(orphans) if len(orphans) else 0.0
        self.features[~self.ok] = np.nan
        self._report()
        return FeaturizeResult(
            features=self.features,
            ok=self.ok,
            skipped=tuple(self.skipped[place] for place in sorted(self.skipped)),
            from_cache=int(hits.found.sum()),
            recomputed=hits.damaged,
            images_per_second=(len(alone) + len(orphans)) / seconds if seconds else None,
            engine=self.engine.name,
            key=key_digest(feature_key(self.engine, self.recipe)),
        )

    def _from_cache(self) -> CacheHits:
        if self.cache is None:
            return CacheHits(np.zeros(len(self.items), bool), 0)
        return self.cache.read([content for content, _ in self.items], self.features)

    def _compute(self, places: Places) -> float:
        """Compute the rows of some places; returns the seconds that it took once the network was loaded."""
        self._report()
        self.engine.load()
        started = time.perf_counter()
        taken: deque[list[int]] = deque()
        with closing(self._batches(places, taken)) as batches, closing(self.engine.features(batches)) as results:
            for rows in results:
                self._keep(taken.popleft(), rows)
        return time.perf_counter() - started

    def _batches(self, places: Places, taken: deque[list[int]]) -> Generator[Images, None, None]:
        size = self.engine.batch_size
        shape = (self.recipe.resolution, self.recipe.resolution, 3)
        window = max(self.workers, min(4 * self.workers + 4 * size, _WINDOW_BYTES // math.prod(shape)))
        batch, filled = np.empty((size, *shape), np.uint8), list[int]()
        decoded = cast(
            "Generator[Images | Skipped, None, None]", map_ordered(self._read, map(int, places), self.workers, window)
        )
        with closing(decoded) as images:
            for place, image in zip(map(int, places), images, strict=True):
                if isinstance(image, Skipped):
                    self.skipped[place] = image
                    continue
                batch[len(filled)] = image
                filled.append(place)
                if len(filled) == size:
                    taken.append(filled)
                    yield batch
                    batch, filled = np.empty((size, *shape), np.uint8), []
        if filled:
            taken.append(filled)
            yield batch[: len(filled)]

    def _read(self, place: int) -> Images | Skipped:
        content, path = self.items[place]
        try:
            data = open_bytes(self.root / path, root=self.root)
            if content_hash(data) != content:
                raise ImageError(SkipReason.VANISHED, "it has changed since it was listed")
            image: Images = network_input(data, self.recipe, **self.limits)
            return image
        except ImageError as error:
            return Skipped(path, error.reason, error.detail)

    def _keep(self, places: list[int], rows: Rows) -> None:
        self.features[places] = rows
        self.ok[places] = True
        if self.cache is not None:
            for place, row in zip(places, rows, strict=True):
                self.cache.add(self.items[place][0], row)
        self._report()

    def _report(self) -> None:
        self.progress(int(self.ok.sum()) + len(self.skipped), len(self.items))


def _owners(contents: Sequence[str]) -> Places:
    """Return, for each image, the place of the first one with the same content.

    >>> _owners(["ab", "cd", "ab"]).tolist()
    [0, 1, 0]
    """
    if not contents:
        return np.empty(0, np.intp)
    _, first, inverse = np.unique(np.array(contents, np.bytes_), return_index=True, return_inverse=True)
    owners: Places = first[inverse]
    return owners
