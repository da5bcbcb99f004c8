"""Several views and several networks as one torch module. Imports torch; nothing imports it at start."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor, nn

from gingham.records import View

__all__ = ["ComposedNetwork"]

Triple = tuple[float, float, float]


class ComposedNetwork(nn.Module):
    """Networks side by side, the features of each averaged over views.

    Parameters
    ----------
    networks : sequence of (nn.Module, mean, std)
        Each float32 (N, 3, inner, inner), normalized with its own mean and std → (N, n_features). The module's input is
        normalized with the first one's.
    views : sequence of View
    inner : int
    """

    def __init__(self, networks: Sequence[tuple[nn.Module, Triple, Triple]], views: Sequence[View], inner: int) -> None:
        super().__init__()
        self.networks = nn.ModuleList(network for network, _, _ in networks)
        self.views, self.inner = tuple(views), inner
        (_, mean, std), *_ = networks
        for place, (_, own_mean, own_std) in enumerate(networks):
            scale, shift = torch.tensor(std) / torch.tensor(own_std), torch.tensor(mean) - torch.tensor(own_mean)
            self.register_buffer(f"scale{place}", scale.view(1, 3, 1, 1))
            self.register_buffer(f"shift{place}", (shift / torch.tensor(own_std)).view(1, 3, 1, 1))

    def forward(self, images: Tensor) -> Tensor:
        """Map normalized (N, 3, outer, outer) to features (N, n_features)."""
        seen = []
        for view in self.views:
            part = images[..., view.top : view.top + self.inner, view.left : view.left + self.inner]
            seen.append(part.flip(-1) if view.mirrored else part)
        stacked = torch.cat(seen)
        sides = []
        for place, network in enumerate(self.networks):
            own = stacked * self.get_buffer(f"scale{place}") + self.get_buffer(f"shift{place}")
            mean = network(own).unflatten(0, (len(self.views), len(images))).mean(0)
            sides.append(nn.functional.normalize(mean, dim=1) if len(self.networks) > 1 else mean)
        return torch.cat(sides, 1)
