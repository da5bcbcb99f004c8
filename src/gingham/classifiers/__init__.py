"""Classifiers on features: the search for a linear SVM, its calibration, and the head that they make."""

from gingham.classifiers.head import LinearHead, fit_head
from gingham.classifiers.validated import network_head, validated_svm_head, validation_part

__all__ = ["LinearHead", "fit_head", "network_head", "validated_svm_head", "validation_part"]
