from __future__ import annotations

import hashlib
import os
import shutil
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gingham.errors import UnavailableError
from gingham.features import FeatureCache
from gingham.features import cache as cache_module

KEY = {"weights": "abc", "resolution": 224, "crop_fraction": 0.875}
WIDTH = 5


def content(number: int) -> str:
    return hashlib.blake2b(str(number).encode(), digest_size=16).hexdigest()


def row(number: int) -> np.ndarray:
    return np.arange(WIDTH, dtype=np.float32) + number


def opened(folder: Path, key: dict[str, str | int | float] = KEY) -> FeatureCache:
    return FeatureCache(folder, key, WIDTH)


def fill(folder: Path, numbers: range, key: dict[str, str | int | float] = KEY) -> None:
    with opened(folder, key) as cache:
        for number in numbers:
            cache.add(content(number), row(number))


def read(folder: Path, numbers: range, key: dict[str, str | int | float] = KEY) -> tuple[set[int], int]:
    """Return the numbers whose rows are there, all checked to be right, and how many were damaged."""
    out = np.full((len(numbers), WIDTH), -1, np.float32)
    hits = opened(folder, key).read([content(number) for number in numbers], out)
    for number, place in zip(numbers, range(len(numbers)), strict=True):
        np.testing.assert_array_equal(out[place], row(number) if hits.found[place] else np.full(WIDTH, -1))
    return {number for number, found in zip(numbers, hits.found, strict=True) if found}, hits.damaged


def shards(folder: Path) -> list[Path]:
    return sorted(folder.glob("*/*.safetensors"))


def test_what_was_added_is_read_in_any_order_and_more_than_once(tmp_path: Path) -> None:
    fill(tmp_path, range(10))
    wanted = [3, 99, 3, 0, 9]
    out = np.zeros((5, WIDTH), np.float32)
    hits = opened(tmp_path).read([content(n) for n in wanted], out)
    assert hits.found.tolist() == [True, False, True, True, True]
    assert hits.damaged == 0
    np.testing.assert_array_equal(out[[0, 2, 3, 4]], [row(3), row(3), row(0), row(9)])
    assert not out[1].any()


def test_an_empty_cache_has_nothing_and_writes_nothing(tmp_path: Path) -> None:
    with opened(tmp_path / "none") as cache:
        assert cache.read([], np.zeros((0, WIDTH), np.float32)).found.size == 0
        assert not cache.read([content(1)], np.zeros((1, WIDTH), np.float32)).found.any()
    assert not (tmp_path / "none").exists()


def test_what_one_cache_object_wrote_it_reads(tmp_path: Path) -> None:
    with opened(tmp_path) as cache:
        assert not cache.read([content(1)], np.zeros((1, WIDTH), np.float32)).found.any()
        cache.add(content(1), row(1))
        cache.flush()
        assert cache.read([content(1)], np.zeros((1, WIDTH), np.float32)).found.all()


@pytest.mark.parametrize(
    "change", [{"weights": "abd"}, {"resolution": 320}, {"crop_fraction": 0.9}, {"engine": "openvino-bf16"}]
)
def test_another_key_has_other_rows(change: dict[str, str | int | float], tmp_path: Path) -> None:
    fill(tmp_path, range(3))
    assert read(tmp_path, range(3), KEY | change) == (set(), 0)
    assert read(tmp_path, range(3), dict(reversed(KEY.items()))) == ({0, 1, 2}, 0)


def flip(position: float):
    def damage(file: Path) -> None:
        data = bytearray(file.read_bytes())
        data[min(int(len(data) * position), len(data) - 1)] ^= 0x10
        file.write_bytes(data)

    return damage


def cut(length: float):
    def damage(file: Path) -> None:
        file.write_bytes(file.read_bytes()[: int(file.stat().st_size * length)])

    return damage


DAMAGES = [
    *(pytest.param(flip(position / 40), id=f"bit_flipped_at_{position}_of_40") for position in range(41)),
    *(pytest.param(cut(length / 5), id=f"cut_to_{length}_of_5") for length in range(5)),
    pytest.param(lambda file: file.write_bytes(b"<html>"), id="something_else"),
    pytest.param(lambda file: file.write_bytes(b"\xff" * 64), id="huge_header"),
]


