"""Several trainings: the mean of their weights, gone on with after any end, or the best of them where it is worse."""

from __future__ import annotations

import os
import signal
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from safetensors.numpy import load_file

from gingham.refine import Refined
from gingham.refine.training import Training
from tests.refine.conftest import assert_same

pytestmark = [pytest.mark.train, pytest.mark.usefixtures("one_torch_thread")]

TWO = {"trainings": 2, "epochs": 2}
STEPS = 3  # an epoch


def test_the_weights_are_the_mean_of_what_each_training_ended_with(
    train: Callable[..., Refined], tmp_path: Path
) -> None:
    made = train(**TWO)
    first, second = (load_file(tmp_path / "a" / f"checkpoint{end}.safetensors") for end in ("", "-2"))
    values = [name for name in first if name.startswith("average.")]
    last = max(values, key=lambda name: int(name.split(".")[1]))
    for name in values:
        assert not np.array_equal(first[name], second[name]), name
    np.testing.assert_allclose(made.intercept, (first[last] + second[last]) / 2, rtol=1e-6)
    assert made.kept_epochs == (2, 4)
    assert [(epoch.training, epoch.epoch) for epoch in made.epochs] == [(1, 1), (1, 2), (2, 3), (2, 4)]
    assert made.validation_error is not None


def test_the_first_one_is_a_training_alone(train: Callable[..., Refined]) -> None:
    alone, both = train("alone", epochs=2), train("both", **TWO)
    errors = [[(epoch.train_loss, epoch.test_error) for epoch in made.epochs] for made in (alone, both)]
    assert errors[0] == errors[1][:2]
    assert errors[1][:2] != errors[1][2:]


def test_they_take_turns_with_the_views(train: Callable[..., Refined], tmp_path: Path) -> None:
    train("shared", views=4, **TWO)
    names = {file.stem.split("-")[0] for file in (tmp_path / "shared" / "activations").rglob("*.npy")}
    assert names == {"view0", "view1", "view2", "view3", "plain"}


@pytest.mark.parametrize(
    ("step", "epoch"),
    [
        pytest.param(STEPS + 1, 2, id="in the first"),
        pytest.param(2 * STEPS + 1, 0, id="as the second begins"),
        pytest.param(3 * STEPS + 2, 4, id="in the second"),
        pytest.param(4 * STEPS, 4, id="at the end"),
    ],
)
def test_after_any_interruption_it_ends_with_the_same_weights(
    train: Callable[..., Refined], step: int, epoch: int
) -> None:
    def killed(name: str, done: int, total: int) -> None:
        assert total == 4 * STEPS or name != "refine"
        if (name, done) == ("refine", step):
            raise ZeroDivisionError  # nothing is saved: what is on the disk is all that is left

    with pytest.raises(ZeroDivisionError):
        train("b", killed, **TWO)
    said: list[str] = []
    steps: list[int] = []
    again = train("b", lambda name, done, _: steps.append(done) if name == "refine" else None, said=said, **TWO)
    assert_same(again, train("a", **TWO))
    assert [line for line in said if line.startswith("Going on")] == (
        [f"Going on in epoch {epoch} of 4."] if epoch else []
    )
    assert steps == list(range((step - 1) // STEPS * STEPS + 1, 4 * STEPS + 1))


@pytest.mark.parametrize("step", [2 * STEPS + 1, 3 * STEPS + 1])
def test_ctrl_c_in_the_second_keeps_the_first_and_the_next_call_goes_on(
    train: Callable[..., Refined], step: int
) -> None:
    def told(name: str, done: int, _total: int) -> None:
        if (name, done) == ("refine", step):
            os.kill(os.getpid(), signal.SIGINT)

    stopped = train("b", told, **TWO)
    assert (stopped.stopped, stopped.kept_epochs) == ("interrupted", (2,))
    assert_same(stopped, train("alone", epochs=2))
    assert_same(train("b", **TWO), train("a", **TWO))


def test_sigterm_in_the_second_ends_it_and_the_next_call_goes_on(train: Callable[..., Refined]) -> None:
    def told(name: str, done: int, _total: int) -> None:
        if (name, done) == ("refine", 3 * STEPS + 2):
            os.kill(os.getpid(), signal.SIGTERM)

    with pytest.raises(KeyboardInterrupt):
        train("b", told, **TWO)
    assert_same(train("b", **TWO), train("a", **TWO))


@pytest.mark.parametrize(
    ("errors", "kept"),
    [
        pytest.param([0.0, 1 / 3, 1.0], (2,), id="much worse than the first"),
        pytest.param([1 / 3, 0.0, 1.0], (4,), id="much worse than the second"),
        pytest.param([0.0, 0.0, 1 / 3], (2, 4), id="worse by chance"),
    ],
)
def test_a_mean_that_is_worse_than_one_alone_is_not_kept(
    train: Callable[..., Refined], monkeypatch: pytest.MonkeyPatch, errors: list[float], kept: tuple[int, ...]
) -> None:
    left = iter([*errors, 0.0])
    monkeypatch.setattr(Training, "error", lambda _: next(left))
    said: list[str] = []
    made = train(said=said, **TWO)
    assert made.kept_epochs == kept
    assert made.validation_error == (errors[2] if len(kept) == 2 else 0.0)
    assert [line for line in said if "worse than the best" in line] == (
        []
        if len(kept) == 2
        else ["The mean of the 2 networks is worse than the best of them (100.0 % of the images that validate wrong "
              "instead of 0.0 %): that one is kept."]
    )  # fmt: skip
    if kept == (2,):
        assert_same(made, train("alone", epochs=2))


def test_norms_that_learn_are_averaged_too(train: Callable[..., Refined]) -> None:
    settings = {"freeze_norm": False, "optimizer": "sgd", "epochs": 2}
    alone, both = train("alone", **settings), train("both", trainings=2, **settings)
    means = [name for name in both.tensors if name.endswith("running_mean") and name.startswith("stages.2")]
    assert means
    for name in means:
        assert not np.array_equal(alone.tensors[name], both.tensors[name])
        np.testing.assert_allclose(alone.tensors[name], both.tensors[name], atol=0.5)
