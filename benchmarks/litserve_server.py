"""The same model behind LitServe: ``python -m benchmarks.litserve_server PORT MODEL RUNTIME``.

RUNTIME is ``onnxruntime``, with Pillow before it, as somebody does who has the model file and not Gingham; or
``gingham``: our own decoding and engine, so that only the serving differs.
"""

from __future__ import annotations

import base64
import io
import json
import sys
from typing import Any

import litserve
import numpy as np


class WithGingham(litserve.LitAPI):
    """Base64 in JSON in, the prediction out."""

    def __init__(self, model: str) -> None:
        super().__init__()
        self.model = model

    def setup(self, device: str) -> None:
        """Load the model, in the worker's process."""
        import gingham

        self.predictor = gingham.load(self.model)

    def decode_request(self, request: dict[str, str]) -> bytes:
        """Return the file."""
        return base64.b64decode(request["image"])

    def predict(self, data: bytes) -> dict[str, Any]:
        """Decode and compute."""
        from gingham.images import network_input

        square = network_input(data, self.predictor.info.recipe)
        (prediction,) = self.predictor.predictions([""], self.predictor.run(square[None]))
        return prediction.to_json()

    def encode_response(self, output: dict[str, Any]) -> dict[str, Any]:
        """Return it as it is."""
        return output


class WithOnnxRuntime(WithGingham):
    """The same by Pillow and ONNX Runtime."""

    def setup(self, device: str) -> None:
        """Load the model, in the worker's process."""
        import onnxruntime

        self.session = onnxruntime.InferenceSession(self.model, providers=["CPUExecutionProvider"])
        self.info = json.loads(self.session.get_modelmeta().custom_metadata_map["gingham"])

    def predict(self, data: bytes) -> dict[str, Any]:
        """Decode and compute."""
        from PIL import Image, ImageOps

        size = self.info["resolution"]
        image = ImageOps.exif_transpose(Image.open(io.BytesIO(data))).convert("RGB")
        side = min(image.size) * self.info["crop_fraction"]
        left, top = (image.width - side) / 2, (image.height - side) / 2
        square = image.resize((size, size), Image.Resampling.BICUBIC, box=(left, top, left + side, top + side))
        (probabilities,) = self.session.run(["probabilities"], {"images": np.asarray(square)[None]})
        return dict(zip(self.info["labels"], probabilities[0].tolist(), strict=True))


if __name__ == "__main__":
    port, model, runtime = sys.argv[1:]
    api = {"gingham": WithGingham, "onnxruntime": WithOnnxRuntime}[runtime](model)
    server = litserve.LitServer(api, accelerator="cpu")
    server.run(port=int(port), generate_client_file=False, log_level="warning")
