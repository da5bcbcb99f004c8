"""How good the classifier is, with intervals, and the report that says so."""

from __future__ import annotations

from gingham.evaluate.comparison import Comparison, Flip, MetricDifference, compare_predictions
from gingham.evaluate.metrics import Interval, Metrics, compute_metrics
from gingham.evaluate.predictions import PredictionTable, read_predictions, write_predictions
from gingham.evaluate.report import render_report
from gingham.evaluate.report_data import ReportData, images_to_show

__all__ = [
    "Comparison",
    "Flip",
    "Interval",
    "MetricDifference",
    "Metrics",
    "PredictionTable",
    "ReportData",
    "compare_predictions",
    "compute_metrics",
    "images_to_show",
    "read_predictions",
    "render_report",
    "write_predictions",
]
