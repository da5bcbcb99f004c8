"""What every engine has in common: it loads late, checks its input and pads the last batch."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections import deque
from collections.abc import Generator, Iterable, Iterator
from contextlib import closing

import numpy as np
import numpy.typing as npt

from gingham.features.backbones import Backbone, check_resolution

__all__ = ["Engine", "Images", "Rows"]

Images = npt.NDArray[np.uint8]
Rows = npt.NDArray[np.float32]


class Engine(ABC):
    """Maps batches of images to features; the network is loaded when the first batch comes.

    Every batch is run at one fixed size, the last one padded with black images. So an image's features do not depend
    on how many other images there are, and a run that was killed and resumed ends with the very same matrix.

    Parameters
    ----------
    backbone : Backbone
    resolution : int
        Side of the input in pixels.
    name : str
        Engine, device where it is not the CPU, and precision, such as ``openvino-bf16``; part of the cache key.
    precision : {"bf16", "f32"}
    batch_size : int
    """

    def __init__(self, backbone: Backbone, resolution: int, name: str, precision: str, batch_size: int) -> None:
        check_resolution(resolution)
        self.backbone = backbone
        self.resolution = resolution
        self.name = name
        self.precision = precision
        self.batch_size = batch_size

    @abstractmethod
    def load(self) -> None:
        """Load the network, if that has not been done yet."""

    @abstractmethod
    def _run(self, batches: Iterator[Images]) -> Generator[Rows, None, None]:
        """Map full batches to features, in order."""

    def features(self, batches: Iterable[Images]) -> Generator[Rows, None, None]:
        """Map batches of images to features, in order, reading ahead while the network computes.

        Parameters
        ----------
        batches : iterable of ndarray of shape (n, resolution, resolution, 3), uint8
            RGB; ``n`` from 1 to ``batch_size``. An array that was handed over must not be changed.

        Yields
        ------
        ndarray of shape (n, n_features), float32

        Raises
        ------
        ValueError
            If a batch has another shape or type.
        """
        self.load()
        sizes: deque[int] = deque()

        def full() -> Iterator[Images]:
            for batch in batches:
                sizes.append(len(batch))
                yield self._fill(batch)

        with closing(self._run(full())) as results:
            for rows in results:
                yield rows[: sizes.popleft()]

    def _fill(self, batch: Images) -> Images:
        n, *shape = batch.shape
        if shape != [self.resolution] * 2 + [3] or not 0 < n <= self.batch_size or batch.dtype != np.uint8:
            raise ValueError(
                f"a batch is uint8 of shape (1..{self.batch_size}, {self.resolution}, {self.resolution}, 3), "
                f"not {batch.dtype} of shape {batch.shape}"
            )
        if n == self.batch_size:
            return batch
        padded = np.zeros((self.batch_size, *shape), np.uint8)
        padded[:n] = batch
        return padded
