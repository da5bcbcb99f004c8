"""Measures of the images of a dataset, remembered by their content."""

from __future__ import annotations

import struct
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import astuple, dataclass
from typing import TYPE_CHECKING

import numpy as np

from gingham.curate.measures import SIDE, Measures, measure
from gingham.curate.quality import Issue, image_issues
from gingham.errors import ImageError
from gingham.executors import map_ordered, usable_cpus
from gingham.images import decode, open_bytes
from gingham.records import ImageFile

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from gingham.workflow.image_steps import ImageSteps

__all__ = ["Measured", "measure_all", "sharpness_of"]

RULES = "1"
"""Raise it when decoding or measuring changes: everything is then measured again."""

NUMBERS = struct.Struct("<7f")
UNKNOWN = Measures(0, 0.5, 1, 0.5, 0.5, 1, 1)
"""Of an image that has gone since it was listed: nothing is wrong with it."""
TOGETHER = 1000


@dataclass(frozen=True)
class Measured:
    """Measures of files, in their order.

    Parameters
    ----------
    files : sequence of ImageFile, length n
    measures : sequence of Measures, length n
    sizes : int64 array of shape (n,)
        Of the files, in bytes.
    """

    files: Sequence[ImageFile]
    measures: Sequence[Measures]
    sizes: NDArray[np.int64]

    def issues(self) -> dict[str, Issue]:
        """Return what may be wrong with how the images look."""
        widths = np.array([file.width for file in self.files])
        heights = np.array([file.height for file in self.files])
        return dict(image_issues(self.measures, widths, heights))

    def sharpness_of(self, files: Sequence[ImageFile]) -> list[float]:
        """Return how sharp some of the images are."""
        known = {file.content: each.sharpness for file, each in zip(self.files, self.measures, strict=True)}
        return [known[file.content] for file in files]

    def properties(self, rows: Iterable[int]) -> Mapping[str, NDArray[np.float64] | list[str]]:
        """Return what should say nothing of the class, of some of the images, by name."""
        places = list(rows)
        files = [self.files[place] for place in places]
        measures = [self.measures[place] for place in places]
        width = np.array([file.width for file in files], np.float64)
        height = np.array([file.height for file in files], np.float64)
        return {
            "width": width,
            "height": height,
            "area": width * height,
            "aspect ratio": width / height,
            "file size": self.sizes[places].astype(np.float64),
            "file type": [file.format for file in files],
            "brightness": np.array([each.brightness for each in measures]),
            "saturation": np.array([each.saturation for each in measures]),
            "sharpness": np.array([each.sharpness for each in measures]),
        }


def measure_all(steps: ImageSteps, files: Sequence[ImageFile]) -> Measured:
    """Measure the images that were not measured before."""
    with steps.timed("measure"), steps.folder.index() as index:
        known = {content: Measures(*NUMBERS.unpack(blob)) for content, blob in index.measures(RULES).items()}
        missing = list({file.content: file for file in files if file.content not in known}.values())
        report = steps.progress("measure")
        pending: dict[str, bytes] = {}
        max_pixels = steps.config.preprocess.max_pixels
        look = _Look(steps, max_pixels)
        for done, (file, measured) in enumerate(
            zip(missing, map_ordered(look, missing, usable_cpus()), strict=True), 1
        ):
            if measured is not None:
                known[file.content] = measured
                pending[file.content] = NUMBERS.pack(*astuple(measured))
            if len(pending) >= TOGETHER or done == len(missing):
                index.update_measures(RULES, pending)
                pending = {}
            if report:
                report(done, len(missing))
        steps.index_warnings += [index.warning] if index.warning else []
    sizes = np.array([_size(steps, file) for file in files], np.int64)
    return Measured(files, [known.get(file.content, UNKNOWN) for file in files], sizes)


def sharpness_of(steps: ImageSteps, files: Sequence[ImageFile]) -> list[float]:
    """Return how sharp some images are; those that cannot be read any more not at all."""
    look = _Look(steps, steps.config.preprocess.max_pixels)
    return [measured.sharpness if (measured := look(file)) else -1.0 for file in files]


class _Look:
    """Measures one image after another; None of one that cannot be read any more."""

    def __init__(self, steps: ImageSteps, max_pixels: int) -> None:
        self._root = steps.root
        self._max_pixels = max_pixels

    def __call__(self, file: ImageFile) -> Measures | None:
        try:
            data = open_bytes(self._root / file.path, root=self._root)
            image = decode(data, min_side=SIDE, max_pixels=self._max_pixels)
        except ImageError:
            return None
        return measure(image.rgb, box=image.box)


def _size(steps: ImageSteps, file: ImageFile) -> int:
    try:
        return (steps.root / file.path).stat().st_size
    except OSError:
        return 0
