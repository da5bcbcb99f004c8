"""Refining: it learns, ends with the same weights however often it is stopped, and says what is wrong."""

from __future__ import annotations

import os
import signal
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from gingham.config import Refinement
from gingham.errors import ConfigError, DataError, UnavailableError
from gingham.features import Backbone, load_backbone
from gingham.refine import Files, Parts, Refined, refine
from gingham.refine.classifier import Classifier
from tests.refine.conftest import QUICK, TRAIN, VALIDATION, N, assert_same

pytestmark = [pytest.mark.train, pytest.mark.usefixtures("one_torch_thread")]


def test_it_learns_and_leaves_the_first_stages_alone(train: Callable[..., Refined], backbone: Backbone) -> None:
    said: list[str] = []
    before = backbone.torch_module(96).state_dict()
    made = train(epochs=20, said=said)
    assert made.epochs[-1].train_error < made.epochs[0].train_error
    assert made.epochs[-1].validation_error == 0
    assert made.epochs[-1].test_error == 0
    assert (made.depth, made.device, made.precision, made.stopped) == ("last-2-stages", "cpu", "f32", "")
    changed = {name for name in before if not np.array_equal(before[name], made.tensors[name])}
    assert {name[:8] for name in changed} == {"stages.1", "stages.2"}
    assert not any("running" in name for name in changed)  # the norms are frozen
    assert made.trained_parameters < made.parameters
    assert said[0].startswith("About ")
    assert "Epoch 20 of 20: training error" in said[-1]


def test_the_network_that_comes_with_gingham(
    make_files: Callable[..., tuple[Files, np.ndarray]], tmp_path: Path
) -> None:
    files, labels = make_files(N)
    rows = np.arange(N)
    lite = load_backbone("efficientnet_lite0")
    before = lite.torch_module(96).state_dict()
    made = refine(
        lite, files, Parts(rows[:TRAIN], rows[TRAIN:VALIDATION], rows[VALIDATION:], labels, 3), np.zeros((3, 1280)),
        np.zeros(3), Refinement(epochs=10, trainings=1, batch_size=4, ema=0.9), seed=0, engine="openvino",
        engine_precision="auto", checkpoint=tmp_path / "c", activations=tmp_path / "a", converted=None,
        report=lambda *_: None, say=lambda _: None,
    )  # fmt: skip
    assert made.epochs[-1].test_error <= 1 / 3
    assert made.depth == "last-3-stages"
    changed = {name for name in before if not np.array_equal(before[name], made.tensors[name])}
    assert {name[:8] for name in changed if "blocks" in name} == {"blocks.4", "blocks.5", "blocks.6"}


VARIANTS = {
    "adamw": {},
    "sgd, norms learn": {"optimizer": "sgd", "freeze_norm": False, "learning_rate": 0.01},
    "dropout, mixup, cutmix": {"dropout": 0.5, "mixup": 0.4, "cutmix": 1.0, "ema": 0.0},
    "pixels": {"depth": "all", "epochs": 2},
    "last layer": {"depth": "head"},
    "steps of two batches": {"accumulate": 2, "batch_size": 2},
}


@pytest.mark.parametrize("variant", VARIANTS)
def test_after_any_interruption_it_ends_with_the_same_weights(train: Callable[..., Refined], variant: str) -> None:
    settings = VARIANTS[variant]
    undisturbed = train(**settings)
    for step in (1, 4, 5):

        def killed(name: str, done: int, _total: int, step: int = step) -> None:
            if (name, done) == ("refine", step):
                raise ZeroDivisionError  # nothing is saved: what is on the disk is all that is left

        place = f"killed {step}"
        with pytest.raises(ZeroDivisionError):
            train(place, killed, **settings)
        said: list[str] = []
        assert_same(train(place, said=said, **settings), undisturbed)
        assert any("Going on in epoch 2" in line for line in said) == (step > 3)


@pytest.mark.parametrize("step", [2, 4])
def test_sigterm_writes_a_checkpoint_between_two_steps(train: Callable[..., Refined], step: int) -> None:
    def told(name: str, done: int, _total: int) -> None:
        if (name, done) == ("refine", step):
            os.kill(os.getpid(), signal.SIGTERM)

    with pytest.raises(KeyboardInterrupt):
        train("b", told)
    steps: list[int] = []
    resumed = train("b", lambda name, done, _total: steps.append(done) if name == "refine" else None)
    assert steps[0] == step + 1
    assert_same(resumed, train("a"))


def test_ctrl_c_keeps_the_best_so_far_and_the_next_call_goes_on(train: Callable[..., Refined]) -> None:
    def told(name: str, done: int, _total: int) -> None:
        if (name, done) == ("refine", 5):
            os.kill(os.getpid(), signal.SIGINT)

    stopped = train("b", told)
    assert (stopped.stopped, stopped.kept_epochs, len(stopped.epochs)) == ("interrupted", (1,), 1)
    assert_same(train("b"), train("a"))


def test_ctrl_c_before_anything_was_learned_stops_it(train: Callable[..., Refined]) -> None:
    with pytest.raises(KeyboardInterrupt):
        train("b", lambda *_: os.kill(os.getpid(), signal.SIGINT))


