"""The networks of a project: where their weights lie, and how they are composed."""

from __future__ import annotations

from typing import TYPE_CHECKING

from gingham.config import Features
from gingham.errors import ConfigError
from gingham.project import ProjectFolder

if TYPE_CHECKING:
    from gingham.features import Backbone

__all__ = ["WEIGHTS", "pretrained_backbone", "refined_backbone", "single_backbone"]

WEIGHTS = "weights.safetensors"


def pretrained_backbone(folder: ProjectFolder, settings: Features) -> Backbone:
    """Return the pretrained network, or networks, on the views that are wanted.

    Raises
    ------
    ConfigError, DataError, UnavailableError
        As :func:`gingham.features.load_composed`.
    """
    from gingham.features import load_composed

    weights = folder.dataset(settings.backbone_weights) if settings.backbone_weights else None
    return load_composed(settings.backbone, weights, settings.resolution, settings.views, directory=folder.backbones)


def single_backbone(folder: ProjectFolder, settings: Features) -> Backbone:
    """Return the pretrained network, on one view: what is refined.

    Raises
    ------
    ConfigError, DataError, UnavailableError
        As :func:`pretrained_backbone`; ConfigError also where several networks are named.
    """
    from gingham.features import JOINT

    if JOINT in settings.backbone:
        first = settings.backbone.partition(JOINT)[0]
        raise ConfigError(
            f"One network is refined, and features.backbone names several: {settings.backbone}. "
            f"Type: --features.backbone {first}, and no --preset but fast"
        )
    return pretrained_backbone(folder, settings.model_copy(update={"views": "one"}))


def refined_backbone(folder: ProjectFolder, settings: Features, key: str) -> Backbone:
    """Return a network that was refined before, on the views that are wanted.

    Raises
    ------
    UnavailableError
        If its weights are gone.
    """
    from gingham.features import load_composed

    place = folder.refined / key
    return load_composed(settings.backbone, place / WEIGHTS, settings.resolution, settings.views, directory=place)
