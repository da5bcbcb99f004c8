"""Memory in which a decoding process leaves pixels and the server finds them, so that they are not copied twice."""

from __future__ import annotations

import contextlib
import fcntl
import mmap
import os
import sys
import tempfile
from typing import BinaryIO

import numpy as np
from numpy.typing import NDArray

__all__ = ["SharedPixels", "new_file"]


def new_file() -> BinaryIO:
    """Return a file without a name, in memory where that can be had; it goes when the last one closes it."""
    if sys.platform == "linux":
        with contextlib.suppress(OSError):  # forbidden here
            file = os.fdopen(os.memfd_create("gingham-pixels", os.MFD_ALLOW_SEALING), "w+b", buffering=0)
            fcntl.fcntl(file, fcntl.F_ADD_SEALS, fcntl.F_SEAL_SHRINK)  # reading past its end would end the server
            return file
    return tempfile.TemporaryFile(buffering=0)


class SharedPixels:
    """One square of pixels in a file that two processes have open.

    Parameters
    ----------
    descriptor : int
        Of the file.
    """

    def __init__(self, descriptor: int) -> None:
        self._descriptor = descriptor
        self._memory: mmap.mmap | None = None

    def square(self, resolution: int) -> NDArray[np.uint8]:
        """Return the place of the pixels, after enlarging it where it is too small.

        Returns
        -------
        uint8 array of shape (resolution, resolution, 3)
            A view of what the two share.

        Raises
        ------
        OSError
            If there is no memory for it.
        """
        size = 3 * resolution**2
        if self._memory is None or len(self._memory) < size:
            if os.fstat(self._descriptor).st_size < size:
                os.ftruncate(self._descriptor, size)
            self._memory = mmap.mmap(self._descriptor, size)
        return np.frombuffer(self._memory, np.uint8, size).reshape(resolution, resolution, 3)
