"""The feature cache: what was computed once, found again by the image's content.

One folder per key (weights, preprocessing, engine and precision) holds shards, each a safetensors file that appears
whole by one rename: ``contents`` uint8 [n, 16], ``features`` float32 [n, d] and ``checksums`` uint8 [n, 8], one a row.
A row, or a shard, that is damaged is found when it is read, counted, and left out of the next rewriting.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import secrets
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Any

import numpy as np
import numpy.typing as npt

from gingham.project import write_whole
from gingham.project.files import TEMPORARY_SUFFIX, disk_errors

__all__ = ["CacheHits", "FeatureCache", "key_digest"]

Rows = npt.NDArray[np.float32]
Bytes = npt.NDArray[np.uint8]
CacheKey = Mapping[str, str | int | float | bool]

_SUFFIX = ".safetensors"
_CONTENT_BYTES = 16
_CHECKSUM_BYTES = 8
_FLUSH_ROWS = 256
_FLUSH_SECONDS = 5.0
_MERGED_ROWS = 2048
_SMALL_SHARDS = 16


def key_digest(key: CacheKey) -> str:
    """Return the digest by which a cache knows a key."""
    return hashlib.blake2b(json.dumps(dict(key), sort_keys=True).encode(), digest_size=16).hexdigest()


@dataclass(frozen=True, slots=True)
class CacheHits:
    """What the cache had.

    Parameters
    ----------
    found : ndarray of shape (n,), bool
        True where the row was read.
    damaged : int
        Entries that were there but did not agree with their checksum.
    """

    found: npt.NDArray[np.bool_]
    damaged: int


@dataclass(frozen=True, slots=True)
class _Shard:
    path: Path
    rows: int


class _DamagedShardError(Exception):
    """A shard whose contents cannot be trusted as a whole."""


class FeatureCache:
    """Rows of features on disk, by the content of the image.

    Any number of processes may read and write at once: a row is written before it is named, and what changes the
    folder holds a kernel lock. Use as a context manager, so that the last rows are written at the end.

    Parameters
    ----------
    folder : Path
        Holds one sub-folder per key.
    key : mapping of str to str, int, float or bool
        Everything but the image that a row depends on.
    n_features : int
        Length of a row.

    Raises
    ------
    UnavailableError
        From `add`, `flush` and `close`: disk full, read-only folder. Rows written before stay usable.
    """

    def __init__(self, folder: Path, key: CacheKey, n_features: int) -> None:
        canonical = json.dumps(dict(key), sort_keys=True)
        self.key = key_digest(key)
        self.folder = Path(folder) / self.key
        self.n_features = n_features
        self._description = canonical
        self._index: _Index | None = None
        self._damaged: dict[str, _Shard] = {}
        self._pending: dict[str, Rows] = {}
        self._flushed = time.monotonic()
        self._swept = False

    def __enter__(self) -> FeatureCache:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def read(self, contents: Sequence[str], out: Rows) -> CacheHits:
        """Read the rows of some images.

        Parameters
        ----------
        contents : sequence of str
            BLAKE2b-128 of each file, hexadecimal.
        out : ndarray of shape (n, n_features), float32
            Filled where the row is found; elsewhere left as it is.

        Returns
        -------
        CacheHits
        """
        wanted = _as_bytes(contents)
        for _ in range(3):
            found = np.zeros(len(contents), bool)
            damaged_before = self._damaged.copy()
            try:
                return CacheHits(found, self._read(wanted, out, found))
            except FileNotFoundError:  # merged by another process since the folder was listed
                self._index, self._damaged = None, damaged_before
        return CacheHits(np.zeros(len(contents), bool), 0)

    def _read(self, wanted: Bytes, out: Rows, found: npt.NDArray[np.bool_]) -> int:
        if self._index is None:
            self._index = _Index()
            for shard in self._shards():
                try:
                    self._index.add(shard, self._load_contents(shard))
                except _DamagedShardError:
                    self._damaged[shard.path.name] = shard
            damaged = sum(shard.rows for shard in self._damaged.values())
        else:
            damaged = 0
        for shard, places, rows in self._index.find(wanted):
            try:
                contents, features, checksums = self._load(shard)
            except _DamagedShardError:
                self._damaged[shard.path.name] = shard
                damaged += int((~found[places]).sum())
                continue
            for place, row in zip(places, rows, strict=True):
                if found[place]:
                    continue
                if self._checksum(contents[row], features[row]) == checksums[row].tobytes():
                    out[place] = features[row]
                    found[place] = True
                else:
                    damaged += 1
                    self._damaged[shard.path.name] = shard
        return damaged

    def add(self, content: str, row: Rows) -> None:
        """Remember one image's features; written to disk with others, a few seconds later at most.

        Parameters
        ----------
        content : str
            BLAKE2b-128 of the file, hexadecimal.
        row : ndarray of shape (n_features,), float32
        """
        self._pending[content] = np.array(row, np.float32).reshape(self.n_features)
        if len(self._pending) >= _FLUSH_ROWS or time.monotonic() - self._flushed > _FLUSH_SECONDS:
            self.flush()

    def flush(self) -> None:
        """Write what was added, as one shard."""
        self._flushed = time.monotonic()
        if not self._pending:
            return
        contents, features = _as_bytes(list(self._pending)), np.stack(list(self._pending.values()))
        with self._writing():
            self._write(contents, features)
        self._pending.clear()

    def close(self) -> None:
        """Write what was added; merge small shards, and rewrite those in which something was damaged."""
        self.flush()
        small = [shard for shard in self._shards() if shard.rows < _FLUSH_ROWS]
        if self._damaged or len(small) >= _SMALL_SHARDS:
            with self._writing():
                self._merge()

    def _merge(self) -> None:
        shards = self._shards()
        small = [shard for shard in shards if shard.rows < _FLUSH_ROWS]
        old = {shard.path: shard for shard in shards if shard.path.name in self._damaged}
        if len(small) >= _SMALL_SHARDS:
            old |= {shard.path: shard for shard in small}
        waiting: dict[bytes, Rows] = {}
        for shard in old.values():
            for content, row in self._sound_rows(shard):
                waiting[content] = row
                if len(waiting) == _MERGED_ROWS:
                    self._write_rows(waiting)
        self._write_rows(waiting)
        for path in old:
            path.unlink(missing_ok=True)
        self._damaged.clear()
        self._index = None

    def _write_rows(self, rows: dict[bytes, Rows]) -> None:
        if rows:
            contents = np.frombuffer(b"".join(rows), np.uint8).reshape(-1, _CONTENT_BYTES)
            self._write(contents, np.stack(list(rows.values())))
            rows.clear()

    def _sound_rows(self, shard: _Shard) -> Iterator[tuple[bytes, Rows]]:
        try:
            contents, features, checksums = self._load(shard)
        except (_DamagedShardError, FileNotFoundError):
            return
        for content, row, checksum in zip(contents, features, checksums, strict=True):
            if self._checksum(content, row) == checksum.tobytes():
                yield content.tobytes(), row.copy()

    @contextlib.contextmanager
    def _writing(self) -> Iterator[None]:
        """Hold the folder's lock; whoever holds it may remove what a killed process left half-written."""
        from filelock import FileLock

        with disk_errors(self.folder):
            self.folder.mkdir(parents=True, exist_ok=True)
            with FileLock(self.folder / "lock"):
                if not self._swept:
                    for leftover in self.folder.glob(f".*{TEMPORARY_SUFFIX}"):
                        leftover.unlink(missing_ok=True)
                    if not (self.folder / "key.json").exists():
                        write_whole(self.folder / "key.json", self._description)
                    self._swept = True
                yield

    def _write(self, contents: Bytes, features: Rows) -> None:
        from safetensors.numpy import save

        checksums = b"".join(self._checksum(c, f) for c, f in zip(contents, features, strict=True))
        shard: dict[str, npt.NDArray[Any]] = {
            "contents": contents,
            "features": features,
            "checksums": np.frombuffer(checksums, np.uint8).reshape(-1, _CHECKSUM_BYTES),
        }
        metadata = {"contents": hashlib.blake2b(contents.tobytes(), digest_size=16).hexdigest()}
        name = f"{len(contents)}-{secrets.token_hex(8)}{_SUFFIX}"
        write_whole(self.folder / name, save(shard, metadata))
        if self._index is not None:
            self._index.add(_Shard(self.folder / name, len(contents)), contents)

    def _shards(self) -> list[_Shard]:
        shards = []
        for path in sorted(self.folder.glob(f"*{_SUFFIX}")):
            rows = path.name.partition("-")[0]
            if rows.isdecimal():
                shards.append(_Shard(path, int(rows)))
        return shards

    def _load_contents(self, shard: _Shard) -> Bytes:
        contents: Bytes
        (contents,) = self._open(shard, ("contents",))
        return contents

    def _load(self, shard: _Shard) -> tuple[Bytes, Rows, Bytes]:
        contents, features, checksums = self._open(shard, ("contents", "features", "checksums"))
        return contents, features, checksums

    def _open(self, shard: _Shard, names: tuple[str, ...]) -> Any:
        from safetensors import SafetensorError, safe_open

        forms = {
            "contents": ((shard.rows, _CONTENT_BYTES), np.uint8),
            "features": ((shard.rows, self.n_features), np.float32),
            "checksums": ((shard.rows, _CHECKSUM_BYTES), np.uint8),
        }
        try:
            with safe_open(shard.path, framework="np") as file:
                tensors = {name: file.get_tensor(name) for name in ("contents", *names)}
                metadata = file.metadata() or {}
        except FileNotFoundError:
            raise
        except (SafetensorError, OSError, KeyError, ValueError, TypeError) as error:
            raise _DamagedShardError(str(error)) from error
        for name, tensor in tensors.items():
            if (tensor.shape, tensor.dtype) != forms[name]:
                raise _DamagedShardError(f"{name} is {tensor.dtype} {tensor.shape}")
        digest = hashlib.blake2b(tensors["contents"].tobytes(), digest_size=16).hexdigest()
        if metadata.get("contents") != digest:
            raise _DamagedShardError("the list of contents does not agree with its checksum")
        return [tensors[name] for name in names]

    def _checksum(self, content: Bytes, row: Rows) -> bytes:
        """Of one row, its image and the key: a row in the wrong place is as wrong as a wrong row."""
        checksum = hashlib.blake2b(row.tobytes(), digest_size=_CHECKSUM_BYTES, key=bytes.fromhex(self.key))
        checksum.update(content.tobytes())
        return checksum.digest()


