"""Several trainings from the same start, and the mean of their weights.

Networks that started alike differ in what they happened to see when; on average their mean errs less than they do, and
it costs no more to use than one (model soups, Wortsman et al., 2022).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import torch
from torch import Tensor, nn

from gingham.config import Refinement
from gingham.records import Epoch
from gingham.refine.checkpoint import read_checkpoint
from gingham.refine.training import Training, beyond_chance
from gingham.refine.turns import Turn

__all__ = ["Trained", "train_and_average"]

Weights = Mapping[str, Tensor]


@dataclass(frozen=True)
class Trained:
    """How the weights of a model came about.

    Parameters
    ----------
    epochs : tuple of Epoch
        Of all trainings, one after the other.
    kept_epochs : tuple of int
        After which the weights were taken that are averaged; one for each training.
    validation_error : float or None
        Share of the validation images that the model classifies wrongly; None where there are none.
    stopped : {"", "patience", "interrupted"}
    """

    epochs: tuple[Epoch, ...]
    kept_epochs: tuple[int, ...]
    validation_error: float | None
    stopped: str


def train_and_average(
    model: nn.Module,
    make: Callable[[Turn, Path], Training],
    settings: Refinement,
    checkpoint: Path,
    say: Callable[[str], None],
) -> Trained:
    """Train a model several times, and leave it with the mean of the weights.

    Where the mean classifies the images that validate worse than the best network alone, by more than chance explains,
    the model is left with that one. A training that Ctrl-C stopped counts only if it is the first.

    Parameters
    ----------
    model : nn.Module
        That of the trainings; each starts from the weights it comes with.
    make : callable
        Makes the training of a turn, with its checkpoint.
    settings : Refinement
    checkpoint : Path
        Of the first training; those of the others lie beside it.
    say : callable of str

    Raises
    ------
    ConfigError, DataError, UnavailableError, KeyboardInterrupt
        As :meth:`gingham.refine.training.Training.run`.
    """
    turns = [Turn(number, settings.trainings, settings.epochs) for number in range(settings.trainings)]
    files = [checkpoint.with_stem(f"{checkpoint.stem}-{turn.number + 1}" if turn.number else checkpoint.stem)
             for turn in turns]  # fmt: skip
    start = _weights(model)
    kept: list[Weights] = []
    errors: list[float] = []
    kept_epochs: list[int] = []
    epochs: tuple[Epoch, ...] = ()
    stopped = ""
    for turn, file in zip(turns, files, strict=True):
        _put(model, start)
        training = make(turn, file)
        if not turn.number:
            say(training.estimate(sum(_left(file, settings) for file in files)))
        training.run()
        epochs += training.progress.epochs
        stopped = training.stopped or stopped
        if training.stopped == "interrupted" and turn.number:
            break
        kept.append(_weights(model))
        errors.append(training.error())
        kept_epochs.append(training.kept_epoch)
        if training.stopped == "interrupted":
            break
    best = errors.index(min(errors))
    _put(model, _mean(kept))
    error = training.error() if len(kept) > 1 else errors[0]
    images = len(training.parts.validation)
    if beyond_chance(error, errors[best], images or len(training.parts.train)):
        say(f"The mean of the {len(kept)} networks is worse than the best of them ({error:.1%} of the images that "
            f"validate wrong instead of {errors[best]:.1%}): that one is kept.".replace("%", " %"))  # fmt: skip
        _put(model, kept[best])
        error, kept_epochs = errors[best], [kept_epochs[best]]
    return Trained(epochs, tuple(kept_epochs), error if images else None, stopped)


def _left(file: Path, settings: Refinement) -> int:
    found = read_checkpoint(file)
    return settings.epochs - (found[0].epoch if found else 0)


def _weights(model: nn.Module) -> Weights:
    return {name: tensor.detach().clone() for name, tensor in model.state_dict().items()}


@torch.no_grad()
def _put(model: nn.Module, weights: Weights) -> None:
    for name, tensor in model.state_dict().items():
        tensor.copy_(weights[name])


def _mean(networks: Sequence[Weights]) -> Weights:
    """Average what is a fraction; counters are those of the last network."""
    last = networks[-1]
    return {
        name: torch.stack([network[name] for network in networks]).mean(0) if last[name].is_floating_point() else value
        for name, value in last.items()
    }
