"""The verbs: everything that the command line, Python, studio and notebooks offer, each once.

A verb takes a project and its parameters, brings up to date what it needs, and returns a result object.
"""

from gingham.workflow.doctor import doctor
from gingham.workflow.export import export
from gingham.workflow.history import compare, runs, show
from gingham.workflow.nearest import NearestImage, NearestResult, Neighbours, nearest
from gingham.workflow.results import (
    Comparison,
    DatasetSummary,
    Diagnosis,
    EvaluateResult,
    ExportResult,
    FeaturesResult,
    InitResult,
    RefineResult,
    RunList,
    RunResult,
    SampleResult,
    SplitResult,
    TrainResult,
)
from gingham.workflow.run import run
from gingham.workflow.setup import init, sample
from gingham.workflow.stages import evaluate, featurize, refine, split, train
from gingham.workflow.steps import Progress
from gingham.workflow.tune import TuneResult, tune

__all__ = [
    "Comparison",
    "DatasetSummary",
    "Diagnosis",
    "EvaluateResult",
    "ExportResult",
    "FeaturesResult",
    "InitResult",
    "NearestImage",
    "NearestResult",
    "Neighbours",
    "Progress",
    "RefineResult",
    "RunList",
    "RunResult",
    "SampleResult",
    "SplitResult",
    "TrainResult",
    "TuneResult",
    "compare",
    "doctor",
    "evaluate",
    "export",
    "featurize",
    "init",
    "nearest",
    "refine",
    "run",
    "runs",
    "sample",
    "show",
    "split",
    "train",
    "tune",
]
