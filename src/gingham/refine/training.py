"""The training loop: the same on a CPU and on a GPU, resumed after any step as if it had not been interrupted."""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.nn import functional as F

from gingham.config import Refinement
from gingham.errors import ConfigError, DataError
from gingham.records import Epoch
from gingham.refine.batches import Parts, blend, class_weights, epoch_rows, share_of_batches
from gingham.refine.checkpoint import Progress, read_checkpoint, write_checkpoint
from gingham.refine.classifier import Average, Classifier, make_optimizer
from gingham.refine.gradients import Gradients
from gingham.refine.interruption import Interruption
from gingham.refine.ranks import Ranks
from gingham.refine.schedule import rate_at
from gingham.refine.sources import Source
from gingham.refine.turns import Turn
from gingham.refine.wording import epoch_in_words, time_in_words

__all__ = ["Training", "beyond_chance"]

Rows = NDArray[np.intp]

_TEST_BATCH = 32
_TESTING_SHARE = 0.2  # of the time of an epoch that curves of the test images may cost
_FORWARD_SHARE = 1 / 3  # of the time of training an image
_CHECKPOINT_SECONDS = 60.0
_DEVIATIONS = 2.0  # of the last validation error, by which an earlier epoch must be better to be kept instead


class _NotedError(Exception):
    """A signal was noted, in work that can simply be dropped."""


