"""The verbs: everything that the command line, Python, studio and notebooks offer, each once.

A verb takes a project and its parameters, brings up to date what it needs, and returns a result object.
"""

from gingham.workflow.annotating import (
    AnnotateResult,
    HistoryResult,
    UndoResult,
    annotate,
    annotation_history,
    undo_annotation,
)
from gingham.workflow.annotation_files import AnnotationFile, export_annotations, import_annotations
from gingham.workflow.applying import ApplyResult, apply_labels
from gingham.workflow.check_result import CheckResult
from gingham.workflow.checking import check
from gingham.workflow.collect_files import AttributionResult, StatusResult, collect_attribution, collect_status
from gingham.workflow.collecting import CollectResult, collect_dataset, collect_search, collect_urls
from gingham.workflow.dedupe import DedupeResult, PutBackResult, dedupe, put_back
from gingham.workflow.doctor import doctor
from gingham.workflow.export import export
from gingham.workflow.history import compare, runs, show
from gingham.workflow.learning import LearningResult, learning_curve
from gingham.workflow.looking import NextResult, next_up
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
    "AnnotateResult",
    "AnnotationFile",
    "ApplyResult",
    "AttributionResult",
    "CheckResult",
    "CollectResult",
    "Comparison",
    "DatasetSummary",
    "DedupeResult",
    "Diagnosis",
    "EvaluateResult",
    "ExportResult",
    "FeaturesResult",
    "HistoryResult",
    "InitResult",
    "LearningResult",
    "NearestImage",
    "NearestResult",
    "Neighbours",
    "NextResult",
    "Progress",
    "PutBackResult",
    "RefineResult",
    "RunList",
    "RunResult",
    "SampleResult",
    "SplitResult",
    "StatusResult",
    "TrainResult",
    "TuneResult",
    "UndoResult",
    "annotate",
    "annotation_history",
    "apply_labels",
    "check",
    "collect_attribution",
    "collect_dataset",
    "collect_search",
    "collect_status",
    "collect_urls",
    "compare",
    "dedupe",
    "doctor",
    "evaluate",
    "export",
    "export_annotations",
    "featurize",
    "import_annotations",
    "init",
    "learning_curve",
    "nearest",
    "next_up",
    "put_back",
    "refine",
    "run",
    "runs",
    "sample",
    "show",
    "split",
    "train",
    "tune",
    "undo_annotation",
]
