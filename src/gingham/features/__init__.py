"""Features: what a pretrained network sees in an image.

`load_backbone` finds a network, `open_engine` runs it on this machine, `featurize` maps files to a matrix, and
`FeatureCache` remembers the rows.
"""

from gingham.features.backbones import Backbone, Weights, check_resolution, embedded_names, load_backbone
from gingham.features.cache import FeatureCache
from gingham.features.composed import JOINT, compose, load_composed
from gingham.features.engines import Engine, EnginePlan, describe_engine, open_engine
from gingham.features.pipeline import FeaturizeResult, feature_key, featurize, featurize_dataset

__all__ = [
    "JOINT",
    "Backbone",
    "Engine",
    "EnginePlan",
    "FeatureCache",
    "FeaturizeResult",
    "Weights",
    "check_resolution",
    "compose",
    "describe_engine",
    "embedded_names",
    "feature_key",
    "featurize",
    "featurize_dataset",
    "load_backbone",
    "load_composed",
    "open_engine",
]