class Training:
    """One training of a network.

    Parameters
    ----------
    model : Classifier
        On its device.
    source : Source
    parts : Parts
    settings : Refinement
    seed : int
    device : {"cpu", "cuda", "mps"}
    precision : {"bf16", "f16", "f32"}
    file : Path
        The checkpoint.
    turn : Turn
        Which of several trainings it is.
    ranks : Ranks
        The processes that train together: each runs this, with its share of every batch.
    report : callable of (name, done, total)
        Told the steps of the training as ``refine``, and images on their way through the fixed part as ``activations``.
    say : callable of str
        Told a line now and then.

    Attributes
    ----------
    stopped : {"", "patience", "interrupted"}
    kept_epoch : int
        Whose weights the model has in the end; 0: it was stopped before its first epoch was done.
    """

    def __init__(
        self,
        model: Classifier,
        source: Source,
        parts: Parts,
        settings: Refinement,
        *,
        seed: int,
        device: str,
        precision: str,
        file: Path,
        turn: Turn,
        ranks: Ranks,
        report: Callable[[str, int, int], None],
        say: Callable[[str], None],
    ) -> None:
        self.model, self.source, self.parts, self.settings = model, source, parts, settings
        self.seed, self.device, self.file = turn.seed(seed), device, file
        self.turn, self.ranks, self.report, self.say = turn, ranks, report, say
        self.stopped = ""
        self.kept_epoch = 0
        self.interruption = Interruption()
        self.parameters = list(model.parameters())
        self.optimizer = make_optimizer(model, settings, device)
        self.average = Average(self.parameters, settings.ema)
        self.progress = Progress()
        self.best: list[Tensor] = []
        weights = class_weights(parts.labels[parts.train], parts.n_classes) if settings.balance == "weights" else None
        self.gradients = Gradients(
            model,
            settings,
            None if weights is None else torch.from_numpy(weights).to(device),
            device=device,
            precision=precision,
            ranks=ranks,
            say=say,
        )
        self.labels = torch.from_numpy(parts.labels).to(device)
        n = len(epoch_rows(parts.train, parts.labels, settings, seed, 0))
        self.size = settings.batch_size * settings.accumulate
        self.steps = max(1, n // self.size)
        looks = len(parts.test) * _FORWARD_SHARE / max(1, n) / _TESTING_SHARE
        self.look_every = max(1, math.ceil(looks))

    def run(self) -> None:
        """Train to the end, from the checkpoint where there is one.

        Raises
        ------
        ConfigError
            If the loss is no number any more.
        DataError
            If no training image can be read any more.
        UnavailableError
            If the memory does not suffice for one image.
        KeyboardInterrupt
            If it is to end before anything was learned in any training, or by SIGTERM; the checkpoint is written.
        """
        self._resume()
        settings = self.settings
        with Interruption() as interruption:
            self.interruption = interruption
            while self.progress.epoch < settings.epochs and not self.stopped:
                if self._out_of_patience():
                    self.stopped = "patience"
                    break
                with suppress(_NotedError):
                    self._epoch(interruption)
                if interruption.shared(self.ranks):
                    self._save()
                    if not interruption.by_ctrl_c or not (self.progress.epochs or self.turn.number):
                        raise KeyboardInterrupt
                    self.stopped = "interrupted"
        if self.progress.epochs:
            self._keep_the_right_epoch()
        self.ranks.copy_first(list(self.model.state_dict().values()))

    def _resume(self) -> None:
        if self.ranks.rank == 0:
            self._read()
        self.progress = self.ranks.tell(self.progress)
        self.ranks.copy_first(list(self._state().values()))

    def _read(self) -> None:
        found = read_checkpoint(self.file)
        if found is None:
            return
        progress, tensors = found
        state = self._state()
        with torch.no_grad():
            for name, tensor in state.items():
                tensor.copy_(tensors[name])
        self.best = [tensors[f"best.{i}"] for i in range(len(self.parameters)) if f"best.{i}" in tensors]
        self.progress = progress
        if (progress.step or progress.epoch) and progress.epoch < self.settings.epochs:
            self.say(f"Going on in epoch {self.turn.before + progress.epoch + 1} of {self._epochs}.")

    @property
    def _epochs(self) -> int:
        """Of all trainings."""
        return self.turn.trainings * self.settings.epochs

    def _state(self) -> dict[str, Tensor]:
        """Return every tensor that changes, by name; to be read and written in place."""
        state = {f"model.{name}": tensor for name, tensor in self.model.state_dict().items()}
        state |= {f"average.{i}": value for i, value in enumerate(self.average.values)}
        for i, parameter in enumerate(self.parameters):
            state |= {f"optimizer.{i}.{name}": value for name, value in self.optimizer.state[parameter].items()}
        return state

    def _save(self) -> None:
        if self.ranks.rank > 0:
            return
        best = {f"best.{i}": tensor for i, tensor in enumerate(self.best)}
        write_checkpoint(self.file, self.progress, self._state() | best)

    def _epoch(self, interruption: Interruption) -> None:
        progress, settings = self.progress, self.settings
        began = time.perf_counter()
        view = self.turn.view(progress.epoch, settings.views) if settings.augment != "none" else 0
        self._prepare(view)
        order = epoch_rows(self.parts.train, self.parts.labels, settings, self.seed, progress.epoch)
        started = saved = time.perf_counter()
        self.model.train()
        for step, (inputs, rows) in enumerate(self._batches(view, order)):
            if step < progress.step:  # an earlier process did it
                continue
            progress.images += self._step(inputs, rows)
            progress.step += 1
            done = (self.turn.before + progress.epoch) * self.steps + progress.step
            self.report("refine", done, self._epochs * self.steps)
            if interruption.shared(self.ranks):
                progress.seconds += time.perf_counter() - started
                return
            if time.perf_counter() - saved > _CHECKPOINT_SECONDS:
                self._save()
                saved = time.perf_counter()
        progress.seconds += time.perf_counter() - started
        if not progress.images:
            raise DataError("No training image can be read any more. Look where the folder is, and run again.")
        self._end_of_epoch(began)

    def _prepare(self, view: int | None) -> None:
        """Have the source ready; process 0 writes what all of them read."""
        noted = False
        if self.ranks.rank == 0:
            try:
                self.source.prepare(view, self._report_activations)
            except _NotedError:
                noted = True
        if self.ranks.any(noted):
            raise _NotedError
        with self.ranks.same_fate():
            if self.ranks.rank > 0:
                self.source.prepare(view, lambda *_: None)

    def _report_activations(self, done: int, total: int) -> None:
        if self.interruption.signal is not None:
            raise _NotedError
        self.report("activations", done, total)

    def _batches(self, view: int, order: Rows) -> Iterator[tuple[Tensor, Rows]]:
        """Yield this process's share of an epoch's batches, on the device.

        A last batch that is not full is left out, where it is not the only one. Beside others, a process whose images
        come to an end before theirs goes on with empty shares.
        """
        mine, size, steps = share_of_batches(order, self.size, self.ranks)
        done = 0
        for inputs, rows in self.source.batches(view, mine, size) if size else ():
            if len(rows) < size and done and self.ranks.size == 1:
                return
            yield self._on_device(inputs), rows
            done += 1
        for _ in range(done, steps if self.ranks.size > 1 else 0):
            yield torch.empty(0, device=self.device), mine[:0]

    def estimate(self, left: int) -> str:
        """Say how long so many epochs will take, by trying; nothing is changed by it.

        Raises
        ------
        DataError
            If no training image can be read.
        """
        began = time.perf_counter()
        self._prepare(0)
        each_view = time.perf_counter() - began
        buffers = [buffer.clone() for buffer in self.model.buffers()]
        for inputs, rows in self._batches(0, self.parts.train[: self.size]):
            self.model.train()
            labels = self.labels[rows]
            _, _, images = self.gradients.compute(inputs, labels, labels, 1.0)  # the first one also sets things up
            if not images:
                break
            began = time.perf_counter()
            self.gradients.compute(inputs, labels, labels, 1.0)
            rate = images / (time.perf_counter() - began)
            self.gradients.clear()
            with torch.no_grad():
                torch._foreach_copy_(list(self.model.buffers()), buffers)
            views = 0 if each_view < 1 else max(0, min(self.settings.views, left) - 1)
            seconds = left * self.steps * self.size / rate * (1 + _TESTING_SHARE / 2) + views * each_view
            total = self.steps * self.size
            return f"About {time_in_words(seconds)}: {left} epochs of {total:,} images, {rate:,.0f} images/s."
        raise DataError("No training image can be read any more. Look where the folder is, and run again.")

    def _on_device(self, inputs: Tensor) -> Tensor:
        if self.device == "cuda":
            inputs = inputs.pin_memory().to(self.device, non_blocking=True)
        else:
            inputs = inputs.to(self.device)
        if inputs.ndim == 4:
            inputs = inputs.contiguous(memory_format=torch.channels_last)
        return self.model.normalized(inputs)

    def _step(self, inputs: Tensor, rows: Rows) -> int:
        """Take a step; return how many images it was, in all processes."""
        progress, settings = self.progress, self.settings
        done = progress.epoch * self.steps + progress.step
        # Each process drops out and blends by itself, within its own share.
        rng = np.random.default_rng([self.seed, 1, done] + ([self.ranks.rank] if self.ranks.rank else []))
        torch.manual_seed(int(rng.integers(2**62)))
        blended, partner, share = blend(inputs, settings, rng)
        labels = self.labels[rows]
        others = labels[torch.from_numpy(partner).to(labels.device)]
        rate = rate_at(settings, done / (settings.epochs * self.steps))
        loss, wrong, images = self.gradients.compute(blended, labels, others, share)
        if not images:
            return 0
        if not math.isfinite(loss):
            if self.ranks.rank == 0:
                self.file.unlink(missing_ok=True)
            raise ConfigError(
                f"The loss is no number any more, in epoch {self.turn.before + progress.epoch + 1} "
                f"at a learning rate of {rate:.2g}: it is too high for this network. "
                f"Type: --refinement.learning_rate {settings.learning_rate / 10:g}"
            )
        progress.loss += loss * images
        progress.wrong += wrong
        for group in self.optimizer.param_groups:
            group["lr"] = rate * group["share"]
        self.gradients.step(self.optimizer)
        self.average.update(done + 1)
        return images

    def _end_of_epoch(self, began: float) -> None:
        progress, settings, parts = self.progress, self.settings, self.parts
        number = progress.epoch + 1
        last = number == settings.epochs
        look = len(parts.test) > 0 and (last or number % self.look_every == 0)
        validation = tested = None
        with self.average.in_place():
            if len(parts.validation):
                validation = self._measure(parts.validation)
            if look:
                tested = self._measure(parts.test)
        images = progress.images
        epoch = Epoch(
            epoch=self.turn.before + number,
            training=self.turn.number + 1,
            train_loss=progress.loss / images,
            train_error=progress.wrong / images,
            validation_loss=validation[0] if validation else None,
            validation_error=validation[1] if validation else None,
            test_error=tested[1] if tested else None,
            learning_rate=rate_at(settings, (number * self.steps - 1) / (settings.epochs * self.steps)),
            images_per_second=images / max(progress.seconds, 1e-9),
            seconds=time.perf_counter() - began,
        )
        best = min((e.validation_error for e in progress.epochs if e.validation_error is not None), default=None)
        if validation and (best is None or validation[1] <= best):
            self.best = [value.clone() for value in self.average.values]
        self.progress = Progress(epoch=number, epochs=(*progress.epochs, epoch))
        self._save()
        self.say(epoch_in_words(epoch, self._epochs))

    def error(self) -> float:
        """Return the model's share of wrong answers among the images that validate; without any, among the trained."""
        validation = self.parts.validation
        return self._measure(validation)[1] if len(validation) else self._measure(self.parts.train, view=0)[1]

    @torch.inference_mode()
    def _measure(self, rows: Rows, view: int | None = None) -> tuple[float, float]:
        """Return mean loss and share of wrong answers of some images; by default as they are tested."""
        self._prepare(view)
        self.model.eval()
        loss, wrong, seen = 0.0, 0.0, 0.0
        for inputs, part in self.source.batches(view, rows[self.ranks.share(len(rows))], _TEST_BATCH):
            labels = self.labels[part]
            with self.gradients.autocast():
                scores = self.model(self._on_device(inputs))
            loss += float(F.cross_entropy(scores, labels, reduction="sum"))
            wrong += int((scores.argmax(1) != labels).sum())
            seen += len(part)
        self.model.train()
        loss, wrong, seen = self.ranks.sum(loss, wrong, seen)
        return loss / max(seen, 1), wrong / max(seen, 1)

    def _out_of_patience(self) -> bool:
        errors = [epoch.validation_error for epoch in self.progress.epochs if epoch.validation_error is not None]
        return 0 < self.settings.patience <= len(errors) - 1 - errors.index(min(errors)) if errors else False

    def _keep_the_right_epoch(self) -> None:
        """Keep the last epoch's average, unless an earlier epoch was better by more than chance explains."""
        epochs = self.progress.epochs
        self.kept_epoch = epochs[-1].epoch
        values = self.average.values
        last = epochs[-1].validation_error
        if last is not None and self.best:
            errors = [epoch.validation_error for epoch in epochs if epoch.validation_error is not None]
            lowest = min(errors)
            if self.stopped == "interrupted" or beyond_chance(last, lowest, len(self.parts.validation)):
                values = self.best
                self.kept_epoch = max(e.epoch for e in epochs if e.validation_error == lowest)
        with torch.no_grad():
            torch._foreach_copy_([parameter.detach() for parameter in self.parameters], values)
        self.model.eval()


def beyond_chance(error: float, lowest: float, images: int) -> bool:
    """Tell whether an error is further above another one, of the same images, than chance explains.

    >>> beyond_chance(0.06, 0.04, 100), beyond_chance(0.12, 0.04, 100)
    (False, True)
    """
    return error - lowest > _DEVIATIONS * math.sqrt(error * (1 - error) / images)
