"""Tensors out of a ``.pth`` checkpoint, without torch and without what makes pickle dangerous.

A checkpoint is a pickle program that names tensors, and beside it their raw bytes: in a zip archive since torch 1.6,
before that as five pickles in a row followed by the storages. The program is run by an unpickler that can build
dictionaries, tuples, strings, numbers and arrays and reach nothing else: see ``docs/decisions/engine.md``.
"""

from __future__ import annotations

import io
import math
import pickle
import struct
import zipfile
import zlib
from collections import OrderedDict
from collections.abc import Callable
from typing import Any, BinaryIO

import numpy as np
import numpy.typing as npt

from gingham.errors import DataError

__all__ = ["read_checkpoint"]

Array = npt.NDArray[Any]

_LEGACY_MAGIC = 0x1950A86A20F9469CFC6C
_LEGACY_PROTOCOL = 1001
_LARGEST = 1 << 48  # numbers in a tensor: sizes and strides in bytes stay within 64 bits
_STORAGES: dict[str, np.dtype[Any]] = {
    "FloatStorage": np.dtype("<f4"),
    "DoubleStorage": np.dtype("<f8"),
    "HalfStorage": np.dtype("<f2"),
    "LongStorage": np.dtype("<i8"),
    "IntStorage": np.dtype("<i4"),
    "ByteStorage": np.dtype("u1"),
    "BoolStorage": np.dtype("?"),
}


def read_checkpoint(data: bytes) -> dict[str, Array]:
    """Read the tensors of a ``torch.save(state_dict)`` file, in their order.

    Parameters
    ----------
    data : bytes
        The whole file, zipped or legacy.

    Returns
    -------
    dict of str to ndarray
        Read-only views where the file's layout allows.

    Raises
    ------
    DataError
        If the file is neither format, is cut short, or its program asks for anything but tensors.
    """
    try:
        return _tensors(_read_zipped(data) if data[:2] == b"PK" else _read_legacy(data))
    except DataError:
        raise
    # RuntimeError: an encrypted archive, a compression that Python does not know, nesting without end
    except (pickle.UnpicklingError, zipfile.BadZipFile, zlib.error, EOFError, ValueError, KeyError, IndexError,
            TypeError, AttributeError, OverflowError, MemoryError, RuntimeError, struct.error) as error:  # fmt: skip
        raise DataError(f"The checkpoint cannot be read: {type(error).__name__}: {error}") from error


def _tensors(state: Any) -> dict[str, Array]:
    if not isinstance(state, dict):
        raise DataError(f"The checkpoint holds a {type(state).__name__}, not a dictionary of tensors.")
    for wrapper in ("state_dict", "model"):
        if isinstance(state.get(wrapper), dict):
            state = state[wrapper]
    tensors = {str(name): value for name, value in state.items() if isinstance(value, _Tensor)}
    if not tensors:
        raise DataError("The checkpoint holds no tensors.")
    try:
        return {name: tensor.array() for name, tensor in tensors.items()}
    except (ValueError, TypeError, IndexError) as error:
        raise DataError(f"The checkpoint is cut short or damaged: {error}.") from error


class _Storage:
    """A named run of numbers, whose bytes may come later in the file."""

    def __init__(self, dtype: np.dtype[Any], count: int) -> None:
        self.dtype = dtype
        self.count = count
        self.values: Array | None = None

    def fill(self, data: bytes | memoryview) -> None:
        self.values = np.frombuffer(data, self.dtype, count=self.count)


