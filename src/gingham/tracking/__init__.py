"""Run history: what every training was made of and what came out, kept in the project and mirrored to MLflow."""

from gingham.tracking.mirror import mirror_run
from gingham.tracking.record import DatasetBlock, FeaturizeBlock, RunRecord, SkippedEntry, SvmBlock, masked_parameters
from gingham.tracking.store import RunListing, RunStore, RunSummary, StagedRun

__all__ = [
    "DatasetBlock",
    "FeaturizeBlock",
    "RunListing",
    "RunRecord",
    "RunStore",
    "RunSummary",
    "SkippedEntry",
    "StagedRun",
    "SvmBlock",
    "masked_parameters",
    "mirror_run",
]