def test_a_second_ctrl_c_stops_it_at_once(train: Callable[..., Refined]) -> None:
    def told(name: str, done: int, _total: int) -> None:
        if (name, done) == ("refine", 5):
            os.kill(os.getpid(), signal.SIGINT)
            os.kill(os.getpid(), signal.SIGINT)

    with pytest.raises(KeyboardInterrupt):
        train("b", told)
    assert_same(train("b"), train("a"))


def test_a_loss_that_is_no_number_says_which_rate_to_try(train: Callable[..., Refined], tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"no number any more, in epoch \d.*--refinement.learning_rate 1$"):
        train(optimizer="sgd", learning_rate=10, momentum=0.9, warm_up=0, schedule="constant", epochs=40)
    assert not (tmp_path / "a" / "checkpoint.safetensors").exists()


@pytest.mark.parametrize("depth", ["last-2-stages", "all"])
def test_an_image_that_is_gone_is_left_out(
    train: Callable[..., Refined], monkeypatch: pytest.MonkeyPatch, depth: str
) -> None:
    whole = train("a", depth=depth, epochs=2, batch_size=16)
    read = Files.read
    monkeypatch.setattr(Files, "read", lambda self, row, view: None if row == 3 else read(self, row, view))
    made = train("b", depth=depth, epochs=2, batch_size=16)
    assert len(made.epochs) == 2
    assert np.isfinite(made.coef).all()
    assert not np.array_equal(made.coef, whole.coef)


def test_when_every_training_image_is_gone_it_says_so(
    train: Callable[..., Refined], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(Files, "read", lambda *_: None)
    with pytest.raises(DataError, match=r"No training image can be read any more"):
        train()


def _small_memory(monkeypatch: pytest.MonkeyPatch, most: int) -> None:
    forward = Classifier.forward

    def limited(self: Classifier, inputs: torch.Tensor) -> torch.Tensor:
        if self.training and len(inputs) > most:
            raise torch.OutOfMemoryError("CUDA out of memory")
        return forward(self, inputs)

    monkeypatch.setattr(Classifier, "forward", limited)


def test_out_of_memory_halves_what_is_computed_at_once_to_the_same_result(
    train: Callable[..., Refined], monkeypatch: pytest.MonkeyPatch
) -> None:
    whole = train("a", epochs=1)
    _small_memory(monkeypatch, 1)
    said: list[str] = []
    parts = train("b", epochs=1, said=said)
    assert [line for line in said if line.startswith("Out of memory")] == [
        f"Out of memory: each batch is now computed in parts of {size}, to the same result." for size in (2, 1)
    ]
    np.testing.assert_allclose(parts.coef, whole.coef, atol=2e-4)
    assert [e.train_error for e in parts.epochs] == [e.train_error for e in whole.epochs]


def test_out_of_memory_with_a_single_image_says_what_to_reduce(
    train: Callable[..., Refined], monkeypatch: pytest.MonkeyPatch
) -> None:
    _small_memory(monkeypatch, 0)
    with pytest.raises(UnavailableError, match=r"Reduce features.resolution or refinement.batch_size"):
        train()


def test_patience_ends_it(train: Callable[..., Refined]) -> None:
    made = train(epochs=60, patience=2, schedule="constant", ema=0.9)
    errors = [epoch.validation_error for epoch in made.epochs]
    assert made.stopped == "patience"
    assert errors.index(min(errors)) == len(errors) - 3
    assert_same(train(epochs=60, patience=2, schedule="constant", ema=0.9), made)  # from its last checkpoint


def test_without_a_validation_part_the_last_epoch_is_kept(
    make_files: Callable[..., tuple[Files, np.ndarray]], backbone: Backbone, tmp_path: Path, converted: Path
) -> None:
    files, labels = make_files(12)
    nobody = np.arange(0)
    made = refine(
        backbone, files, Parts(np.arange(12), nobody, nobody, labels, 3), np.zeros((3, 64)), np.zeros(3),
        Refinement(**(QUICK | {"epochs": 2})), seed=0, engine="openvino",
        engine_precision="f32", checkpoint=tmp_path / "c", activations=tmp_path / "a", converted=converted,
        report=lambda *_: None, say=lambda _: None,
    )  # fmt: skip
    assert made.kept_epochs == (2,)
    assert {(e.validation_error, e.test_error) for e in made.epochs} == {(None, None)}


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        pytest.param({"device": "cuda"}, r"device is cuda, which torch cannot use here", id="no GPU"),
        pytest.param({"precision": "f16"}, r"f16, which this processor does not have", id="f16 on a processor"),
        pytest.param({"depth": "last-9-stages"}, r"this backbone has 3 stages", id="too deep"),
    ],
)
def test_settings_that_do_not_fit(train: Callable[..., Refined], settings: dict[str, Any], message: str) -> None:
    if settings.get("device") == "cuda" and torch.cuda.is_available():
        settings, message = {"device": "mps"}, "device is mps"
    with pytest.raises(ConfigError, match=message):
        train(**settings)


@pytest.mark.parametrize(("settings", "compiled"), [({}, 0), ({"compile": "never"}, 0), ({"compile": "always"}, 1)])
def test_compiling_is_left_to_long_trainings_on_a_gpu(
    train: Callable[..., Refined], monkeypatch: pytest.MonkeyPatch, settings: dict[str, Any], compiled: int
) -> None:
    asked: list[torch.nn.Module] = []
    monkeypatch.setattr(torch.nn.Module, "compile", lambda self: asked.append(self))
    train(epochs=1, **settings)
    assert len(asked) == compiled
