"""LinearSVMSearch: scikit-learn's contract, its attributes, and the data that real folders bring."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from scipy import sparse
from sklearn.base import clone
from sklearn.exceptions import ConvergenceWarning, NotFittedError
from sklearn.model_selection import GridSearchCV, PredefinedSplit
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import MaxAbsScaler, normalize
from sklearn.svm import LinearSVC
from sklearn.utils.estimator_checks import parametrize_with_checks

from gingham.classifiers import cross_validation, squared_hinge, svm_search
from gingham.classifiers.svm_search import FeatureError, LinearSVMSearch
from gingham.errors import DataError
from tests.classifiers.makers import SETS, Set, backbone_like, blobs, liblinear

QUICK = (0.01, 1.0, 100.0)

# What scikit-learn expects otherwise, and why this is not so here. Empty: nothing.
EXPECTED_FAILURES: dict[str, str] = {}


@parametrize_with_checks(
    [LinearSVMSearch(c_grid=(0.1, 10.0), folds=3)], expected_failed_checks=lambda _: EXPECTED_FAILURES
)
@pytest.mark.filterwarnings("ignore::sklearn.exceptions.SkipTestWarning")
def test_it_keeps_scikit_learns_contract(
    estimator: LinearSVMSearch, check: Callable[[Any], None], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SCIPY_ARRAY_API", "1")  # one check would be left out without it
    check(estimator)


@pytest.fixture(scope="module")
def like_real() -> Set:
    return backbone_like(900, 96, 6)


@pytest.fixture(scope="module")
def fitted(like_real: Set) -> LinearSVMSearch:
    return LinearSVMSearch().fit(*like_real)


def test_attributes(fitted: LinearSVMSearch, like_real: Set) -> None:
    X, y = like_real
    assert fitted.coef_.shape == (6, 96)
    assert fitted.intercept_.shape == (6,)
    assert fitted.oof_scores_.shape == fitted.decision_function(X).shape == (900, 6)
    assert fitted.n_features_in_ == 96
    assert fitted.n_folds_ == 5
    assert fitted.classes_.tolist() == list(range(6))
    assert list(fitted.cv_accuracy_) == [1e-4, 1e-3, 1e-2, 1e-1, 1, 10, 100]
    accuracies = fitted.cv_accuracy_
    assert fitted.c_ == min(c for c in accuracies if accuracies[c] == max(accuracies.values()))
    # The accuracy at C is that of the out-of-fold scores, fold by fold.
    right = fitted.oof_scores_.argmax(axis=1) == y
    by_fold = [right[fitted.fold_ == fold].mean() for fold in range(5)]
    assert fitted.cv_accuracy_[fitted.c_] == pytest.approx(np.mean(by_fold))


@pytest.mark.parametrize("unit", [True, False])
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_decision_values_are_linear_in_the_rows_of_unit_length(unit: bool, dtype: type) -> None:
    X, y = blobs(200, 20, 3)
    X[5] = 0
    X = X.astype(dtype)
    search = LinearSVMSearch(QUICK, normalize=unit).fit(X, y)
    expected = (normalize(X) if unit else X) @ search.coef_.T + search.intercept_
    np.testing.assert_allclose(search.decision_function(X), expected, atol=1e-5)
    np.testing.assert_array_equal(search.predict(X), expected.argmax(axis=1))


@pytest.mark.parametrize("classes", [2, 5])
def test_the_class_it_names_is_the_likeliest(classes: int) -> None:
    X, y = blobs(400, 6, classes)
    uneven = (y == 0) | (np.arange(400) % 5 == 0)
    search = LinearSVMSearch(QUICK).fit(X[uneven], y[uneven])
    np.testing.assert_array_equal(search.predict(X), search.predict_proba(X).argmax(axis=1))


def test_unit_length_is_inside(like_real: Set) -> None:
    X, y = like_real
    scale = np.random.default_rng(0).uniform(0.1, 10, (len(X), 1))
    one, other = LinearSVMSearch(QUICK).fit(X.astype(float), y), LinearSVMSearch(QUICK).fit(X * scale, y)
    assert one.cv_accuracy_ == other.cv_accuracy_
    np.testing.assert_allclose(one.coef_, other.coef_, atol=1e-6)


def test_rows_beyond_the_range_of_squares() -> None:
    X, y = blobs(90, 6, 3)
    ordinary = LinearSVMSearch(QUICK).fit(X, y)
    for scale in (1e-200, 1e200):
        extreme = LinearSVMSearch(QUICK).fit(X * scale, y)
        np.testing.assert_allclose(extreme.decision_function(X * scale), ordinary.decision_function(X), atol=1e-6)


def test_the_final_model_is_linear_svcs(fitted: LinearSVMSearch, like_real: Set) -> None:
    X, y = like_real
    theirs = liblinear(normalize(X.astype(float)), y, fitted.c_)
    np.testing.assert_allclose(fitted.coef_, theirs.coef_, atol=0.01 * np.abs(theirs.coef_).max())
    assert np.mean(fitted.predict(X) == theirs.predict(normalize(X))) > 0.998


def test_cross_validation_is_that_of_grid_search(fitted: LinearSVMSearch, like_real: Set) -> None:
    X, y = like_real
    grid = GridSearchCV(
        LinearSVC(dual=False, class_weight="balanced", tol=1e-6, max_iter=10_000),
        {"C": list(fitted.cv_accuracy_)},
        cv=PredefinedSplit(fitted.fold_),
    ).fit(X, y)
    for theirs, ours in zip(grid.cv_results_["mean_test_score"], fitted.cv_accuracy_.values(), strict=True):
        assert ours == pytest.approx(theirs, abs=0.002)
    assert fitted.cv_accuracy_[fitted.c_] == pytest.approx(grid.best_score_, abs=0.002)


def test_the_smallest_of_equal_cs_is_chosen() -> None:
    X, y = blobs(90, 6, 3, noise=0.01)
    search = LinearSVMSearch((100.0, 1.0, 10.0)).fit(X, y)
    assert set(search.cv_accuracy_.values()) == {1.0}
    assert search.c_ == 1.0


@pytest.mark.parametrize("make", [pytest.param(make, id=name) for name, make in SETS.items()])
def test_any_kind_of_features(make: Callable[[], Set]) -> None:
    X, y = make()
    search = LinearSVMSearch(QUICK, folds=3).fit(X, y)
    K = len(np.unique(y))
    probabilities = search.predict_proba(X)
    assert probabilities.shape == (len(X), K)
    np.testing.assert_allclose(probabilities.sum(axis=1), 1)
    assert ((probabilities > 0) & (probabilities < 1)).all()
    assert np.isfinite(search.oof_scores_).all()
    chance = max(np.bincount(y)) / len(y)
    if make in (SETS["all noise"], SETS["nothing but zeros"]):
        assert search.cv_accuracy_[search.c_] < chance + 0.15
    else:
        assert 1 - search.cv_accuracy_[search.c_] < 0.75 * (1 - chance)


def test_two_classes_have_one_column() -> None:
    X, y = blobs(100, 8, 2)
    names = np.array(["dotted", "striped"])[y]
    search = LinearSVMSearch(QUICK).fit(X, names)
    assert search.coef_.shape == (1, 8)
    assert search.intercept_.shape == (1,)
    assert search.oof_scores_.shape == search.decision_function(X).shape == (100,)
    np.testing.assert_array_equal(search.predict(X) == "striped", search.decision_function(X) > 0)
    assert search.predict_proba(X).shape == (100, 2)


def test_a_thousand_classes() -> None:
    random = np.random.default_rng(0)
    y = np.repeat(np.arange(1000), 2)
    X = random.normal(size=(1000, 48))[y] + 0.2 * random.normal(size=(2000, 48))
    search = LinearSVMSearch((1.0,), folds=2).fit(X.astype(np.float32), y)
    assert search.coef_.shape == (1000, 48)
    assert search.predict_proba(X[:5]).shape == (5, 1000)
    assert search.cv_accuracy_[1.0] > 0.9


@pytest.mark.parametrize("few", [pytest.param(1, id="one row"), pytest.param(2, id="two rows")])
def test_a_class_of_very_few_rows(few: int) -> None:
    X, y = blobs(100, 8, 2)
    X = np.vstack([X, 3 + np.random.default_rng(1).normal(size=(few, 8)) / 10])
    y = np.append(y, [2] * few)
    search = LinearSVMSearch(QUICK).fit(X, y)
    assert (search.predict(X[-few:]) == 2).all()
    probabilities = search.predict_proba(X)
    assert np.isfinite(probabilities).all()
    assert probabilities.max() < 1


def test_groups_stay_whole_and_the_folds_level() -> None:
    X, y = blobs(300, 8, 3)
    groups = np.arange(300) // 7
    search = LinearSVMSearch(QUICK).fit(X, y, groups)
    for group in range(groups.max() + 1):
        assert len(np.unique(search.fold_[groups == group])) == 1
    assert np.bincount(search.fold_).min() > 40


def test_near_duplicates_in_one_group_do_not_flatter() -> None:
    # Labels mean nothing, but every row has a twin: only a model that has seen the twin can be right.
    random = np.random.default_rng(0)
    X, y, groups = (
        np.repeat(random.normal(size=(60, 80)), 2, axis=0),
        np.repeat(np.arange(60) % 3, 2),
        np.arange(120) // 2,
    )
    torn, whole = LinearSVMSearch((10.0,)).fit(X, y), LinearSVMSearch((10.0,)).fit(X, y, groups)
    assert torn.cv_accuracy_[10.0] > 0.7
    assert whole.cv_accuracy_[10.0] < 0.5


def test_it_tells_how_far_it_is(like_real: Set, monkeypatch: pytest.MonkeyPatch) -> None:
    X, y = like_real
    monkeypatch.setattr(cross_validation, "_SCORE_BYTES", 1)  # a bundle for every class
    told: list[tuple[int, int]] = []
    LinearSVMSearch(c_grid=(0.1, 1), folds=3, progress=lambda done, total: told.append((done, total))).fit(X, y)
    classes = len(np.unique(y))
    assert told == [(3 * (i + 1), 2 * 3 * classes) for i in range(2 * classes)]


def test_bundles_of_classes_are_the_whole(like_real: Set, monkeypatch: pytest.MonkeyPatch) -> None:
    whole = LinearSVMSearch((1.0,), folds=3).fit(*like_real)
    columns = []
    minimise = cross_validation.minimise

    def spy(rows: Any, problems: Any, *arguments: Any, **options: Any) -> Any:
        columns.append(problems.cost.shape[2])
        return minimise(rows, problems, *arguments, **options)

    monkeypatch.setattr(cross_validation, "minimise", spy)
    monkeypatch.setattr(cross_validation, "_SCORE_BYTES", 2 * 4 * 900 * 6)  # six columns of single precision
    monkeypatch.setattr(svm_search, "_DOUBLE", 0)
    bundled = LinearSVMSearch((1.0,), folds=3).fit(*like_real)
    assert columns == [6, 6, 6, 6]  # classes x folds, thrice; then all classes at once
    columns.clear()
    monkeypatch.setattr(cross_validation, "_SCORE_BYTES", 2 * 4 * 900 * 2)
    small = LinearSVMSearch((1.0,), folds=3).fit(*like_real)
    assert columns == [3] * 6 + [2] * 3
    for found in (bundled, small):
        np.testing.assert_allclose(found.coef_, whole.coef_, atol=0.01 * np.abs(whole.coef_).max())
        np.testing.assert_allclose(found.oof_scores_, whole.oof_scores_, atol=0.1)


def test_long_rows_of_single_precision_converge(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(svm_search, "_DOUBLE", 0)
    X = (100 * np.random.default_rng(0).normal(size=(120, 16))).astype(np.float32)
    y = X[:, :3].argmax(axis=1)
    search = LinearSVMSearch((100.0,), folds=2, normalize=False).fit(X, y)
    monkeypatch.setattr(svm_search, "_DOUBLE", 1 << 20)
    exact = LinearSVMSearch((100.0,), folds=2, normalize=False).fit(X, y)
    np.testing.assert_allclose(search.coef_, exact.coef_, atol=0.02 * np.abs(exact.coef_).max())


def test_without_a_working_set_gradients_serve(like_real: Set, monkeypatch: pytest.MonkeyPatch) -> None:
    X, y = like_real
    ordinary = LinearSVMSearch((100.0,)).fit(X, y)
    asked = []

    def unsolvable(*arguments: Any) -> None:
        asked.append(1)
        raise np.linalg.LinAlgError

    monkeypatch.setattr(squared_hinge, "minimise_over_working_set", unsolvable)
    search = LinearSVMSearch((100.0,)).fit(X, y)
    assert 0 < len(asked) <= 2 * 6  # once for each class, among the folds and in the end
    np.testing.assert_allclose(search.coef_, ordinary.coef_, atol=0.02 * np.abs(ordinary.coef_).max())


def test_rows_that_are_all_alike(monkeypatch: pytest.MonkeyPatch) -> None:
    X = np.ones((60, 10))
    for double in (1 << 20, 0):
        monkeypatch.setattr(svm_search, "_DOUBLE", double)
        probabilities = LinearSVMSearch(QUICK).fit(X, np.arange(60) % 3).predict_proba(np.eye(10)[:1])
        np.testing.assert_allclose(probabilities, 1 / 3, atol=1e-6)


def test_fewer_groups_than_folds() -> None:
    X, y = blobs(60, 8, 3)
    search = LinearSVMSearch(QUICK, folds=5).fit(X, y, np.arange(60) % 3)
    assert search.n_folds_ == 3
    assert set(search.fold_) == {0, 1, 2}


def test_names_of_groups_can_be_text() -> None:
    X, y = blobs(60, 8, 3)
    numbers = np.arange(60) // 4
    one, other = (LinearSVMSearch(QUICK).fit(X, y, g) for g in (numbers, [f"{n:03}" for n in numbers]))
    np.testing.assert_array_equal(one.fold_, other.fold_)


def test_the_same_again_bit_for_bit(fitted: LinearSVMSearch, like_real: Set) -> None:
    again = clone(fitted).fit(*like_real)
    np.testing.assert_array_equal(again.coef_, fitted.coef_)
    np.testing.assert_array_equal(again.oof_scores_, fitted.oof_scores_)
    np.testing.assert_array_equal(again.predict_proba(like_real[0]), fitted.predict_proba(like_real[0]))


def test_the_seed_deals_the_folds(fitted: LinearSVMSearch, like_real: Set) -> None:
    other = LinearSVMSearch(random_state=1).fit(*like_real)
    assert (other.fold_ != fitted.fold_).any()


@pytest.mark.parametrize("weight", [None, {0: 1.0, 1: 3.0, 2: 1.0}])
def test_class_weights(weight: Any) -> None:
    X, y = blobs(200, 8, 3)
    ours = LinearSVMSearch((1.0,), class_weight=weight).fit(X, y)
    theirs = liblinear(normalize(X), y, 1.0, class_weight=weight)
    np.testing.assert_allclose(ours.coef_, theirs.coef_, atol=0.01 * np.abs(theirs.coef_).max())


def spoilt(row: int, value: float) -> np.ndarray[Any, Any]:
    X, _ = blobs(60, 8, 3)
    X[row, 2] = value
    return X


Y = blobs(60, 8, 3)[1]
GOOD = blobs(60, 8, 3)[0]


@pytest.mark.parametrize(
    ("parameters", "arguments", "error", "words"),
    [
        pytest.param({}, (spoilt(17, np.nan), Y), FeatureError, "Row 17 of X contains NaN", id="NaN"),
        pytest.param({}, (spoilt(0, np.inf), Y), FeatureError, "Row 0 of X contains NaN or inf", id="inf"),
        pytest.param({}, (sparse.csr_matrix(GOOD), Y), TypeError, "[Ss]parse", id="sparse"),
        pytest.param({}, (GOOD, np.zeros(60)), FeatureError, "at least 2 classes", id="one class"),
        pytest.param({}, (GOOD, np.array(["a"] * 60)), FeatureError, "only one class, 'a':", id="one class of a name"),
        pytest.param({"normalize": False}, (1e200 * GOOD, Y), FeatureError, "range of float64. Scale", id="too large"),
        pytest.param({"c_grid": (1e306,)}, (1e10 * GOOD, Y), FeatureError, "C = 1e\\+306", id="C too large"),
        pytest.param({}, (GOOD, Y[:-1]), ValueError, "inconsistent numbers of samples", id="too few labels"),
        pytest.param({}, (GOOD, np.linspace(0, 1, 60)), ValueError, "Unknown label type", id="targets of a regression"),
        pytest.param({}, (GOOD[0], Y), ValueError, "Expected 2D array", id="one dimension"),
        pytest.param({}, (GOOD, Y, np.zeros(60)), FeatureError, "at least 2 groups", id="one group"),
        pytest.param({}, (GOOD, Y, np.arange(59)), ValueError, "one group for each row", id="too few groups"),
        pytest.param({"c_grid": ()}, (GOOD, Y), ValueError, "c_grid must hold positive", id="no C"),
        pytest.param({"c_grid": (1, -1)}, (GOOD, Y), ValueError, "c_grid must hold positive", id="negative C"),
        pytest.param({"c_grid": (np.inf,)}, (GOOD, Y), ValueError, "c_grid must hold positive", id="infinite C"),
        pytest.param({"c_grid": (np.nan,)}, (GOOD, Y), ValueError, "c_grid must hold positive", id="NaN for C"),
        pytest.param({"folds": 1}, (GOOD, Y), ValueError, "folds must be at least 2", id="one fold"),
        pytest.param({"class_weight": "even"}, (GOOD, Y), ValueError, "must be \"balanced\"", id="unknown weight"),
        pytest.param({"class_weight": {7: 1.0}}, (GOOD, Y), ValueError, r"names \[7\]", id="unknown class"),
    ],
)  # fmt: skip
def test_refusals(parameters: dict[str, Any], arguments: tuple[Any, ...], error: type[Exception], words: str) -> None:
    with pytest.raises(error, match=words):
        LinearSVMSearch(**parameters).fit(*arguments)


def test_prediction_refuses_too(fitted: LinearSVMSearch, like_real: Set) -> None:
    X = like_real[0][:20].copy()
    X[3] = np.nan
    with pytest.raises(DataError, match="Row 3 of X"):
        fitted.predict(X)
    with pytest.raises(ValueError, match="features"):
        fitted.predict(X[:, :5])
    with pytest.raises(NotFittedError):
        LinearSVMSearch().predict(X)


def test_a_model_that_did_not_converge_says_so(monkeypatch: pytest.MonkeyPatch) -> None:
    fit_all = svm_search.fit_all

    def hasty(*arguments: Any) -> Any:
        found = fit_all(*arguments)
        found.gap[:] = 0.5 * found.objective
        return found

    monkeypatch.setattr(svm_search, "fit_all", hasty)
    with pytest.warns(ConvergenceWarning, match=r"did not converge at C = 1: it is up to 50\.0%"):
        LinearSVMSearch((1.0,)).fit(GOOD, Y)


def test_among_scikit_learns_tools() -> None:
    pipeline = make_pipeline(MaxAbsScaler(), LinearSVMSearch(QUICK, folds=3))
    grid = GridSearchCV(pipeline, {"linearsvmsearch__normalize": [True, False]}, cv=2, error_score="raise").fit(GOOD, Y)
    assert grid.best_score_ > 0.6
    parameters = clone(LinearSVMSearch(QUICK, folds=3)).get_params()
    assert parameters == {
        "c_grid": QUICK, "folds": 3, "class_weight": "balanced", "normalize": True, "random_state": 0, "progress": None,
    }  # fmt: skip
    assert LinearSVMSearch(**parameters).set_params(folds=4).folds == 4
