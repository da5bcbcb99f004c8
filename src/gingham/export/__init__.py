"""The model file: one ONNX file that needs nothing else, and the predictor that answers from it."""

from gingham.export.model_file import ModelInfo, build_model
from gingham.export.predictor import Prediction, Predictor, load

__all__ = ["ModelInfo", "Prediction", "Predictor", "build_model", "load"]
