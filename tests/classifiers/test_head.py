"""The head: what it computes is what the search does, and its file says when it is damaged."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from gingham.classifiers import LinearHead, fit_head
from gingham.classifiers.abstention import abstention_threshold
from gingham.classifiers.svm_search import LinearSVMSearch
from gingham.errors import DataError
from tests.classifiers.makers import backbone_like

C_GRID = (0.01, 1.0, 100.0)


def head(K: int, **changes: Any) -> LinearHead:
    X, y = backbone_like(240, 32, K)
    settings: dict[str, Any] = {
        "classes": [f"class {k}" for k in range(K)], "c_grid": C_GRID, "folds": 4, "class_weight": "balanced",
        "normalize": True, "wanted_precision": 0.999, "seed": 3,
    }  # fmt: skip
    return fit_head(5 * X, y, np.arange(240) // 2, **{**settings, **changes})


@pytest.mark.parametrize("K", [2, 5])
@pytest.mark.parametrize("normalize", [True, False])
@pytest.mark.parametrize("weight", ["balanced", "none"])
def test_it_is_the_search(K: int, normalize: bool, weight: str) -> None:
    made = head(K, normalize=normalize, class_weight=weight)
    X, y = backbone_like(240, 32, K)
    X = 5 * X
    theirs: Any = None if weight == "none" else weight
    search = LinearSVMSearch(C_GRID, 4, theirs, normalize, 3).fit(X, y, np.arange(240) // 2)
    np.testing.assert_allclose(made.probabilities(X), search.predict_proba(X), atol=1e-6)
    assert made.probabilities(X).dtype == np.float64
    assert made.scores(X).shape == (240, K)
    np.testing.assert_array_equal(made.scores(X).argmax(axis=1), search.predict(X))
    assert (made.c, dict(made.cv_accuracy)) == (search.c_, search.cv_accuracy_)
    expected = abstention_threshold(search.calibration_.apply(search.oof_scores_), y, 0.999)
    assert (made.threshold, made.coverage) == expected
    assert expected.threshold is not None
    assert expected.coverage is not None
    assert 0 < expected.coverage < 1


def test_rows_of_zeros_have_probabilities() -> None:
    probabilities = head(3).probabilities(np.zeros((1, 32), np.float32))
    assert probabilities.sum() == pytest.approx(1)


@pytest.mark.parametrize(
    ("K", "changes"),
    [
        pytest.param(5, {}, id="many classes"),
        pytest.param(2, {"normalize": False}, id="two classes, raw features"),
        pytest.param(2, {"classes": ["caf\udce9", "a\nb"]}, id="a name that is not UTF-8, a newline"),
        pytest.param(2, {"classes": ["", "絣"]}, id="an empty name, another script"),
        pytest.param(3, {"wanted_precision": 1.0}, id="a precision hard to reach"),
    ],
)
def test_it_comes_back_as_it_was_written(K: int, changes: dict[str, Any], tmp_path: Path) -> None:
    made = head(K, **changes)
    file = tmp_path / "head.safetensors"
    file.write_bytes(made.to_bytes())
    read = LinearHead.read(file)
    assert read is not None
    for name in LinearHead.__dataclass_fields__:
        np.testing.assert_array_equal(getattr(read, name), getattr(made, name), err_msg=name)
    assert read.classes == tuple(changes.get("classes", made.classes))


def test_an_unreachable_precision_comes_back_as_none(tmp_path: Path) -> None:
    random = np.random.default_rng(0)
    made = fit_head(
        random.normal(size=(60, 4)).astype(np.float32), random.integers(0, 3, 60), np.arange(60),
        classes=["a", "b", "c"], c_grid=C_GRID, folds=3, class_weight="balanced", normalize=True,
        wanted_precision=1.0, seed=0,
    )  # fmt: skip
    (tmp_path / "h").write_bytes(made.to_bytes())
    read = LinearHead.read(tmp_path / "h")
    assert read is not None
    assert (read.threshold, read.coverage) == (made.threshold, made.coverage)


def test_damage_anywhere_is_found(tmp_path: Path) -> None:
    whole = head(2).to_bytes()
    file = tmp_path / "head.safetensors"
    for place in range(0, len(whole), 7):
        damaged = bytearray(whole)
        damaged[place] ^= 1
        file.write_bytes(damaged)
        read = LinearHead.read(file)
        # A bit of the padding may go unseen; then it must be harmless.
        assert read is None or read.to_bytes() == whole, place


@pytest.mark.parametrize("size", [0, 1, 8, 100, -1])
def test_part_of_a_file_is_none(size: int, tmp_path: Path) -> None:
    file = tmp_path / "head.safetensors"
    file.write_bytes(head(2).to_bytes()[:size])
    assert LinearHead.read(file) is None


def test_a_head_of_an_earlier_gingham_is_none(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """It knew no outliers; the head is fitted again."""
    from gingham.classifiers import head as module

    monkeypatch.setattr(module, "ARRAYS", ("coef", "intercept", "calibration_offsets"))
    (tmp_path / "h").write_bytes(head(2).to_bytes())
    monkeypatch.undo()
    assert LinearHead.read(tmp_path / "h") is None


def test_no_file_and_foreign_files_are_none(tmp_path: Path) -> None:
    from safetensors.numpy import save_file

    assert LinearHead.read(tmp_path / "nothing") is None
    assert LinearHead.read(tmp_path) is None
    save_file({"coef": np.ones(3)}, tmp_path / "foreign")
    assert LinearHead.read(tmp_path / "foreign") is None


@pytest.mark.parametrize(
    ("classes", "kept", "words"),
    [
        pytest.param(["cat", "dog", "elk", "owl"], (0, 2, 3), "of the class dog", id="one in the middle"),
        pytest.param(["cat", "dog", "elk", "o\nwl"], (1, 2), r"of the class cat, o\\nwl", id="the first and the last"),
    ],
)
def test_a_class_without_training_images_is_named(classes: list[str], kept: tuple[int, ...], words: str) -> None:
    X, y = backbone_like(60, 8, 4)
    rows = np.isin(y, kept)
    with pytest.raises(DataError, match=f"No training image is left {words}"):
        fit_head(
            X[rows], y[rows], np.flatnonzero(rows), classes=classes, c_grid=C_GRID, folds=3, class_weight="balanced",
            normalize=True, wanted_precision=0.9, seed=0,
        )  # fmt: skip


def test_a_feature_that_is_not_finite_is_refused() -> None:
    X, y = backbone_like(60, 8, 3)
    X[7, 1] = np.nan
    with pytest.raises(DataError, match="Row 7"):
        fit_head(
            X, y, np.arange(60), classes="abc", c_grid=C_GRID, folds=3, class_weight="balanced", normalize=True,
            wanted_precision=0.9, seed=0,
        )  # fmt: skip
