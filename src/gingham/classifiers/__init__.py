"""Classifiers on features: the search for a linear SVM, its calibration, and the head that they make."""

from gingham.classifiers.head import LinearHead, fit_head

__all__ = ["LinearHead", "fit_head"]
