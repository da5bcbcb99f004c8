"""Refining: a pretrained network is trained further on the user's images, as much of it as is worth its time."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import numpy as np
import torch
from numpy.typing import NDArray
from torch import nn

from gingham.config import Refinement
from gingham.errors import ConfigError, GinghamError
from gingham.executors import has_bf16
from gingham.features import Backbone, Engine, feature_key, open_engine
from gingham.features.cache import key_digest
from gingham.refine.acceleration import accelerate
from gingham.refine.averaging import train_and_average
from gingham.refine.batches import Parts
from gingham.refine.classifier import Classifier
from gingham.refine.prefix import PrefixBackbone
from gingham.refine.ranks import LostError, Ranks, joined
from gingham.refine.result import Refined
from gingham.refine.sources import ActivationSource, Files, PixelSource, Source
from gingham.refine.stages import Cut, cut_network
from gingham.refine.training import Training
from gingham.refine.turns import Turn

__all__ = ["help_to_refine", "refine"]

_WORTH_COMPILING = 50_000
"""Images trained in all, from which the minute that torch.compile takes is won back on a GPU."""

Report = Callable[[str, int, int], None]
Device = Literal["cpu", "cuda", "mps"]
Precision = Literal["bf16", "f16", "f32"]


def refine(
    backbone: Backbone,
    files: Files,
    parts: Parts,
    coef: NDArray[np.float64],
    intercept: NDArray[np.float64],
    settings: Refinement,
    *,
    seed: int,
    engine: str,
    engine_precision: str,
    checkpoint: Path,
    activations: Path,
    converted: Path | None,
    report: Report,
    say: Callable[[str], None],
) -> Refined:
    """Train a new last layer, and the network in front of it, on the training images.

    On a CPU most of the network stays as it is by default: what it makes of the images is computed once for each view,
    by the fast engine, and only the stages behind are trained.

    Parameters
    ----------
    backbone : Backbone
    files : Files
    parts : Parts
    coef, intercept : float64 array of shape (n_classes, n_features) and (n_classes,)
        Where the last layer starts.
    settings : Refinement
    seed : int
        Of everything that is drawn at random.
    engine, engine_precision : str
        What runs the part that stays; as :func:`gingham.features.open_engine`.
    checkpoint : Path
        Written while it trains; with one of the same training there, it goes on from it.
    activations : Path
        A folder for what stands in front of the trained stages.
    converted : Path, optional
        A folder for converted networks.
    report : callable of (step, done, total)
    say : callable of str
        Told an estimate, and a line after each epoch.

    Returns
    -------
    Refined

    Raises
    ------
    ConfigError
        If a setting does not fit the backbone or the machine, or the training diverges.
    DataError
        If no training image can be read any more.
    UnavailableError
        If torch, weights, memory or room on the disk are missing.
    KeyboardInterrupt
        By SIGTERM, or Ctrl-C before the first epoch was done; the same call goes on from there.
    """
    ranks = joined()
    work = _Work(
        backbone,
        files,
        parts,
        coef,
        intercept,
        settings,
        seed,
        engine,
        engine_precision,
        checkpoint,
        activations,
        converted,
    )
    with ranks.busy():
        ranks.tell(work)
        return _train(work, ranks, report, say)


def help_to_refine(ranks: Ranks) -> None:
    """Train along in every refinement that process 0 begins, until it is done; only that one has the results.

    Raises
    ------
    LostError
        If process 0 has ended without a word.
    """
    while (work := ranks.tell(None)) is not None:
        try:
            _train(work, ranks, lambda *_: None, lambda _: None)
        except LostError:
            raise
        except (GinghamError, KeyboardInterrupt):
            continue  # process 0 has the same, and says so


@dataclass(frozen=True)
class _Work:
    """What `refine` was called with, for those who train along."""

    backbone: Backbone
    files: Files
    parts: Parts
    coef: NDArray[np.float64]
    intercept: NDArray[np.float64]
    settings: Refinement
    seed: int
    engine: str
    engine_precision: str
    checkpoint: Path
    activations: Path
    converted: Path | None


def _train(work: _Work, ranks: Ranks, report: Report, say: Callable[[str], None]) -> Refined:
    settings, backbone = work.settings, work.backbone
    resolution = work.files.maker.recipe.resolution
    with ranks.same_fate():
        device, precision = _machine(settings, ranks)
        network = backbone.torch_module(resolution)
        cut = cut_network(network, settings.depth, resolution, on_gpu=device != "cpu")
        _refuse_norms(cut, settings, ranks)
    source, shape = _source(cut, work, ranks)
    if device == "cpu" and list(cut.trained.parameters()):
        example = torch.randn(2, *shape, generator=torch.Generator().manual_seed(0))
        example = example.permute(0, 3, 1, 2) if example.ndim == 4 else example
        accelerate(cut.trained, example, fold=settings.freeze_norm)
    model = Classifier(
        cut.trained,
        work.coef,
        work.intercept,
        dropout=settings.dropout,
        mean=backbone.mean,
        std=backbone.std,
        freeze_norm=settings.freeze_norm,
    ).to(device)
    model = model.to(memory_format=torch.channels_last)
    if _compiles(settings, device, len(work.parts.train) * settings.epochs * settings.trainings):
        model.trained.compile()

    def make(turn: Turn, file: Path) -> Training:
        with ranks.same_fate():
            return Training(
                model,
                source,
                work.parts,
                settings,
                seed=work.seed,
                device=device,
                precision=precision,
                file=file,
                turn=turn,
                ranks=ranks,
                report=report,
                say=say,
            )

    try:
        trained = train_and_average(model, make, settings, work.checkpoint, say)
    finally:
        source.close()
    last = model.last
    return Refined(
        tensors={name: tensor.detach().cpu().numpy() for name, tensor in network.state_dict().items()},
        coef=last.weight.detach().cpu().double().numpy(),
        intercept=last.bias.detach().cpu().double().numpy(),
        epochs=trained.epochs,
        kept_epochs=trained.kept_epochs,
        validation_error=trained.validation_error,
        stopped=trained.stopped,
        depth=cut.depth,
        device=device,
        precision=precision,
        trained_parameters=sum(parameter.numel() for parameter in model.parameters()),
        parameters=sum(parameter.numel() for parameter in network.parameters()) + work.coef.size + work.intercept.size,
    )


def _refuse_norms(cut: Cut, settings: Refinement, ranks: Ranks) -> None:
    norms = any(isinstance(layer, nn.modules.batchnorm._BatchNorm) for layer in cut.trained.modules())
    if ranks.size > 1 and norms and not settings.freeze_norm:
        raise ConfigError(
            f"refinement.freeze_norm is false, but each of the {ranks.size} processes sees only a part of a batch, and "
            "batch norms that learn need all of it. Type: --refinement.freeze_norm, or start without torchrun"
        )


def _compiles(settings: Refinement, device: Device, images: int) -> bool:
    if settings.compile == "auto":
        return device == "cuda" and images >= _WORTH_COMPILING
    return settings.compile == "always"


def _machine(settings: Refinement, ranks: Ranks) -> tuple[Device, Precision]:
    """Return the device and the precision that are meant here."""
    gpu: Device | None = None
    if torch.cuda.is_available():
        gpu = "cuda"
    elif torch.backends.mps.is_available():
        gpu = "mps"
    device: Device = (gpu or "cpu") if settings.device == "auto" else settings.device
    if device not in ("cpu", gpu):
        raise ConfigError(f"refinement.device is {device}, which torch cannot use here. Type: --refinement.device auto")
    if ranks.size > 1:
        _take_own_gpu(device, ranks)
    if device == "cuda":
        bf16 = torch.cuda.is_bf16_supported(including_emulation=False)
    else:
        bf16 = device == "cpu" and has_bf16()
    if settings.precision == "auto":
        return device, "bf16" if bf16 else "f16" if device == "cuda" else "f32"
    if (settings.precision == "bf16" and not bf16) or (settings.precision == "f16" and device != "cuda"):
        raise ConfigError(
            f"refinement.precision is {settings.precision}, which this {'processor' if device == 'cpu' else 'GPU'} "
            "does not have. Type: --refinement.precision auto (or f32)"
        )
    return device, settings.precision


def _take_own_gpu(device: Device, ranks: Ranks) -> None:
    if device == "mps":
        raise ConfigError(
            f"refinement.device is mps, which cannot be shared by {ranks.size} processes. Start without torchrun, or "
            "type: --refinement.device cpu"
        )
    if device == "cuda":
        gpus = torch.cuda.device_count()
        if ranks.size > gpus:
            raise ConfigError(
                f"torchrun started {ranks.size} processes, and torch can use {gpus} GPU{'s' if gpus > 1 else ''} here: "
                f"each needs its own. Type: torchrun --standalone --nproc-per-node {gpus} -m gingham …"
            )
        torch.cuda.set_device(ranks.local_rank)


def _source(cut: Cut, work: _Work, ranks: Ranks) -> tuple[Source, Sequence[int]]:
    """Return where the trained part gets its inputs from, and the shape of one, channels last."""
    files, parts = work.files, work.parts
    resolution = files.maker.recipe.resolution
    if cut.fixed is None:
        return PixelSource(files, ranks.size), (resolution, resolution, 3)
    runner = folder = shape = None
    if ranks.rank == 0:
        prefix = PrefixBackbone(work.backbone, cut, resolution, work.converted)
        runner = open_engine(prefix, resolution, work.engine, work.engine_precision)
        shape = prefix.shape
        folder = work.activations / _activations_key(runner, work)
        _make_room(work.activations, folder.name, work.settings.cache_gb * 1e9)
    folder, shape = ranks.tell((folder, shape))
    source = ActivationSource(
        files,
        runner,
        shape,
        folder,
        work.settings.cache_gb * 1e9,
        varied=parts.varied,
        plain=parts.plain,
    )
    return source, shape


def _activations_key(runner: Engine, work: _Work) -> str:
    maker, parts = work.files.maker, work.parts
    rows = (*parts.varied, *parts.plain)
    return key_digest(
        feature_key(runner, maker.recipe)
        | {"augment": maker.augment, "crop": maker.smallest_crop, "flip": maker.flip, "seed": work.seed}
        | {"rows": "".join(work.files.items[row][0] for row in rows), "train": len(parts.varied)}
    )


def _make_room(activations: Path, own: str, limit: float) -> None:
    """Remove activations of other trainings, the oldest first, until they leave half of the room."""
    others = sorted((folder for folder in activations.glob("*") if folder.name != own), key=lambda f: f.stat().st_mtime)
    taken = [sum(file.stat().st_size for file in folder.glob("*")) for folder in others]
    for place, folder in enumerate(others):
        if sum(taken[place:]) <= limit / 2:
            break
        shutil.rmtree(folder, ignore_errors=True)