class _Index:
    """Which shards hold an image's row: sorted by content, searched by halving."""

    def __init__(self) -> None:
        self._shards: list[_Shard] = []
        self._contents: list[Bytes] = []
        self._sorted: tuple[npt.NDArray[np.bytes_], npt.NDArray[np.intp]] | None = None

    def add(self, shard: _Shard, contents: Bytes) -> None:
        self._shards.append(shard)
        self._contents.append(contents)
        self._sorted = None

    def find(self, wanted: Bytes) -> Iterator[tuple[_Shard, list[int], list[int]]]:
        """Yield each shard that holds something wanted, with the places in ``wanted`` and the rows in the shard."""
        if not self._shards or not len(wanted):
            return
        if self._sorted is None:
            names = _as_names(np.concatenate(self._contents))
            order = np.argsort(names, kind="stable")
            self._sorted = names[order], order
        names, order = self._sorted
        starts = np.cumsum([0, *(len(contents) for contents in self._contents)])
        keys = _as_names(wanted)
        left, right = np.searchsorted(names, keys, "left"), np.searchsorted(names, keys, "right")
        places = np.repeat(np.arange(len(keys)), right - left)
        hits = np.array([order[i] for lo, hi in zip(left, right, strict=True) for i in range(lo, hi)], np.intp)
        owners = np.searchsorted(starts, hits, "right") - 1
        for owner in np.unique(owners):
            mine = owners == owner
            yield self._shards[owner], places[mine].tolist(), (hits[mine] - starts[owner]).tolist()


def _as_bytes(contents: Sequence[str]) -> Bytes:
    return np.frombuffer(bytes.fromhex("".join(contents)), np.uint8).reshape(len(contents), _CONTENT_BYTES)


def _as_names(contents: Bytes) -> npt.NDArray[np.bytes_]:
    return np.ascontiguousarray(contents).view(f"S{_CONTENT_BYTES}").reshape(-1)
