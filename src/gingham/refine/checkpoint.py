"""A training on disk between two steps: every tensor that changes, and how far it is."""

from __future__ import annotations

import dataclasses
import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import torch
from torch import Tensor

from gingham.project import write_whole
from gingham.records import Epoch

__all__ = ["Progress", "read_checkpoint", "write_checkpoint"]


@dataclass
class Progress:
    """How far a training is.

    Parameters
    ----------
    epoch : int
        Epochs that are done.
    step : int
        Steps of the next one that are done.
    images, wrong : int
        Seen, and answered wrongly, in these steps.
    loss, seconds : float
        Summed over these images; that these steps took.
    epochs : tuple of Epoch
    """

    epoch: int = 0
    step: int = 0
    images: int = 0
    wrong: int = 0
    loss: float = 0.0
    seconds: float = 0.0
    epochs: tuple[Epoch, ...] = ()


def write_checkpoint(file: Path, progress: Progress, tensors: Mapping[str, Tensor]) -> None:
    """Write a training as safetensors, whole or not at all.

    Raises
    ------
    UnavailableError
        If the disk is full or the folder cannot be written; the checkpoint before stays.
    """
    from safetensors.torch import save

    owned = {name: tensor.detach().to("cpu").contiguous() for name, tensor in tensors.items()}
    text = json.dumps(dataclasses.asdict(progress))
    write_whole(file, save(owned, {"progress": text, "checksum": _checksum(text, owned)}))


def read_checkpoint(file: Path) -> tuple[Progress, dict[str, Tensor]] | None:
    """Read what `write_checkpoint` wrote; None if there is no such file, or it is damaged."""
    from safetensors import SafetensorError, safe_open

    try:
        with safe_open(file, framework="pt") as stored:
            about = stored.metadata() or {}
            tensors = {name: stored.get_tensor(name) for name in stored.keys()}  # noqa: SIM118
        if about.get("checksum") != _checksum(about["progress"], tensors):
            return None
        progress = Progress(**json.loads(about["progress"]))
        progress.epochs = tuple(Epoch(**epoch) for epoch in json.loads(about["progress"])["epochs"])
        return progress, tensors
    except (OSError, SafetensorError, ValueError, KeyError, TypeError):
        return None


def _checksum(text: str, tensors: Mapping[str, Tensor]) -> str:
    digest = hashlib.blake2b(text.encode(), digest_size=16)
    for name in sorted(tensors):
        tensor = tensors[name]
        digest.update(f"{name} {tuple(tensor.shape)} {tensor.dtype}".encode())
        digest.update(tensor.reshape(-1).view(torch.uint8).numpy().data)
    return digest.hexdigest()
