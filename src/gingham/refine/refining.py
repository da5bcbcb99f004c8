"""Refining: a pretrained network is trained further on the user's images, as much of it as is worth its time."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Literal

import numpy as np
import torch
from numpy.typing import NDArray

from gingham.config import Refinement
from gingham.errors import ConfigError
from gingham.executors import has_bf16
from gingham.features import Backbone, feature_key, open_engine
from gingham.features.cache import key_digest
from gingham.refine.acceleration import accelerate
from gingham.refine.classifier import Classifier
from gingham.refine.prefix import PrefixBackbone
from gingham.refine.result import Refined
from gingham.refine.sources import ActivationSource, Files, PixelSource, Source
from gingham.refine.stages import Cut, cut_network
from gingham.refine.training import Parts, Training

__all__ = ["refine"]

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
    resolution = files.maker.recipe.resolution
    device, precision = _machine(settings)
    network = backbone.torch_module(resolution)
    cut = cut_network(network, settings.depth, resolution, on_gpu=device != "cpu")
    source, shape = _source(
        cut, backbone, files, parts, settings, seed, engine, engine_precision, activations, converted
    )
    if device == "cpu" and list(cut.trained.parameters()):
        example = torch.randn(2, *shape, generator=torch.Generator().manual_seed(0))
        example = example.permute(0, 3, 1, 2) if example.ndim == 4 else example
        accelerate(cut.trained, example, fold=settings.freeze_norm)
    model = Classifier(
        cut.trained,
        coef,
        intercept,
        dropout=settings.dropout,
        mean=backbone.mean,
        std=backbone.std,
        freeze_norm=settings.freeze_norm,
    ).to(device)
    model = model.to(memory_format=torch.channels_last)
    if _compiles(settings, device, len(parts.train) * settings.epochs):
        model.trained.compile()
    training = Training(
        model,
        source,
        parts,
        settings,
        seed=seed,
        device=device,
        precision=precision,
        file=checkpoint,
        report=report,
        say=say,
    )
    try:
        say(training.estimate())
        training.run()
    finally:
        source.close()
    last = model.last
    return Refined(
        tensors={name: tensor.detach().cpu().numpy() for name, tensor in network.state_dict().items()},
        coef=last.weight.detach().cpu().double().numpy(),
        intercept=last.bias.detach().cpu().double().numpy(),
        epochs=training.progress.epochs,
        kept_epoch=training.kept_epoch,
        stopped=training.stopped,
        depth=cut.depth,
        device=device,
        precision=precision,
        trained_parameters=sum(parameter.numel() for parameter in model.parameters()),
        parameters=sum(parameter.numel() for parameter in network.parameters()) + coef.size + intercept.size,
    )


def _compiles(settings: Refinement, device: Device, images: int) -> bool:
    if settings.compile == "auto":
        return device == "cuda" and images >= _WORTH_COMPILING
    return settings.compile == "always"


def _machine(settings: Refinement) -> tuple[Device, Precision]:
    """Return the device and the precision that are meant here."""
    gpu: Device | None = None
    if torch.cuda.is_available():
        gpu = "cuda"
    elif torch.backends.mps.is_available():
        gpu = "mps"
    device: Device = (gpu or "cpu") if settings.device == "auto" else settings.device
    if device not in ("cpu", gpu):
        raise ConfigError(f"refinement.device is {device}, which torch cannot use here. Type: --refinement.device auto")
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


def _source(
    cut: Cut,
    backbone: Backbone,
    files: Files,
    parts: Parts,
    settings: Refinement,
    seed: int,
    engine: str,
    precision: str,
    activations: Path,
    converted: Path | None,
) -> tuple[Source, Sequence[int]]:
    """Return where the trained part gets its inputs from, and the shape of one, channels last."""
    resolution = files.maker.recipe.resolution
    if cut.fixed is None:
        return PixelSource(files), (resolution, resolution, 3)
    prefix = PrefixBackbone(backbone, cut, resolution, converted)
    runner = open_engine(prefix, resolution, engine, precision)
    plain = np.concatenate([parts.validation, parts.test])
    maker = files.maker
    key = key_digest(
        feature_key(runner, maker.recipe)
        | {"augment": maker.augment, "crop": maker.smallest_crop, "flip": maker.flip, "seed": seed}
        | {"rows": "".join(files.items[row][0] for row in (*parts.train, *plain)), "train": len(parts.train)}
    )
    limit = settings.cache_gb * 1e9
    _make_room(activations, key, limit)
    source = ActivationSource(files, runner, prefix.shape, activations / key, limit, varied=parts.train, plain=plain)
    return source, prefix.shape


def _make_room(activations: Path, own: str, limit: float) -> None:
    """Remove activations of other trainings, the oldest first, until they leave half of the room."""
    others = sorted((folder for folder in activations.glob("*") if folder.name != own), key=lambda f: f.stat().st_mtime)
    taken = [sum(file.stat().st_size for file in folder.glob("*")) for folder in others]
    for place, folder in enumerate(others):
        if sum(taken[place:]) <= limit / 2:
            break
        shutil.rmtree(folder, ignore_errors=True)
