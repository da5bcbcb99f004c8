"""The model file: one ONNX file that needs nothing else, and the predictor that answers from it."""

from gingham.export.model_file import ModelInfo, build_model
from gingham.export.prediction import Prediction
from gingham.export.predictor import Predictor, load
from gingham.export.runtime import Outputs

__all__ = ["ModelInfo", "Outputs", "Prediction", "Predictor", "build_model", "load"]
