"""The metrics: against scikit-learn, with missing classes, and with input that is none."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from sklearn import metrics as reference

from gingham.errors import DataError, GinghamError, UsageError
from gingham.evaluate.calibration import reliability
from gingham.evaluate.metrics import Metrics, compute_metrics
from gingham.evaluate.ranking import rank_classes, roc_curve


def measure(truth: Any, probabilities: Any, **more: Any) -> Metrics:
    scores = np.asarray(probabilities, float)
    names = [f"c{i}" for i in range(scores.shape[1])]
    return compute_metrics(truth, scores, scores.argmax(axis=1), names, **more)


@pytest.mark.parametrize("coarse", [False, True], ids=["no ties", "ties"])
@pytest.mark.parametrize(("n", "k"), [(12, 2), (107, 3), (500, 20)])
def test_agrees_with_scikit_learn(scores: Callable[..., Any], n: int, k: int, coarse: bool) -> None:
    truth, probabilities = scores(n, k, signal=1.5)
    if coarse:
        probabilities = np.floor(probabilities * 5) + 0.1
        probabilities /= probabilities.sum(axis=1, keepdims=True)
    predicted = probabilities.argmax(axis=1)
    found = measure(truth, probabilities)
    labels = np.arange(k)
    assert found.accuracy == pytest.approx(reference.accuracy_score(truth, predicted))
    assert found.class_averaged_accuracy == pytest.approx(reference.balanced_accuracy_score(truth, predicted))
    assert found.log_loss == pytest.approx(reference.log_loss(truth, probabilities, labels=labels))
    areas = [reference.roc_auc_score(truth == i, probabilities[:, i]) for i in labels]
    assert list(found.auc.values()) == pytest.approx(areas)
    assert found.macro_auc == pytest.approx(np.mean(areas))
    assert np.array_equal(found.confusion_matrix, reference.confusion_matrix(truth, predicted, labels=labels))


def test_calibration_error_is_the_mean_gap_over_bins(scores: Callable[..., Any]) -> None:
    truth, probabilities = scores(300, 4, signal=1.0)
    sure, right = probabilities.max(axis=1), probabilities.argmax(axis=1) == truth
    gap = 0.0
    for k in range(15):
        inside = (sure > k / 15) & (sure <= (k + 1) / 15)
        if inside.any():
            gap += inside.mean() * abs(sure[inside].mean() - right[inside].mean())
    assert measure(truth, probabilities).expected_calibration_error == pytest.approx(gap)
    assert reliability(sure, right).count.sum() == 300


def test_influence_adds_up_to_the_change_of_macro_auc(scores: Callable[..., Any]) -> None:
    """Leaving an image out moves the macro AUC by about its influence, over the size of its class."""
    truth, probabilities = scores(400, 3, signal=1.0)
    ranking = rank_classes(truth, probabilities)
    sizes = np.bincount(truth)
    for left_out in range(0, 400, 40):
        rest = np.arange(400) != left_out
        change = rank_classes(truth[rest], probabilities[rest]).auc.mean() - ranking.auc.mean()
        k = truth[left_out]
        assert change == pytest.approx(-ranking.influence[left_out] / (sizes[k] - 1), abs=2e-5)


def test_every_interval_holds_its_number(scores: Callable[..., Any]) -> None:
    found = measure(*scores(200, 5)).model_dump()
    checked = 0
    for name in [name for name in found if name.endswith("_ci")]:
        value, interval = found[name.removesuffix("_ci")], found[name]
        pairs = (
            [(value, interval)]
            if not isinstance(value, dict)
            else list(zip(value.values(), interval.values(), strict=True))
        )
        for number, ends in pairs:
            if number is not None:
                assert ends[0] <= number <= ends[1], name
                assert ends[0] < ends[1], name
                checked += 1
    assert checked == 15


@pytest.mark.parametrize("sharpness", [2.0, 4.0], ids=["calibrated", "too sure"])
@pytest.mark.parametrize("n_per_class", [1, 2, 5], ids=["1 of a class", "2 of a class", "5 of a class"])
def test_loss_and_calibration_intervals_hold_the_truth(n_per_class: int, sharpness: float) -> None:
    rng = np.random.default_rng(0)
    loss, error = _measured(rng, 20_000, sharpness, resamples=1)
    held = np.zeros(2)
    for _ in range(60):
        losses, errors = _measured(rng, n_per_class, sharpness, resamples=200, ends=True)
        held += losses[0] <= loss <= losses[1], errors[0] <= error <= errors[1]
    assert (held >= 48).all()


def _measured(rng: Any, n_per_class: int, sharpness: float, *, resamples: int, ends: bool = False) -> Any:
    truth = np.repeat(np.arange(10), n_per_class)
    scores = rng.normal(size=(len(truth), 10))
    scores[np.arange(len(truth)), truth] += 2
    probabilities = np.exp(sharpness * scores)
    found = measure(truth, probabilities / probabilities.sum(axis=1, keepdims=True), resamples=resamples)
    if ends:
        return found.log_loss_ci, found.expected_calibration_error_ci
    return found.log_loss, found.expected_calibration_error


@pytest.mark.parametrize(("n", "known"), [(1, False), (9, False), (10, True)])
def test_few_images_say_nothing_of_loss_and_calibration(n: int, known: bool) -> None:
    found = measure(np.arange(n) % 2, np.tile([0.7, 0.3], (n, 1)))
    assert [found.log_loss_ci is not None, found.expected_calibration_error_ci is not None] == [known, known]


@pytest.mark.parametrize("k", [2, 3, 10])
def test_all_right_is_not_certain(k: int) -> None:
    truth = np.arange(10 * k) % k
    found = measure(truth, np.eye(k)[truth])
    assert found.accuracy == found.class_averaged_accuracy == found.macro_auc == 1
    for low, high in (found.accuracy_ci, found.class_averaged_accuracy_ci, found.macro_auc_ci or (1, 1)):
        assert low < 0.99
        assert high == 1


def test_class_without_test_images_has_no_number(scores: Callable[..., Any]) -> None:
    truth, probabilities = scores(80, 3)
    probabilities = np.column_stack([probabilities * 0.9, np.full(80, 0.1)])
    found = measure(truth, probabilities)
    assert found.auc["c3"] is found.per_class_accuracy["c3"] is found.auc_ci["c3"] is None
    assert found.macro_auc == pytest.approx(np.mean([found.auc[f"c{i}"] for i in range(3)]))
    assert any("No test image of c3" in text for text in found.warnings)


def test_one_class_only_in_the_test_set_has_no_auc() -> None:
    found = measure([1, 1], [[0.2, 0.8], [0.7, 0.3]])
    assert found.macro_auc is found.macro_auc_ci is None
    assert found.class_averaged_accuracy == 0.5


def test_leaks_are_left_out_and_told() -> None:
    found = measure([0, 0, 1, 1], [[0.9, 0.1], [0.4, 0.6], [0.3, 0.7], [0.2, 0.8]], leaks=[True, False, False, True])
    assert (found.accuracy, found.accuracy_without_leaks, found.n_without_leaks) == (0.75, 0.5, 2)
    assert any("2 test images are also, or nearly, among the training images" in t for t in found.warnings)


def test_training_accuracy_and_the_most_frequent_class() -> None:
    found = measure([0, 0, 1], np.eye(2)[[0, 0, 1]], train_true=[1, 1, 0, 1], train_predicted=[1, 1, 1, 1])
    assert found.train_accuracy == 0.75
    assert (found.most_frequent_class, found.most_frequent_class_accuracy) == ("c1", pytest.approx(1 / 3))
    assert found.train_counts == {"c0": 1, "c1": 3}


@pytest.mark.parametrize(
    ("n_per_class", "right", "said"),
    [
        pytest.param(10, 18, "With 20 test images the true accuracy may lie between 70 % and 97 %", id="small"),
        pytest.param(60, 62, "cannot tell the model from one that always answers", id="guessing"),
        pytest.param(4, 8, "Every class has fewer than 10 test images", id="few of each"),
    ],
)
def test_warns(n_per_class: int, right: int, said: str) -> None:
    truth = np.arange(2 * n_per_class) % 2
    answers = np.where(np.arange(2 * n_per_class) < right, truth, 1 - truth)
    assert any(said in text for text in measure(truth, np.eye(2)[answers] * 0.8 + 0.1).warnings)


def test_warns_of_a_class_that_it_could_hardly_learn() -> None:
    truth, training = np.arange(40) % 2, [0, 1, 1, 1]
    found = measure(truth, np.eye(2)[truth], train_true=training, train_predicted=training)
    assert "Fewer than 3 training images of 1 class, c0 (1): too few to learn from. Add images." in found.warnings


def test_warns_of_a_model_that_has_one_answer() -> None:
    found = measure(np.arange(40) % 2, np.tile([0.9, 0.1], (40, 1)))
    assert any("answered “c0” for every test image" in text for text in found.warnings)


def test_does_not_warn_without_cause() -> None:
    truth = np.arange(400) % 4
    assert measure(truth, np.eye(4)[truth]).warnings == ()


def test_same_seed_same_numbers(scores: Callable[..., Any]) -> None:
    drawn = scores(90, 3)
    assert measure(*drawn, seed=4) == measure(*drawn, seed=4)
    assert measure(*drawn, seed=4).log_loss_ci != measure(*drawn, seed=5).log_loss_ci


def test_json_holds_the_promised_names_and_no_nan(scores: Callable[..., Any]) -> None:
    found = json.loads(json.dumps(measure(*scores(30, 3)).model_dump(), allow_nan=False))
    assert {
        "train_accuracy", "accuracy", "accuracy_ci", "class_averaged_accuracy", "per_class_accuracy", "auc",
        "macro_auc", "log_loss", "expected_calibration_error",
    } <= set(found)  # fmt: skip
    assert Metrics.model_validate(found).accuracy == found["accuracy"]


GOOD: dict[str, Any] = {
    "y_true": [0, 1],
    "probabilities": [[0.9, 0.1], [0.2, 0.8]],
    "predicted": [0, 1],
    "classes": ["a", "b"],
}


NOTHING: dict[str, Any] = {"y_true": [], "predicted": [], "probabilities": np.zeros((0, 2))}


@pytest.mark.parametrize(
    ("change", "error", "said"),
    [
        pytest.param(NOTHING, DataError, "no test image", id="empty"),
        pytest.param({"y_true": [0, 2]}, UsageError, "indices from 0 to 1", id="unknown class"),
        pytest.param({"y_true": [0.0, 1.0]}, UsageError, "array of class indices", id="floats"),
        pytest.param({"predicted": [0]}, UsageError, "as many predictions", id="short"),
        pytest.param({"probabilities": [[0.9, 0.1]]}, UsageError, "shape (2, 2)", id="shape"),
        pytest.param({"probabilities": [[0.9, 0.1], [np.nan, 1]]}, UsageError, "row 1", id="nan"),
        pytest.param({"probabilities": [[0.9, 0.1], [0.9, 0.9]]}, UsageError, "row 1 sums to 1.8", id="sum"),
        pytest.param({"probabilities": [[0.9, 0.1], [-0.5, 1.5]]}, UsageError, "its least is -0.5", id="negative"),
        pytest.param({"classes": ["a", "a"]}, UsageError, "distinct", id="twin names"),
        pytest.param({"leaks": [1, 0]}, UsageError, "bool array", id="leaks"),
        pytest.param({"train_true": [0], "train_predicted": [0, 1]}, UsageError, "of one length", id="train"),
    ],
)  # fmt: skip
def test_refuses(change: dict[str, Any], error: type[GinghamError], said: str) -> None:
    with pytest.raises(error) as caught:
        compute_metrics(**(GOOD | change))
    assert said in str(caught.value)


def test_thinned_curve_keeps_its_area(scores: Callable[..., Any]) -> None:
    truth, probabilities = scores(20_000, 2, signal=0.7)
    curve = roc_curve("c", truth == 1, probabilities[:, 1])
    assert len(curve.false_positive_rate) <= 400
    assert (curve.false_positive_rate[0], curve.true_positive_rate[-1]) == (0, 1)
    area = np.trapezoid(curve.true_positive_rate, curve.false_positive_rate)
    assert area == pytest.approx(curve.auc, abs=1e-3)
