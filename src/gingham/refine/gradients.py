"""The gradients of one step: in parts that the memory holds, added up over the processes, in the precision meant."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import AbstractContextManager

import torch
from torch import Tensor
from torch.nn import functional as F

from gingham.config import Refinement
from gingham.errors import UnavailableError
from gingham.refine.classifier import Classifier
from gingham.refine.ranks import Ranks

__all__ = ["Gradients"]

_DTYPES = {"bf16": torch.bfloat16, "f16": torch.float16, "f32": torch.float32}


class Gradients:
    """Computes the gradients of a model.

    Parameters
    ----------
    model : Classifier
        On its device.
    settings : Refinement
    class_weights : Tensor of shape (n_classes,), optional
        What each image of a class weighs.
    device : {"cpu", "cuda", "mps"}
    precision : {"bf16", "f16", "f32"}
    ranks : Ranks
    say : callable of str
        Told when the memory does not suffice for a whole batch.
    """

    def __init__(
        self,
        model: Classifier,
        settings: Refinement,
        class_weights: Tensor | None,
        *,
        device: str,
        precision: str,
        ranks: Ranks,
        say: Callable[[str], None],
    ) -> None:
        self._model = model
        self._parameters = list(model.parameters())
        self._smoothing = settings.label_smoothing
        self._class_weights = class_weights
        self._device = device
        self._dtype = _DTYPES[precision]
        self._ranks = ranks
        self._say = say
        self._part = settings.batch_size
        self._scaler = torch.amp.GradScaler(device, enabled=precision == "f16")

    def autocast(self) -> AbstractContextManager[None]:
        """Return what lets products be in the precision."""
        return torch.autocast(self._device, self._dtype, enabled=self._dtype != torch.float32)

    def compute(self, inputs: Tensor, labels: Tensor, others: Tensor, share: float) -> tuple[float, int, int]:
        """Put the gradients of the mean loss of a step into the model, the same in every process.

        Parameters
        ----------
        inputs : Tensor of shape (N, …)
            This process's share of the step; N may be 0.
        labels, others : int64 Tensor of shape (N,)
            What each image is, and what it is blended with.
        share : float
            How much of it is itself.

        Returns
        -------
        loss : float
            The mean.
        wrong, images : int
            Of all processes.

        Raises
        ------
        UnavailableError
            If the memory does not suffice for one image.
        """
        images = int(self._ranks.sum(len(inputs))[0])
        with self._ranks.same_fate():
            own = self._own(inputs, labels, others, share, images)
        loss, wrong = self._ranks.sum(*own)
        self._ranks.sum_gradients(self._parameters)
        return loss, int(wrong), images

    def step(self, optimizer: torch.optim.Optimizer) -> None:
        """Let an optimizer use them."""
        self._scaler.step(optimizer)
        self._scaler.update()

    def clear(self) -> None:
        """Forget them."""
        for parameter in self._parameters:
            parameter.grad = None

    def _own(self, inputs: Tensor, labels: Tensor, others: Tensor, share: float, images: int) -> tuple[float, int]:
        """Add up the gradients of this process's share of ``images``.

        Returns
        -------
        loss : float
            Its part of the mean.
        wrong : int
        """
        while True:
            self.clear()
            try:
                loss, wrong = 0.0, 0
                for start in range(0, len(inputs), self._part):
                    part = slice(start, start + self._part)
                    with self.autocast():
                        scores = self._model(inputs[part])
                    losses = share * self._losses(scores, labels[part])
                    if share < 1:
                        losses = losses + (1 - share) * self._losses(scores, others[part])
                    mean = losses.sum() / images
                    self._scaler.scale(mean).backward()  # type: ignore[no-untyped-call]
                    loss += float(mean.detach())
                    wrong += int((scores.argmax(1) != labels[part]).sum())
                return loss, wrong
            except torch.OutOfMemoryError:
                if self._part == 1:
                    raise UnavailableError(
                        "The memory does not suffice to train this network on one image of this resolution. "
                        "Reduce features.resolution or refinement.batch_size, or train less of it: "
                        "--refinement.depth last-1-stage"
                    ) from None
                self._part = (self._part + 1) // 2
                self._say(f"Out of memory: each batch is now computed in parts of {self._part}, to the same result.")
                if self._device == "cuda":
                    torch.cuda.empty_cache()

    def _losses(self, scores: Tensor, labels: Tensor) -> Tensor:
        return F.cross_entropy(scores, labels, self._class_weights, reduction="none", label_smoothing=self._smoothing)
