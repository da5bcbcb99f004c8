"""A network as a row of stages, cut in front of one: what is before it is computed once, the rest trained."""

from __future__ import annotations

import copy
import math
import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn

from gingham.errors import ConfigError

__all__ = ["Cut", "Stages", "cut_network"]

_CONTAINERS = ("blocks", "stages", "layers", "features")
_NUMBERED = re.compile(r"(layer|s|level|stage)\d+")
_CPU_SHARE = 0.4  # of the stages; `docs/decisions/refinement.md` says what other depths gave
_AGREEMENT = 1e-4


class _Method(nn.Module):
    """A step of a network that is a method of it, such as the adding of position embeddings."""

    def __init__(self, network: nn.Module, name: str) -> None:
        super().__init__()
        self.name = name
        # In a tuple, so that the whole network does not become a part of this one.
        self._of = (network,)

    def forward(self, x: Tensor) -> Tensor:
        result: Tensor = getattr(self._of[0], self.name)(x)
        return result


@dataclass(frozen=True)
class Stages:
    """The steps of a network in the order in which an image passes them.

    Parameters
    ----------
    steps : tuple of nn.Module
        Their composition is the network.
    stages : tuple of int
        The positions among the steps where the stages begin; steps after the last stage belong to it.
    """

    steps: tuple[nn.Module, ...]
    stages: tuple[int, ...]

    @classmethod
    def of(cls, network: nn.Module) -> Stages | None:
        """Find the stages of a timm network; None where it is not a plain row of them.

        Parameters
        ----------
        network : nn.Module
            Float32 (N, 3, S, S) → (N, n_features); the classification layer is an identity.
        """
        steps: list[nn.Module] = []
        begins: list[int] = []
        for name, child in _in_order(network):
            inner: Callable[[], Iterator[nn.Module]] | None = None
            if name in _CONTAINERS and isinstance(child, nn.Sequential | nn.ModuleList) and not begins:
                inner = child.children
            if inner is not None:
                for stage in inner():
                    begins.append(len(steps))
                    steps.append(stage)
            else:
                if _NUMBERED.fullmatch(name):
                    begins.append(len(steps))
                steps.append(child)
        return cls(tuple(steps), tuple(begins)) if len(begins) > 1 else None


def _in_order(network: nn.Module) -> Iterator[tuple[str, nn.Module]]:
    """Yield the children of a network in the order of its forward pass, as timm writes them down."""
    if not hasattr(network, "_pos_embed"):
        yield from network.named_children()
        return
    # Vision transformers: position embeddings and the pooling of tokens are methods.
    yield "patch_embed", network.get_submodule("patch_embed")
    yield "pos_embed", _Method(network, "_pos_embed")
    for name in ("patch_drop", "norm_pre", "blocks", "norm"):
        if isinstance(child := getattr(network, name, None), nn.Module):
            yield name, child
    yield "forward_head", _Method(network, "forward_head")


@dataclass(frozen=True)
class Cut:
    """A network in two parts.

    Parameters
    ----------
    fixed : nn.Module or None
        What stays as it is: images → activations; None where everything is trained.
    trained : nn.Module
        Activations, or images → features (N, n_features). It shares its parameters with ``network``.
    network : nn.Module
        The whole.
    names : tuple of str
        Of the trained parameters in the whole network, in its order.
    depth : str
        What was chosen, such as ``last-3-stages``.
    stage : int or None
        The first stage that is trained, from 0; None where the cut is not in front of one.
    """

    fixed: nn.Module | None
    trained: nn.Module
    network: nn.Module
    names: tuple[str, ...]
    depth: str
    stage: int | None = None


def cut_network(network: nn.Module, depth: str, resolution: int, *, on_gpu: bool) -> Cut:
    """Cut a network in front of the first stage that is to be trained.

    Parameters
    ----------
    network : nn.Module
        Float32 (N, 3, S, S) → (N, n_features).
    depth : str
        ``head``, ``last-N-stages``, ``all``; ``auto``: all on a GPU, else two stages of five.
    resolution : int
        Side of its input.
    on_gpu : bool

    Raises
    ------
    ConfigError
        If the network has fewer stages, or cannot be cut.
    """
    if depth == "auto" and on_gpu:
        depth = "all"
    if depth == "all":
        return Cut(None, network, network, tuple(name for name, _ in network.named_parameters()), depth)
    if depth == "head":
        return Cut(network, nn.Identity(), network, (), depth)
    stages = Stages.of(network)
    if stages is None or not _composes(stages, network, resolution):
        if depth == "auto":
            return cut_network(network, "all", resolution, on_gpu=on_gpu)
        raise ConfigError(
            f"refinement.depth is {depth}, but this backbone is not a plain row of stages. "
            "Type: --refinement.depth all (or head)"
        )
    count = len(stages.stages)
    wanted = math.ceil(_CPU_SHARE * count) if depth == "auto" else int(depth.split("-")[1])
    if wanted > count:
        raise ConfigError(
            f"refinement.depth is {depth}, but this backbone has {count} stages. Type: --refinement.depth all"
        )
    first = stages.stages[count - wanted]
    fixed, trained = nn.Sequential(*stages.steps[:first]), nn.Sequential(*stages.steps[first:])
    of_trained = {id(parameter) for parameter in trained.parameters()}
    names = tuple(name for name, parameter in network.named_parameters() if id(parameter) in of_trained)
    chosen = f"last-{wanted}-stage{'s' if wanted > 1 else ''}"
    return Cut(fixed, trained, network, names, chosen, count - wanted)


def _composes(stages: Stages, network: nn.Module, resolution: int) -> bool:
    """Tell whether the steps, one after the other, are the network: found out by trying."""
    trial: Any = copy.deepcopy(nn.ModuleDict({"network": network, "steps": nn.Sequential(*stages.steps)})).eval()
    image = torch.rand(1, 3, resolution, resolution, generator=torch.Generator().manual_seed(0)) - 0.5
    with torch.inference_mode():
        try:
            expected, found = trial["network"](image), trial["steps"](image)
        except (RuntimeError, TypeError, ValueError, AttributeError):
            return False
    if expected.shape != found.shape:
        return False
    return bool((expected - found).abs().max() <= _AGREEMENT * expected.abs().max().clamp_min(1e-6))