@pytest.mark.parametrize("damage", DAMAGES)
def test_damage_is_found_counted_and_mended(damage, tmp_path: Path) -> None:
    fill(tmp_path, range(20))
    fill(tmp_path, range(20, 30))
    broken = next(file for file in shards(tmp_path) if file.name.startswith("20-"))
    damage(broken)
    there, damaged = read(tmp_path, range(30))
    assert there >= set(range(20, 30))
    lost = set(range(30)) - there
    # A flip in the padding of the header, or in a field's name that is not used, may be harmless.
    assert bool(lost) == bool(damaged)

    with opened(tmp_path) as cache:
        hits = cache.read([content(n) for n in range(30)], np.zeros((30, WIDTH), np.float32))
        for number in np.flatnonzero(~hits.found):
            cache.add(content(number), row(number))
    assert read(tmp_path, range(30)) == (set(range(30)), 0)


def test_one_flipped_bit_in_a_row_loses_that_row_alone(tmp_path: Path) -> None:
    fill(tmp_path, range(20))
    (shard,) = shards(tmp_path)
    data = shard.read_bytes()
    place = data.index(row(7).tobytes())
    shard.write_bytes(data[:place] + bytes([data[place] ^ 1]) + data[place + 1 :])
    assert read(tmp_path, range(20)) == (set(range(20)) - {7}, 1)


def test_a_shard_from_another_keys_folder_is_not_believed(tmp_path: Path) -> None:
    fill(tmp_path, range(4))
    other = KEY | {"weights": "other"}
    fill(tmp_path, range(10, 11), other)
    (own,) = [file for file in shards(tmp_path) if file.name.startswith("4-")]
    (foreign,) = [file for file in shards(tmp_path) if file.name.startswith("1-")]
    shutil.copy(own, foreign.parent)
    assert read(tmp_path, range(4), other) == (set(), 4)


def test_many_small_shards_become_one(tmp_path: Path) -> None:
    for number in range(40):
        fill(tmp_path, range(number, number + 1))
    assert len(shards(tmp_path)) < cache_module._SMALL_SHARDS
    assert read(tmp_path, range(40)) == (set(range(40)), 0)


def test_the_same_image_in_two_shards_is_read_where_it_is_sound(tmp_path: Path) -> None:
    fill(tmp_path, range(5))
    first = shards(tmp_path)[0]
    fill(tmp_path, range(5))
    for position in (0.75, 0.8, 0.85):
        flip(position)(first)
    assert read(tmp_path, range(5))[0] == set(range(5))


def test_a_reader_survives_a_merge_by_another_process(tmp_path: Path) -> None:
    for number in range(cache_module._SMALL_SHARDS - 1):
        fill(tmp_path, range(number, number + 1))
    reader = opened(tmp_path)
    out = np.zeros((1, WIDTH), np.float32)
    assert reader.read([content(3)], out).found.all()
    fill(tmp_path, range(100, 101))
    assert len(shards(tmp_path)) == 1
    assert reader.read([content(3)], out).found.all()


@pytest.mark.parametrize("name", [".12-abc.safetensors.0a1b2c3d.partial"])
def test_what_a_killed_writer_left_is_swept_by_the_next(name: str, tmp_path: Path) -> None:
    fill(tmp_path, range(1))
    orphan = shards(tmp_path)[0].parent / name
    orphan.write_bytes(b"half of a sh")
    assert read(tmp_path, range(1)) == ({0}, 0)
    assert orphan.exists()
    fill(tmp_path, range(1, 2))
    assert not orphan.exists()


def test_what_another_process_is_writing_is_not_swept(tmp_path: Path) -> None:
    from filelock import FileLock

    fill(tmp_path, range(1))
    unfinished = shards(tmp_path)[0].parent / ".9-abc.safetensors.0a1b2c3d.partial"
    with FileLock(unfinished.parent / "lock"):
        unfinished.write_bytes(b"half of a sh")
        late = threading.Thread(target=fill, args=(tmp_path, range(1, 2)))
        late.start()
        late.join(0.3)
        assert late.is_alive()
        assert unfinished.exists()
        unfinished.unlink()
    late.join()
    assert read(tmp_path, range(2)) == ({0, 1}, 0)


