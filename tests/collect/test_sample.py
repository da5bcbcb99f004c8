from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
import time
from collections import Counter
from pathlib import Path

import numpy as np
import pytest

from gingham.collect.sample import SampleSummary, render_sample
from gingham.collect.sample.patterns import PATTERNS
from gingham.collect.sample.plan import COUNTS, Entry, plan, render
from gingham.errors import UnavailableError, UsageError

SEED = 0  # that of the command


@pytest.fixture(scope="module")
def sample(rendered_sample: Path) -> SampleSummary:
    """One whole sample, rendered by two processes."""
    return render_sample(rendered_sample, seed=SEED, workers=2)


@pytest.fixture
def again(sample: SampleSummary, tmp_path: Path) -> Path:
    """A copy of it, to break."""
    return Path(shutil.copytree(sample.directory, tmp_path / "patterns"))


def contents(directory: Path) -> dict[str, bytes]:
    return {
        path.relative_to(directory).as_posix(): path.read_bytes() for path in directory.rglob("*") if path.is_file()
    }


def readable(seed: int = SEED) -> list[Entry]:
    return [entry for entry in plan(seed) if entry.kind != "truncated"]


# What is in it


def test_has_the_promised_number_of_readable_images(sample: SampleSummary) -> None:
    from PIL import Image

    found: Counter[str] = Counter()
    broken = []
    for path in sorted(sample.directory.glob("*/*.jpg")):
        with Image.open(path) as image:
            assert image.format == "JPEG"
            try:
                image.load()
            except OSError:
                broken.append(path.relative_to(sample.directory).as_posix())
                continue
            assert min(image.size) >= 300
            assert max(image.size) <= 900
        found[path.parent.name] += 1
    assert found == {"dotted": 125, "leopard": 112, "striped": 191} == sample.images
    assert tuple(broken) == sample.corrupt
    assert len(broken) == 1
    assert sample.rendered + sample.kept == 429


def test_is_small(sample: SampleSummary) -> None:
    assert sample.size == sum(path.stat().st_size for path in sample.directory.glob("*/*"))
    assert sample.size < 30_000_000


def test_sizes_and_shapes_vary(sample: SampleSummary) -> None:
    from PIL import Image

    shapes = set()
    for path in sample.directory.glob("*/*.jpg"):
        with Image.open(path) as image:
            shapes.add(image.size)
    assert len(shapes) > 300
    assert sum(width > height for width, height in shapes) > 40
    assert sum(width < height for width, height in shapes) > 40


def test_leaves_nothing_else_behind(sample: SampleSummary) -> None:
    assert sorted(path.name for path in sample.directory.iterdir()) == ["SOURCE.txt", *sorted(COUNTS)]


def test_copies_are_copies(sample: SampleSummary) -> None:
    imagehash = pytest.importorskip("imagehash")
    from PIL import Image

    def fingerprint(entry: Entry) -> object:
        with Image.open(sample.directory / entry.path) as image:
            return imagehash.dhash(image, hash_size=16)

    entries = {(entry.label, entry.number): entry for entry in plan(SEED)}
    kinds: Counter[str] = Counter()
    for entry in readable():
        source = entries[entry.label, entry.source]
        kinds[entry.kind] += 1
        same = (sample.directory / entry.path).read_bytes() == (sample.directory / source.path).read_bytes()
        if entry.kind == "copy":
            assert same
        elif entry.kind != "photo":
            assert not same
            assert fingerprint(entry) - fingerprint(source) <= 40  # type: ignore[operator]
    assert kinds == {"photo": 419, "copy": 3, "recompressed": 2, "resized": 2, "cropped": 2}


# Deterministic


def test_the_same_bytes_whatever_process_renders_them(sample: SampleSummary) -> None:
    entries = plan(SEED)
    chosen = [entry for entry in entries if entry.kind != "photo"] + entries[::60]
    for entry in chosen:
        assert render(entry, SEED) == (sample.directory / entry.path).read_bytes(), entry.path


def test_another_seed_gives_other_pictures() -> None:
    first, second = plan(1)[7], plan(2)[7]
    assert render(first, 1) != render(second, 2)
    assert plan(1) == plan(1) != plan(2)


@pytest.mark.parametrize("seed", range(3))
def test_no_class_is_easier_than_another(seed: int) -> None:
    for label in COUNTS:
        levels = sorted(entry.hardness for entry in plan(seed) if entry.label == label and entry.kind == "photo")
        np.testing.assert_allclose(levels, (np.arange(len(levels)) + 0.5) / len(levels))


# Neither trivial nor hopeless