class _Tensor:
    """A strided window on a storage."""

    def __init__(self, storage: _Storage, offset: int, shape: tuple[int, ...], stride: tuple[int, ...]) -> None:
        if not isinstance(storage, _Storage) or len(shape) != len(stride):
            raise pickle.UnpicklingError("a tensor without a storage, or with a stride that is not its shape's")
        self.storage, self.offset, self.shape, self.stride = storage, offset, shape, stride

    def array(self) -> Array:
        values = self.storage.values
        if values is None:
            raise ValueError("a storage is missing")
        if min((*self.shape, *self.stride, self.offset), default=0) < 0:
            raise ValueError("a tensor with a negative size, stride or offset")
        if max((*self.shape, *self.stride, self.offset), default=0) > _LARGEST:
            raise ValueError("a tensor with a size, stride or offset that no memory can hold")
        last = self.offset + sum((n - 1) * s for n, s in zip(self.shape, self.stride, strict=True))
        if math.prod(self.shape) and last >= values.size:
            raise ValueError("a tensor reaches beyond its storage")
        stride = tuple(s * values.itemsize for s in self.stride)
        return np.lib.stride_tricks.as_strided(values[self.offset :], self.shape, stride, writeable=False)


def _rebuild_tensor(
    storage: _Storage, offset: int, shape: tuple[int, ...], stride: tuple[int, ...], *_unused: object
) -> _Tensor:
    return _Tensor(storage, offset, shape, stride)


class _TensorUnpickler(pickle.Unpickler):
    """Runs a checkpoint's program with nothing in reach but tensors and plain containers."""

    def __init__(self, file: BinaryIO, storage: Callable[[tuple[Any, ...]], _Storage]) -> None:
        super().__init__(file)
        self._storage = storage

    def find_class(self, module: str, name: str) -> Any:
        if (module, name) == ("collections", "OrderedDict"):
            return OrderedDict
        if (module, name) == ("torch._utils", "_rebuild_tensor_v2"):
            return _rebuild_tensor
        if module == "torch" and name in _STORAGES:
            return _STORAGES[name]
        raise pickle.UnpicklingError(f"{module}.{name} is not allowed in a checkpoint")

    def persistent_load(self, pid: Any) -> _Storage:
        if not isinstance(pid, tuple) or len(pid) < 5 or pid[0] != "storage" or not isinstance(pid[1], np.dtype):
            raise pickle.UnpicklingError("a reference that is not a storage")
        return self._storage(pid)


def _read_legacy(data: bytes) -> Any:
    file = io.BytesIO(data)
    storages: dict[str, _Storage] = {}

    def named(pid: tuple[Any, ...]) -> _Storage:
        _, dtype, key, _, count, *_ = pid
        return storages.setdefault(str(key), _Storage(dtype, int(count)))

    def run() -> Any:
        return _TensorUnpickler(file, named).load()

    if data[:1] != b"\x80" or run() != _LEGACY_MAGIC or run() != _LEGACY_PROTOCOL:
        raise DataError("This is no checkpoint of torch.save: neither a zip archive nor the older format.")
    run()  # the sizes of C types on the machine that wrote it
    state = run()
    whole = memoryview(data)
    for key in run():
        storage = storages[str(key)]
        (count,) = struct.unpack("<q", file.read(8))
        if count != storage.count:
            raise DataError(f"The checkpoint is damaged: a storage of {count} numbers, {storage.count} announced.")
        size = count * storage.dtype.itemsize
        start = file.tell()
        storage.fill(whole[start : start + size])
        file.seek(start + size)
    return state


def _read_zipped(data: bytes) -> Any:
    with zipfile.ZipFile(io.BytesIO(data)) as archive:
        program = next((name for name in archive.namelist() if name.endswith("/data.pkl")), None)
        if program is None:
            raise DataError("This is no checkpoint of torch.save: the archive has no data.pkl.")
        folder = program.removesuffix("data.pkl")
        storages: dict[str, _Storage] = {}

        def named(pid: tuple[Any, ...]) -> _Storage:
            _, dtype, key, _, count, *_ = pid
            if key not in storages:
                storages[key] = _Storage(dtype, int(count))
                storages[key].fill(archive.read(f"{folder}data/{key}"))
            return storages[key]

        return _TensorUnpickler(io.BytesIO(archive.read(program)), named).load()
