"""Parameters: what they are (`tables`), where they come from (`loading`), how they are told (`describing`)."""

from gingham.config.describing import Parameter, explain, explain_unknown, parameters, to_toml
from gingham.config.loading import CONFIG_NAME, dotted, load_config
from gingham.config.presets import PRESETS
from gingham.config.tables import (
    Collection,
    Config,
    Evaluation,
    Features,
    Preprocess,
    Refinement,
    Service,
    Splits,
    Svm,
    Tracking,
    Tuning,
)

__all__ = [
    "CONFIG_NAME",
    "PRESETS",
    "Collection",
    "Config",
    "Evaluation",
    "Features",
    "Parameter",
    "Preprocess",
    "Refinement",
    "Service",
    "Splits",
    "Svm",
    "Tracking",
    "Tuning",
    "dotted",
    "explain",
    "explain_unknown",
    "load_config",
    "parameters",
    "to_toml",
]
