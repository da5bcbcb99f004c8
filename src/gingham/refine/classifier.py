"""The network that is trained: stages, dropout and the new last layer, on pixels or on activations."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.nn import functional as F

from gingham.config import Refinement
from gingham.errors import ConfigError

__all__ = ["Average", "Classifier", "make_optimizer"]

Triple = tuple[float, float, float]


class Classifier(nn.Module):
    """What is trained.

    Parameters
    ----------
    trained : nn.Module
        Activations, or normalized images → features (N, n_features).
    coef, intercept : array of shape (n_classes, n_features) and (n_classes,)
        Where the last layer starts.
    dropout : float
        Share of the features that are left out in training.
    mean, std : tuple of float
        Of pixels in [0, 1]; uint8 images are normalized with them.
    freeze_norm : bool
        Batch norms stay as they are.
    """

    scale: Tensor
    shift: Tensor

    def __init__(
        self,
        trained: nn.Module,
        coef: NDArray[np.floating],
        intercept: NDArray[np.floating],
        *,
        dropout: float,
        mean: Triple,
        std: Triple,
        freeze_norm: bool,
    ) -> None:
        super().__init__()
        self.trained = trained
        self.last = nn.Linear(coef.shape[1], coef.shape[0])
        with torch.no_grad():
            self.last.weight.copy_(torch.from_numpy(np.asarray(coef, np.float32)))
            self.last.bias.copy_(torch.from_numpy(np.asarray(intercept, np.float32)))
        self.dropout = dropout
        self.freeze_norm = freeze_norm
        centre, spread = torch.tensor(mean).view(1, 3, 1, 1), torch.tensor(std).view(1, 3, 1, 1)
        self.register_buffer("scale", 1 / (255 * spread), persistent=False)
        self.register_buffer("shift", -centre / spread, persistent=False)

    def train(self, mode: bool = True) -> Classifier:
        """Switch to training; frozen batch norms stay in evaluation."""
        super().train(mode)
        if self.freeze_norm:
            for layer in self.trained.modules():
                if isinstance(layer, nn.modules.batchnorm._BatchNorm):
                    layer.eval()
        return self

    def normalized(self, inputs: Tensor) -> Tensor:
        """Return uint8 images (N, 3, S, S) as the network takes them; activations as they are."""
        return inputs.float() * self.scale + self.shift if inputs.dtype == torch.uint8 else inputs

    def forward(self, inputs: Tensor) -> Tensor:
        """Map activations, or normalized images, to scores (N, n_classes), float32."""
        features = self.trained(inputs).float()
        with torch.autocast(inputs.device.type, enabled=False):
            scores: Tensor = self.last(F.dropout(features, self.dropout, self.training))
        return scores


def make_optimizer(model: Classifier, settings: Refinement, device: str) -> torch.optim.Optimizer:
    """Make the optimizer, its moments there from the beginning, so that a checkpoint always has the same form.

    Raises
    ------
    ConfigError
        For a ``layer_decay`` where the network is no row of stages.
    """
    groups, parameters = _parameter_groups(model, settings), list(model.parameters())
    fused = {"fused": True} if device in ("cpu", "cuda") else {}
    if settings.optimizer == "sgd":
        made: torch.optim.Optimizer = torch.optim.SGD(
            groups, lr=0.0, momentum=settings.momentum, nesterov=settings.momentum > 0, **fused
        )
        for parameter in parameters:
            if settings.momentum:
                made.state[parameter]["momentum_buffer"] = torch.zeros_like(parameter)
        return made
    made = torch.optim.AdamW(groups, lr=0.0, betas=(settings.momentum, 0.999), **fused)
    for parameter in parameters:
        made.state[parameter] = {
            "step": torch.zeros((), device=device),
            "exp_avg": torch.zeros_like(parameter),
            "exp_avg_sq": torch.zeros_like(parameter),
        }
    return made


def _parameter_groups(model: Classifier, settings: Refinement) -> list[dict[str, object]]:
    """Return the parameters with their share of the learning rate and their weight decay.

    Each group has ``share``, 1 for the last layer. Biases and the factors of norms do not decay.
    """
    trained = model.trained
    if settings.layer_decay != 1 and not isinstance(trained, nn.Sequential | nn.Identity):
        raise ConfigError(
            f"refinement.layer_decay is {settings.layer_decay}, but this backbone is not a plain row of stages. "
            "Type: --refinement.layer_decay 1"
        )
    groups: dict[tuple[float, float], list[nn.Parameter]] = {}
    steps = len(trained) if isinstance(trained, nn.Sequential) else 0
    for name, parameter in model.named_parameters():
        part, _, rest = name.partition(".")
        depth = steps - int(rest.split(".")[0]) if steps and part == "trained" else 0
        decay = settings.weight_decay if parameter.ndim > 1 else 0.0
        groups.setdefault((settings.layer_decay**depth, decay), []).append(parameter)
    return [
        {"params": parameters, "share": share, "weight_decay": decay, "lr": 0.0}
        for (share, decay), parameters in groups.items()
    ]


class Average:
    """A moving average of weights; in the beginning it forgets faster, so as not to remember the start.

    Parameters
    ----------
    parameters : sequence of nn.Parameter
    decay : float
        0: it is always the weights themselves.
    """

    def __init__(self, parameters: Sequence[nn.Parameter], decay: float) -> None:
        self.parameters = list(parameters)
        self.decay = decay
        self.values = [parameter.detach().clone() for parameter in self.parameters]

    @torch.no_grad()
    def update(self, step: int) -> None:
        """Take in the weights after step ``step``, counted from 1."""
        decay = min(self.decay, (1 + step) / (10 + step))
        torch._foreach_lerp_(self.values, [parameter.detach() for parameter in self.parameters], 1 - decay)

    @contextmanager
    def in_place(self) -> Iterator[None]:
        """Put the average in the place of the weights for a while."""
        with torch.no_grad():
            kept = [parameter.detach().clone() for parameter in self.parameters]
            torch._foreach_copy_([parameter.detach() for parameter in self.parameters], self.values)
        try:
            yield
        finally:
            with torch.no_grad():
                torch._foreach_copy_([parameter.detach() for parameter in self.parameters], kept)