def test_rows_are_on_disk_after_a_few_hundred_or_a_few_seconds(tmp_path: Path, monkeypatch) -> None:
    cache = opened(tmp_path)
    for number in range(cache_module._FLUSH_ROWS + 3):
        cache.add(content(number), row(number))
    assert len(read(tmp_path, range(600))[0]) == cache_module._FLUSH_ROWS
    monkeypatch.setitem(FeatureCache.add.__globals__, "_FLUSH_SECONDS", 0.01)
    time.sleep(0.02)
    cache.add(content(599), row(599))
    assert len(read(tmp_path, range(600))[0]) == cache_module._FLUSH_ROWS + 4


WRITER = """
import hashlib, sys
import numpy as np
from pathlib import Path
from gingham.features import FeatureCache
from gingham.features import cache as module
module._FLUSH_ROWS = 3
start = int(sys.argv[2])
print("begun", flush=True)
for number in range(start, start + int(sys.argv[3])):
    # a new cache each time, so that shards are merged all the while
    with FeatureCache(Path(sys.argv[1]), {"weights": "abc", "resolution": 224, "crop_fraction": 0.875}, 5) as cache:
        name = hashlib.blake2b(str(number).encode(), digest_size=16).hexdigest()
        cache.add(name, np.arange(5, dtype=np.float32) + number)
"""


def test_two_writers_at_once_lose_nothing(tmp_path: Path) -> None:
    writers = [
        subprocess.Popen([sys.executable, "-c", WRITER, str(tmp_path), str(start), "40"], stdout=subprocess.DEVNULL)
        for start in (0, 40)
    ]
    assert [writer.wait() for writer in writers] == [0, 0]
    assert read(tmp_path, range(80)) == (set(range(80)), 0)


@pytest.mark.skipif(os.name == "nt", reason="kill -9")
def test_whenever_a_writer_is_killed_every_row_is_whole_or_absent(tmp_path: Path) -> None:
    random = np.random.default_rng(0)
    for start in range(0, 1000, 200):
        writer = subprocess.Popen(
            [sys.executable, "-c", WRITER, str(tmp_path), str(start), "200"], stdout=subprocess.PIPE
        )
        with writer.stdout:
            writer.stdout.readline()
            time.sleep(random.uniform(0.01, 0.3))
            writer.send_signal(signal.SIGKILL)
        writer.wait()
        there, damaged = read(tmp_path, range(1000))
        assert damaged == 0
        mine = {number for number in there if start <= number < start + 200}
        assert mine == set(range(start, start + len(mine)))
    fill(tmp_path, range(1000, 1001))
    assert not list(tmp_path.rglob("*.partial"))


def test_a_folder_that_cannot_be_written_is_named(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("in the way")
    cache = opened(tmp_path / "file")
    cache.add(content(1), row(1))
    with pytest.raises(UnavailableError, match=f"Cannot write {tmp_path / 'file'}"):
        cache.flush()


@settings(max_examples=30, deadline=None)
@given(
    batches=st.lists(st.lists(st.integers(0, 30), max_size=12), max_size=6),
    wanted=st.lists(st.integers(0, 35), max_size=20),
)
def test_it_is_a_dictionary(tmp_path_factory, batches: list[list[int]], wanted: list[int]) -> None:
    folder = tmp_path_factory.mktemp("cache")
    for batch in batches:
        with opened(folder) as cache:
            for number in batch:
                cache.add(content(number), row(number))
    out = np.zeros((len(wanted), WIDTH), np.float32)
    hits = opened(folder).read([content(n) for n in wanted], out)
    known = {number for batch in batches for number in batch}
    assert hits.found.tolist() == [number in known for number in wanted]
    for place, number in enumerate(wanted):
        if number in known:
            np.testing.assert_array_equal(out[place], row(number))
    shutil.rmtree(folder)
