"""Where a training gets its images from: as activations that were computed before, or as pixels, decoded on the way."""

from __future__ import annotations

import hashlib
import io
from abc import ABC, abstractmethod
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from contextlib import closing
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from gingham.errors import ImageError, UnavailableError
from gingham.executors import map_ordered, usable_cpus
from gingham.features import Engine
from gingham.images import open_bytes
from gingham.project.files import disk_errors, whole_file
from gingham.records import SkipReason, content_hash
from gingham.refine.views import ViewMaker

__all__ = ["ActivationSource", "Files", "PixelSource", "Source"]

Rows = NDArray[np.intp]
Report = Callable[[int, int], None]
Item = tuple[str, str]


class Files:
    """The images of a dataset, read as views.

    Parameters
    ----------
    items : sequence of (content, path)
        As for :func:`gingham.features.featurize`.
    root : Path
        Nothing outside it is read.
    maker : ViewMaker
    """

    def __init__(self, items: Sequence[Item], root: Path, maker: ViewMaker) -> None:
        self.items = items
        self.root = root
        self.maker = maker

    def read(self, row: int, view: int | None) -> NDArray[np.uint8] | None:
        """Return a view of an image, or what is tested of it (None); nothing where it is gone or another by now."""
        content, path = self.items[row]
        try:
            data = open_bytes(self.root / path, root=self.root)
            if content_hash(data) != content:
                raise ImageError(SkipReason.VANISHED, "it has changed since it was listed")
            return self.maker.plain(data) if view is None else self.maker(data, content, view)
        except ImageError:
            return None

    def batches(
        self, rows: Rows, view: int | None, size: int, processes: int = 1
    ) -> Iterator[tuple[NDArray[np.uint8], list[int]]]:
        """Yield uint8 (n, S, S, 3) and the positions among ``rows``, decoded in threads while the caller computes.

        ``processes`` is how many do so at once, and share the processors.
        """
        workers = max(1, usable_cpus() // processes)
        side = self.maker.recipe.resolution
        decoded = map_ordered(lambda row: self.read(int(row), view), rows, workers, 2 * workers + 2 * size)
        batch, places = np.empty((size, side, side, 3), np.uint8), list[int]()
        with closing(decoded) as images:
            for place, image in enumerate(images):
                if image is None:
                    continue
                batch[len(places)] = image
                places.append(place)
                if len(places) == size:
                    yield batch, places
                    batch, places = np.empty((size, side, side, 3), np.uint8), []
        if places:
            yield batch[: len(places)], places


class Source(ABC):
    """Gives a training its batches; the same view, rows and size give the same batches."""

    @abstractmethod
    def prepare(self, view: int | None, report: Report) -> None:
        """Do before an epoch, or a test, what would otherwise be done in it."""

    @abstractmethod
    def batches(self, view: int | None, rows: Rows, size: int) -> Iterator[tuple[Tensor, Rows]]:
        """Yield inputs of the trained part, and whose they are; images that are gone are left out.

        Parameters
        ----------
        view : int or None
            None: what is seen in testing.
        rows : intp array of shape (n,)
            Positions among the files.
        size : int
        """

    def close(self) -> None:  # noqa: B027  (most have nothing to remove)
        """Remove what should not be kept."""


class PixelSource(Source):
    """Pixels, uint8 (N, 3, S, S) channels-last, decoded in threads.

    Parameters
    ----------
    files : Files
    processes : int
        How many read their shares at once.
    """

    def __init__(self, files: Files, processes: int = 1) -> None:
        self._files = files
        self._processes = processes

    def prepare(self, view: int | None, report: Report) -> None:
        """Nothing; see `Source.prepare`."""

    def batches(self, view: int | None, rows: Rows, size: int) -> Iterator[tuple[Tensor, Rows]]:
        """Decode; see `Source.batches`."""
        for images, places in self._files.batches(rows, view, size, self._processes):
            yield torch.from_numpy(images).permute(0, 3, 1, 2), rows[places]


class ActivationSource(Source):
    """What the fixed part of the network makes of the images, computed once for each view and kept on disk.

    A view's file holds float16 of shape (n, …), NaN for an image that is gone; its name carries the checksum, so a
    damaged one is computed again.

    Parameters
    ----------
    files : Files
    engine : Engine or None
        Runs the fixed part; None: another process does, and this one only reads.
    shape : tuple of int
        Of one image's activations; (H, W, C) of maps.
    folder : Path
        For the activations of this network and these rows.
    limit : float
        Bytes that the folder may take; a view beyond it is kept for its epoch only.
    varied, plain : intp array
        The files of which there are views, and those that are tested.
    """

    def __init__(
        self,
        files: Files,
        engine: Engine | None,
        shape: tuple[int, ...],
        folder: Path,
        limit: float,
        varied: Rows,
        plain: Rows,
    ) -> None:
        self._files = files
        self._engine = engine
        self._shape = shape
        self._folder = folder
        self._limit = limit
        self._rows = {True: varied, False: plain}
        self._open: dict[bool, tuple[int | None, NDArray[np.float16], Rows]] = {}
        self._passing: list[Path] = []

    def prepare(self, view: int | None, report: Report) -> None:
        """Compute a view, if that has not been done yet; see `Source.prepare`."""
        varied = view is not None
        if varied in self._open and self._open[varied][0] == view:
            return
        self._open.pop(varied, None)
        if varied:
            self.close()
        name = "plain" if view is None else f"view{view}"
        file = self._sound(name)
        if file is None:
            taken = sum(other.stat().st_size for other in self._folder.glob("*.npy"))
            file = self._compute(name, view, self._rows[varied], report)
            if varied and taken + file.stat().st_size > self._limit:
                self._passing.append(file)
        place = np.full(len(self._files.items), -1)
        place[self._rows[varied]] = np.arange(len(self._rows[varied]))
        self._open[varied] = (view, np.load(file, mmap_mode="r"), place)

    def batches(self, view: int | None, rows: Rows, size: int) -> Iterator[tuple[Tensor, Rows]]:
        """Read what `prepare` computed; see `Source.batches`."""
        _, activations, place = self._open[view is not None]
        there = rows[~np.isnan(activations.reshape(len(activations), -1)[place[rows], 0])]
        for start in range(0, len(there), size):
            part = there[start : start + size]
            batch = torch.from_numpy(activations[place[part]]).float()
            yield batch.permute(0, 3, 1, 2) if batch.ndim == 4 else batch, part

    def close(self) -> None:
        """Remove what was kept for an epoch only; see `Source.close`."""
        while self._passing:
            self._passing.pop().unlink(missing_ok=True)

    def _sound(self, name: str) -> Path | None:
        """Return the file of a view; one that is damaged is removed."""
        for file in self._folder.glob(f"{name}-*.npy"):
            with file.open("rb") as stream:
                digest = hashlib.file_digest(stream, _hasher).hexdigest()
            if file.stem == f"{name}-{digest}":
                return file
            file.unlink(missing_ok=True)
        return None

    def _compute(self, name: str, view: int | None, rows: Rows, report: Report) -> Path:
        engine = self._engine
        if engine is None:
            raise UnavailableError(f"{self._folder} does not hold {name} any more. Run the same command again.")
        report(0, len(rows))
        blank = np.full(self._shape, np.nan, np.float16).tobytes()
        digest = _hasher()
        whole = self._folder / f"{name}.npy"
        done = 0
        taken: deque[list[int]] = deque()

        def images() -> Iterator[NDArray[np.uint8]]:
            for batch, places in self._files.batches(rows, view, engine.batch_size):
                taken.append(places)
                yield batch

        with whole_file(whole) as stream:

            def write(data: bytes) -> None:
                stream.write(data)
                digest.update(data)

            write(_header((len(rows), *self._shape)))
            with closing(engine.features(images())) as results:
                for result in results:
                    limited = np.clip(result, -_LARGEST, _LARGEST).astype(np.float16)
                    for row, place in zip(limited, taken.popleft(), strict=True):
                        write(blank * (place - done) + row.tobytes())
                        done = place + 1
                    report(done, len(rows))
            write(blank * (len(rows) - done))
        with disk_errors(whole):
            return whole.rename(self._folder / f"{name}-{digest.hexdigest()}.npy")


_LARGEST = float(np.finfo(np.float16).max)


def _hasher() -> Any:
    return hashlib.blake2b(digest_size=16)


def _header(shape: tuple[int, ...]) -> bytes:
    stream = io.BytesIO()
    np.lib.format.write_array_header_2_0(stream, {"descr": "<f2", "fortran_order": False, "shape": shape})
    return stream.getvalue()