def test_class_cannot_be_told_from_size_shape_and_brightness(sample: SampleSummary) -> None:
    from PIL import Image
    from sklearn.ensemble import RandomForestClassifier
    from sklearn.linear_model import LogisticRegression
    from sklearn.model_selection import RepeatedStratifiedKFold, cross_val_score
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import StandardScaler

    rows, labels = [], []
    for entry in readable():
        if entry.kind == "photo":
            path = sample.directory / entry.path
            with Image.open(path) as image:
                grey = np.asarray(image.convert("L"), float)
                rows.append([path.stat().st_size, *image.size, grey.mean(), path.stat().st_size / grey.size])
            labels.append(entry.label)
    folds = RepeatedStratifiedKFold(n_splits=5, n_repeats=2, random_state=0)
    for classifier in (
        make_pipeline(StandardScaler(), LogisticRegression(class_weight="balanced")),
        RandomForestClassifier(100, min_samples_leaf=4, class_weight="balanced", random_state=0),
    ):
        scores = cross_val_score(classifier, np.array(rows), labels, cv=folds, scoring="balanced_accuracy")
        assert scores.mean() < 1 / 3 + 0.1


def test_fixed_features_reach_between_85_and_97_percent(sample: SampleSummary, tmp_path: Path) -> None:
    from sklearn.model_selection import StratifiedGroupKFold
    from sklearn.svm import LinearSVC

    from gingham import Project

    Project(tmp_path, environment={}).featurize(sample.directory, output=tmp_path / "features.npz")
    with np.load(tmp_path / "features.npz") as arrays:
        features, paths, labels = (arrays[name] for name in ("features", "paths", "labels"))
    assert features.shape == (428, 1280)
    features /= np.linalg.norm(features, axis=1, keepdims=True)
    sources = {entry.path: f"{entry.label}{entry.source}" for entry in readable()}
    groups = np.array([sources[path] for path in paths.tolist()])
    scores = []
    for repeat in range(2):
        folds = StratifiedGroupKFold(4, shuffle=True, random_state=repeat)
        for train, test in folds.split(features, labels, groups):
            svm = LinearSVC(class_weight="balanced", random_state=0).fit(features[train], labels[train])
            scores.append(svm.score(features[test], labels[test]))
    assert 0.85 < np.mean(scores) < 0.97


@pytest.mark.parametrize("label", sorted(PATTERNS))
@pytest.mark.parametrize("hardness", [0.0, 1.0])
def test_a_pattern_is_colour_that_varies(label: str, hardness: float) -> None:
    y, x = np.mgrid[0:80, 0:80].astype(np.float32) / 40
    looks = []
    for seed in range(4):
        colour = PATTERNS[label](np.random.default_rng(seed), hardness)(x.ravel(), y.ravel(), 1 / 40)
        assert colour.shape == (6400, 3)
        assert colour.dtype == np.float32
        assert colour.min() >= 0
        assert colour.max() <= 1
        assert colour.std(axis=0).max() > 0.005
        looks.append(colour)
    assert not any(np.allclose(looks[0], other) for other in looks[1:])


def test_stripes_finer_than_a_pixel_melt_into_their_mean() -> None:
    y, x = np.mgrid[0:400, 0:400].astype(np.float32) / 200
    for seed in range(6):
        pattern = PATTERNS["striped"](np.random.default_rng(seed), 0.0)
        near, far = pattern(x.ravel(), y.ravel(), 1 / 200), pattern(x.ravel(), y.ravel(), 5.0)
        assert far.std(axis=0).max() < 0.35 * near.std(axis=0).max()
        np.testing.assert_allclose(far.mean(axis=0), near.mean(axis=0), atol=0.06)


# Whole files, again and again


def test_a_whole_rendering_is_left_as_it_is(again: Path) -> None:
    before = {path: path.stat().st_mtime_ns for path in again.rglob("*")}
    calls: list[tuple[int, int]] = []
    summary = render_sample(again, seed=SEED, progress=lambda done, total: calls.append((done, total)))
    assert (summary.rendered, summary.kept) == (0, 429)
    assert calls == []
    assert {path: path.stat().st_mtime_ns for path in again.rglob("*")} == before


