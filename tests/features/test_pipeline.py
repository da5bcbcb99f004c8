from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path

import numpy as np
import pytest

from gingham.errors import UnavailableError
from gingham.features import (
    FeatureCache,
    FeaturizeResult,
    feature_key,
    featurize,
    featurize_dataset,
    load_backbone,
    open_engine,
)
from gingham.images import network_input
from gingham.records import SkipReason, content_hash

SIDE = 96
Items = list[tuple[str, str]]


@pytest.fixture(scope="module")
def engine():
    return open_engine(load_backbone("efficientnet_lite0"), SIDE, "openvino", "f32")


@pytest.fixture(scope="module")
def recipe(engine):
    return engine.backbone.recipe(SIDE)


def run(items: Items, root: Path, engine, recipe, cache: Path | None = None, **options: object) -> FeaturizeResult:
    if cache is None:
        return featurize(items, recipe, engine, root=root, **options)
    with FeatureCache(cache, feature_key(engine, recipe), engine.backbone.n_features) as store:
        return featurize(items, recipe, engine, root=root, cache=store, **options)


def one_by_one(items: Items, root: Path, engine, recipe) -> np.ndarray:
    images = [network_input((root / path).read_bytes(), recipe) for _, path in items]
    return np.concatenate([rows for image in images for rows in engine.features([image[None]])])


def test_rows_come_in_the_order_of_the_images(make_images, engine, recipe) -> None:
    items, root = make_images(21)
    result = run(items, root, engine, recipe)
    assert result.features.shape == (21, 1280)
    assert result.features.dtype == np.float32
    np.testing.assert_array_equal(result.features, one_by_one(items, root, engine, recipe))
    assert result.ok.all()
    assert (result.skipped, result.from_cache, result.recomputed) == ((), 0, 0)
    assert result.engine == "openvino-f32"
    assert result.images_per_second > 0


@pytest.mark.parametrize("count", [0, 1, 8, 9])
def test_any_number_of_images(count: int, make_images, engine, recipe, tmp_path: Path) -> None:
    items, root = make_images(count)
    result = run(items, root, engine, recipe, tmp_path / "cache")
    assert result.features.shape == (count, 1280)
    assert (result.images_per_second is None) == (count == 0)


@pytest.mark.parametrize("workers", [1, 2, 7])
def test_the_number_of_threads_changes_nothing(workers: int, make_images, engine, recipe) -> None:
    items, root = make_images(19)
    expected = one_by_one(items, root, engine, recipe)
    np.testing.assert_array_equal(run(items, root, engine, recipe, workers=workers).features, expected)


def test_a_new_image_costs_only_itself(make_images, engine, recipe, tmp_path: Path) -> None:
    items, root = make_images(12)
    first = run(items[:10], root, engine, recipe, tmp_path / "cache")
    seen: list[str] = []
    second = run([*reversed(items)], root, engine, recipe, tmp_path / "cache", progress=lambda d, t: seen.append(d))
    assert second.from_cache == 10
    assert seen[0] == 10
    np.testing.assert_array_equal(second.features[2:], first.features[::-1])
    third = run(items, root, engine, recipe, tmp_path / "cache")
    assert third.from_cache == 12
    assert third.images_per_second is None
    np.testing.assert_array_equal(third.features, second.features[::-1])
    assert third.key == first.key


def test_a_moved_image_is_the_same_image(make_images, engine, recipe, tmp_path: Path) -> None:
    items, root = make_images(3)
    first = run(items, root, engine, recipe, tmp_path / "cache")
    (root / "sub").mkdir()
    (root / items[0][1]).rename(root / "sub" / "renamed.jpg")
    moved = [(items[0][0], "sub/renamed.jpg"), *items[1:]]
    second = run(moved, root, engine, recipe, tmp_path / "cache")
    assert second.from_cache == 3
    np.testing.assert_array_equal(second.features, first.features)


def test_equal_files_are_computed_once(make_images, engine, recipe) -> None:
    items, root = make_images(2)
    for number in range(5):
        (root / f"copy{number}.jpg").write_bytes((root / items[0][1]).read_bytes())
    copies = [(items[0][0], f"copy{number}.jpg") for number in range(5)]
    result = run([*items, *copies], root, engine, recipe)
    assert result.ok.all()
    for copy in range(2, 7):
        np.testing.assert_array_equal(result.features[copy], result.features[0])


def test_a_copy_stands_in_for_a_file_that_vanished(make_images, engine, recipe) -> None:
    items, root = make_images(2)
    (root / "copy.jpg").write_bytes((root / items[0][1]).read_bytes())
    expected = one_by_one(items, root, engine, recipe)
    (root / items[0][1]).unlink()
    result = run([*items, (items[0][0], "copy.jpg")], root, engine, recipe)
    assert result.ok.tolist() == [False, True, True]
    assert [(s.path, s.reason) for s in result.skipped] == [(items[0][1], SkipReason.VANISHED)]
    np.testing.assert_array_equal(result.features[2], expected[0])


def not_an_image(file: Path) -> None:
    file.write_bytes(b"<html>Not found</html>")