@pytest.mark.parametrize(
    ("workers", "lost"),
    [pytest.param(1, 3, id="in this process"), pytest.param(2, 17, id="in two others")],
)
def test_what_is_missing_or_cut_off_is_rendered_again(
    sample: SampleSummary, again: Path, workers: int, lost: int
) -> None:
    whole = readable()
    for entry in whole[:: len(whole) // lost][:lost]:
        (again / entry.path).unlink()
    cut, empty = again / whole[1].path, again / whole[2].path
    cut.write_bytes(cut.read_bytes()[:5000])
    empty.write_bytes(b"")
    (again / ".rendering").mkdir()
    for name in ("SOURCE.txt.1234", f"{Path(whole[1].path).name}.99999"):
        (again / ".rendering" / name).write_bytes(b"\xff\xd8")
    calls: list[tuple[int, int]] = []
    summary = render_sample(again, SEED, workers, lambda done, total: calls.append((done, total)))
    assert summary.rendered == lost + 2
    assert calls == [(done, 429) for done in range(430 - lost - 2, 430)]
    assert contents(again) == contents(sample.directory)


def test_a_user_s_folder_called_like_the_staging_one_is_left_alone(again: Path) -> None:
    (again / readable()[0].path).unlink()
    mine = {".rendering/notes.txt": b"mine", ".rendering/deep/SOURCE.txt.1": b"mine"}
    for name, data in mine.items():
        (again / name).parent.mkdir(parents=True, exist_ok=True)
        (again / name).write_bytes(data)
    assert render_sample(again, seed=SEED, workers=1).rendered == 1
    assert {name: data for name, data in contents(again).items() if name.startswith(".rendering")} == mine


@pytest.mark.skipif(os.name != "posix", reason="needs SIGKILL")
def test_killed_from_a_script_without_a_guard_then_completed(sample: SampleSummary, tmp_path: Path) -> None:
    target = tmp_path / "patterns"
    script = f"""
from pathlib import Path
from gingham.collect.sample import render_sample
render_sample(Path({str(target)!r}), seed={SEED}, workers=2)
"""
    process = subprocess.Popen([sys.executable, "-"], stdin=subprocess.PIPE, env=_path_for_children())
    assert process.stdin is not None
    process.stdin.write(script.encode())
    process.stdin.close()
    deadline = time.monotonic() + 60
    while len(list(target.glob("*/*.jpg"))) < 6:
        assert process.poll() is None
        assert time.monotonic() < deadline
        time.sleep(0.02)
    children = Path(f"/proc/{process.pid}/task/{process.pid}/children")
    renderers = [Path("/proc") / pid for pid in children.read_text().split()] if children.exists() else []
    process.send_signal(signal.SIGKILL)
    process.wait()
    while any(renderer.exists() for renderer in renderers):
        assert time.monotonic() < deadline, "renderers outlive the process that started them"
        time.sleep(0.02)

    reference = contents(sample.directory)
    left = {name: data for name, data in contents(target).items() if not name.startswith(".rendering/")}
    assert len(left) >= 7
    assert all(reference[name] == data for name, data in left.items())
    for name, data in list(reference.items())[:-20]:
        (target / name).parent.mkdir(exist_ok=True)
        (target / name).write_bytes(data)
    render_sample(target, seed=SEED, workers=2)
    assert contents(target) == reference


def test_an_exception_in_the_callback_stops_the_renderers(again: Path) -> None:
    for entry in readable()[:30]:
        (again / entry.path).unlink()

    def stop(done: int, total: int) -> None:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        render_sample(again, seed=SEED, workers=2, progress=stop)
    assert not (again / ".rendering").exists()
    assert len(list(again.glob("*/*.jpg"))) == 400
    render_sample(again, seed=SEED, workers=2)


@pytest.mark.skipif(not Path("/bin/false").exists(), reason="needs /bin/false")
def test_a_renderer_that_dies_is_reported(again: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for entry in readable()[:30]:
        (again / entry.path).unlink()
    monkeypatch.setattr(sys, "executable", "/bin/false")
    with pytest.raises(UnavailableError, match="ended early"):
        render_sample(again, seed=SEED, workers=2)


# Refused


def _foreign(directory: Path) -> None:
    directory.mkdir()
    (directory / "notes.txt").write_text("mine")


def _photos(directory: Path) -> None:
    (directory / "striped").mkdir(parents=True)
    (directory / "striped" / "striped-001.jpg").write_bytes(b"\xff\xd8mine\xff\xd9")


def _file(directory: Path) -> None:
    directory.write_text("mine")


def _other_seed(directory: Path) -> None:
    directory.mkdir()
    (directory / "SOURCE.txt").write_text(f"Gingham sample, rendering 1, seed {SEED + 1}\n")


@pytest.mark.parametrize(
    ("prepare", "message"),
    [
        pytest.param(_foreign, "'notes.txt'", id="a foreign file"),
        pytest.param(_photos, "'striped'", id="photos of one's own under the sample's names"),
        pytest.param(_file, "is a file", id="a file"),
        pytest.param(_other_seed, f"seed {SEED + 1}", id="another seed"),
    ],
)
def test_a_folder_with_something_else_is_refused_and_not_touched(prepare, message: str, tmp_path: Path) -> None:
    target = tmp_path / "target"
    prepare(target)
    before = contents(tmp_path)
    with pytest.raises(UsageError, match=message):
        render_sample(target, seed=SEED)
    assert contents(tmp_path) == before


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        pytest.param({"seed": -1}, "seed must be 0 or more, not -1", id="negative seed"),
        pytest.param({"workers": 0}, "workers must be 1 or more, not 0", id="no workers"),
    ],
)
def test_arguments_out_of_range_are_refused(arguments: dict[str, int], message: str, tmp_path: Path) -> None:
    with pytest.raises(UsageError, match=message):
        render_sample(tmp_path / "new", **arguments)
    assert not (tmp_path / "new").exists()


def test_a_place_that_cannot_be_written_is_named(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("mine")
    target = tmp_path / "file" / "sample"
    with pytest.raises(UnavailableError, match="cannot write .*SOURCE.txt"):
        render_sample(target)


def _path_for_children() -> dict[str, str]:
    return {**os.environ, "PYTHONPATH": os.pathsep.join(path for path in sys.path if path)}