def truncated(file: Path) -> None:
    file.write_bytes(file.read_bytes()[: file.stat().st_size // 2])


@pytest.mark.parametrize(
    ("damage", "reason"),
    [
        pytest.param(not_an_image, SkipReason.NOT_AN_IMAGE, id="not_an_image"),
        pytest.param(truncated, SkipReason.TRUNCATED, id="truncated"),
        pytest.param(lambda file: file.write_bytes(b""), SkipReason.EMPTY, id="empty"),
    ],
)
def test_a_bad_image_is_skipped_and_the_rest_is_done(damage, reason: SkipReason, make_images, engine, recipe) -> None:
    items, root = make_images(20)
    expected = one_by_one(items, root, engine, recipe)
    for number in (0, 7, 19):
        file = root / items[number][1]
        damage(file)
        items[number] = (content_hash(file.read_bytes()), items[number][1])
    progress: list[tuple[int, int]] = []
    result = run(items, root, engine, recipe, progress=lambda *numbers: progress.append(numbers))
    assert {skip.path for skip in result.skipped} == {items[n][1] for n in (0, 7, 19)}
    assert {skip.reason for skip in result.skipped} == {reason}
    assert np.flatnonzero(~result.ok).tolist() == [0, 7, 19]
    assert np.isnan(result.features[~result.ok]).all()
    np.testing.assert_array_equal(result.features[result.ok], expected[result.ok])
    assert progress[-1] == (20, 20)
    assert progress == sorted(progress)


def test_all_images_may_be_bad(make_images, engine, recipe, tmp_path: Path) -> None:
    items, root = make_images(3)
    for _, path in items:
        (root / path).unlink()
    result = run(items, root, engine, recipe, tmp_path / "cache")
    assert not result.ok.any()
    assert len(result.skipped) == 3


def test_a_file_that_changed_since_it_was_listed_does_not_poison_the_cache(
    make_images, engine, recipe, tmp_path: Path
) -> None:
    items, root = make_images(2)
    original = (root / items[0][1]).read_bytes()
    (root / items[0][1]).write_bytes((root / items[1][1]).read_bytes())
    result = run(items, root, engine, recipe, tmp_path / "cache")
    assert [(skip.reason, "changed" in skip.detail) for skip in result.skipped] == [(SkipReason.VANISHED, True)]
    (root / items[0][1]).write_bytes(original)
    again = run(items, root, engine, recipe, tmp_path / "cache")
    assert again.from_cache == 1
    np.testing.assert_array_equal(again.features, one_by_one(items, root, engine, recipe))


def test_a_link_out_of_the_folder_is_skipped(make_images, engine, recipe) -> None:
    items, root = make_images(1)
    (root / "inside").mkdir()
    (root / "inside" / "link.jpg").symlink_to(root / items[0][1])
    result = run([(items[0][0], "link.jpg")], root / "inside", engine, recipe)
    assert [skip.reason for skip in result.skipped] == [SkipReason.OUTSIDE_ROOT]


def test_an_image_that_is_too_large_for_the_limit_is_skipped(make_images, engine, recipe) -> None:
    items, root = make_images(1)
    result = run(items, root, engine, recipe, max_pixels=1000)
    assert [skip.reason for skip in result.skipped] == [SkipReason.TOO_LARGE]


def test_damaged_entries_are_recomputed_and_counted(make_images, engine, recipe, tmp_path: Path) -> None:
    items, root = make_images(10)
    first = run(items, root, engine, recipe, tmp_path / "cache")
    (shard,) = (tmp_path / "cache").rglob("*.safetensors")
    data = shard.read_bytes()
    place = data.index(first.features[4].tobytes())
    shard.write_bytes(data[: place + 100] + bytes([data[place + 100] ^ 1]) + data[place + 101 :])
    second = run(items, root, engine, recipe, tmp_path / "cache")
    assert (second.from_cache, second.recomputed) == (9, 1)
    np.testing.assert_array_equal(second.features, first.features)
    third = run(items, root, engine, recipe, tmp_path / "cache")
    assert (third.from_cache, third.recomputed) == (10, 0)


@pytest.mark.parametrize(
    "change",
    [
        pytest.param({"resolution": 128}, id="resolution"),
        pytest.param({"fit": "squash"}, id="fit"),
        pytest.param({"precision": "bf16"}, id="precision"),
        pytest.param({"engine": "onnxruntime"}, id="engine"),
        pytest.param({"name": "efficientnet_lite1"}, id="backbone"),
    ],
)
def test_what_changes_the_features_changes_the_key(change: dict[str, object], engine, recipe) -> None:
    choice = {"resolution": SIDE, "fit": "crop", "precision": "f32", "engine": "openvino", "name": "efficientnet_lite0"}
    choice |= change
    if choice["precision"] == "bf16":
        choice["engine"] = "torch"
        pytest.importorskip("torch")
    backbone = load_backbone(choice["name"])
    other = open_engine(backbone, choice["resolution"], choice["engine"], choice["precision"])
    assert feature_key(other, backbone.recipe(choice["resolution"], choice["fit"])) != feature_key(engine, recipe)


def test_the_recipe_must_be_the_engines(engine) -> None:
    with pytest.raises(ValueError, match="for 128 pixels, the engine for 96"):
        featurize([], engine.backbone.recipe(128), engine, root=Path())


def test_what_waits_to_be_computed_is_bounded(make_images, engine, recipe, monkeypatch) -> None:
    items, root = make_images(200)
    begun, lock = [], threading.Lock()
    original = network_input

    def counted(data: bytes, *arguments: object) -> np.ndarray:
        with lock:
            begun.append(1)
        return original(data, *arguments)

    monkeypatch.setitem(featurize.__globals__, "network_input", counted)
    ahead: list[int] = []
    run(items, root, engine, recipe, workers=2, progress=lambda done, _: ahead.append(len(begun) - done))
    # Waiting: 4 a thread and 4 batches; then one being filled, and one in each request of the engine.
    assert max(ahead) <= 4 * 2 + (4 + 2 + (os.cpu_count() or 1)) * engine.batch_size
    assert len(begun) == 200


class BrokenError(Exception):
    """Not one that is expected."""


def test_an_unexpected_error_in_a_thread_surfaces_and_finished_rows_are_kept(
    make_images, engine, recipe, tmp_path: Path, monkeypatch
) -> None:
    items, root = make_images(100)
    original, broken = network_input, (root / items[90][1]).read_bytes()

    def failing(data: bytes, *arguments: object) -> np.ndarray:
        if data == broken:
            raise BrokenError
        return original(data, *arguments)

    monkeypatch.setitem(featurize.__globals__, "network_input", failing)
    with pytest.raises(BrokenError):
        run(items, root, engine, recipe, tmp_path / "cache")
    monkeypatch.undo()
    assert not [thread for thread in threading.enumerate() if thread.name.startswith("gingham")]
    again = run(items, root, engine, recipe, tmp_path / "cache")
    assert again.from_cache >= 40
    np.testing.assert_array_equal(again.features, one_by_one(items, root, engine, recipe))


def test_a_cache_that_cannot_be_written_stops_the_work_with_a_sentence(
    make_images, engine, recipe, tmp_path: Path
) -> None:
    items, root = make_images(3)
    (tmp_path / "file").write_text("in the way")
    with pytest.raises(UnavailableError, match="Cannot write"):
        run(items, root, engine, recipe, tmp_path / "file")


WORK = """
import json, sys
from pathlib import Path
from gingham.features import cache, featurize_dataset, load_backbone
cache._FLUSH_ROWS = 16
folder = Path(sys.argv[1])
backbone = load_backbone("efficientnet_lite0")
featurize_dataset(
    json.loads((folder / "items.json").read_text()),
    root=folder / "images", backbone=backbone, recipe=backbone.recipe(96), engine="openvino", precision="f32",
    cache=folder / "cache", progress=lambda done, total: print(done, flush=True),
)
"""


def start_and_stop(folder: Path, after: int, how: signal.Signals) -> int:
    """Begin to featurize in a process of its own; stop it when so many images are done; return its status."""
    worker = subprocess.Popen(
        [sys.executable, "-c", WORK, str(folder)], stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True
    )
    with worker.stdout:
        for line in worker.stdout:
            if int(line) >= after:
                worker.send_signal(how)
                break
        began = time.monotonic()
        status = worker.wait()
    assert time.monotonic() - began < 10
    return status


@pytest.mark.skipif(os.name == "nt", reason="signals")
@pytest.mark.parametrize("how", [signal.SIGKILL, signal.SIGINT])
def test_interrupted_and_run_again_the_matrix_is_that_of_an_undisturbed_run(
    how: signal.Signals, make_images, engine, recipe, tmp_path: Path
) -> None:
    items, root = make_images(150)
    (tmp_path / "items.json").write_text(json.dumps(items))
    for after in (20, 60, 100):
        assert start_and_stop(tmp_path, after, how) != 0
    result = run(items, root, engine, recipe, tmp_path / "cache")
    assert 40 <= result.from_cache < 150
    assert result.recomputed == 0
    np.testing.assert_array_equal(result.features, run(items, root, engine, recipe).features)
    assert not list((tmp_path / "cache").rglob("*.partial"))


@pytest.mark.photos
@pytest.mark.parametrize("precision", ["auto", "f32"])
def test_real_photos(precision: str, photos: Path, tmp_path: Path) -> None:
    root = photos / "grocery"
    paths = sorted(str(path.relative_to(root)) for path in root.glob("*/*.jpg"))[::20]
    items = [(content_hash((root / path).read_bytes()), path) for path in paths]
    backbone = load_backbone("efficientnet_lite0")
    options = {"root": root, "backbone": backbone, "recipe": backbone.recipe(224)}
    result = featurize_dataset(items, **options, precision=precision, cache=tmp_path)
    exact = featurize_dataset(items, **options, engine="onnxruntime")
    assert result.ok.all()
    cosine = (result.features * exact.features).sum(1)
    cosine /= np.linalg.norm(result.features, axis=1) * np.linalg.norm(exact.features, axis=1)
    assert cosine.min() > (0.99 if result.engine.endswith("bf16") else 1 - 1e-6)
